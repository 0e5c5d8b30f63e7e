// A tree of halves, each cut across its longer side, until sixteen points are left: its leaves are the groups. They are
// made anew every few steps, for points move little; middles and radii are always those of now, so that old groups
// cost time, not accuracy.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "fovea/backend/cpu/kernels/student_groups.h"
#include "fovea/backend/cpu/kernels/student_repulsion.h"
#include "fovea/features/tsne_repulsion.h"

namespace fovea {

namespace {

using kernels::kGroupPoints;

constexpr int64_t kStepsOfGroups = 10;  // before they are made anew

class Grouped : public RepulsionMethod {
 public:
  explicit Grouped(double theta) : theta_(static_cast<float>(theta)) {}
  std::string_view name() const override { return "groups"; }

  void compute(const std::vector<float>& x, const std::vector<float>& y, Repulsion& result) override {
    const auto count = static_cast<int64_t>(x.size()), groups = (count + kGroupPoints - 1) / kGroupPoints;
    if (order_.size() != x.size() || step_++ % kStepsOfGroups == 0) group(x, y);
    place(x, y, groups);
    const auto whole = static_cast<size_t>(groups * kGroupPoints);
    force_x_.resize(whole), force_y_.resize(whole);
    scratch_.resize(2 * kernels::kGroupParts * whole);
    list_.resize(static_cast<size_t>(kernels::kGroupParts * groups));
    const kernels::PointGroups all{groups,           x_.data(),      y_.data(),     middle_x_.data(),
                                   middle_y_.data(), radius_.data(), points_.data()};
    result.z = kernels::student_groups(all, theta_, force_x_.data(), force_y_.data(), scratch_.data(), list_.data());
    // Each point met itself with w = 1, and so did the points of the padding, which lie in one place.
    const auto pads = static_cast<double>(groups * kGroupPoints - count);
    result.z -= static_cast<double>(count) + pads * pads;
    result.x.resize(x.size()), result.y.resize(x.size());
    for (size_t k = 0; k < x.size(); ++k) {
      const auto i = static_cast<size_t>(order_[k]);
      result.x[i] = force_x_[k], result.y[i] = force_y_[k];
    }
  }

 private:
  void group(const std::vector<float>& x, const std::vector<float>& y) {
    order_.resize(x.size());
    std::iota(order_.begin(), order_.end(), 0);
    const auto finite = [](float v) { return std::isfinite(v); };
    if (std::all_of(x.begin(), x.end(), finite) && std::all_of(y.begin(), y.end(), finite))
      halve(x, y, 0, static_cast<int64_t>(x.size()));
  }

  // Halves are whole groups. Equal coordinates go by number, so that the groups are a function of the points.
  void halve(const std::vector<float>& x, const std::vector<float>& y, int64_t begin, int64_t end) {
    const auto first = order_.begin() + begin, last = order_.begin() + end;
    if (end - begin <= kGroupPoints) return std::sort(first, last);
    float low_x = INFINITY, high_x = -INFINITY, low_y = INFINITY, high_y = -INFINITY;
    for (auto at = first; at != last; ++at) {
      const auto i = static_cast<size_t>(*at);
      low_x = std::min(low_x, x[i]), high_x = std::max(high_x, x[i]);
      low_y = std::min(low_y, y[i]), high_y = std::max(high_y, y[i]);
    }
    const std::vector<float>& along = high_x - low_x >= high_y - low_y ? x : y;
    const int64_t groups = (end - begin + kGroupPoints - 1) / kGroupPoints, middle = begin + groups / 2 * kGroupPoints;
    std::nth_element(first, order_.begin() + middle, last, [&](int32_t a, int32_t b) {
      const float at_a = along[static_cast<size_t>(a)], at_b = along[static_cast<size_t>(b)];
      return at_a < at_b || (!(at_b < at_a) && a < b);
    });
    halve(x, y, begin, middle);
    halve(x, y, middle, end);
  }

  // The points in the order of the groups, and where these are.
  void place(const std::vector<float>& x, const std::vector<float>& y, int64_t groups) {
    x_.assign(static_cast<size_t>(groups * kGroupPoints), kernels::kRepulsionPadding);
    y_.assign(x_.size(), kernels::kRepulsionPadding);
    for (size_t k = 0; k < order_.size(); ++k) {
      x_[k] = x[static_cast<size_t>(order_[k])];
      y_[k] = y[static_cast<size_t>(order_[k])];
    }
    for (std::vector<float>* values : {&middle_x_, &middle_y_, &radius_, &points_})
      values->resize(static_cast<size_t>(groups));
    for (size_t g = 0; g < static_cast<size_t>(groups); ++g) {
      const size_t begin = g * kGroupPoints, end = std::min(begin + kGroupPoints, order_.size());
      float sum_x = 0, sum_y = 0, most = 0;
      for (size_t k = begin; k < end; ++k) sum_x += x_[k], sum_y += y_[k];
      points_[g] = static_cast<float>(end - begin);
      middle_x_[g] = sum_x / points_[g], middle_y_[g] = sum_y / points_[g];
      for (size_t k = begin; k < end; ++k) {
        const float dx = x_[k] - middle_x_[g], dy = y_[k] - middle_y_[g];
        most = std::max(most, dx * dx + dy * dy);
      }
      radius_[g] = std::sqrt(most);
    }
  }

  float theta_;
  int64_t step_ = 0;
  std::vector<int32_t> order_, list_;
  std::vector<float> x_, y_, middle_x_, middle_y_, radius_, points_, force_x_, force_y_, scratch_;
};

}  // namespace

std::unique_ptr<RepulsionMethod> grouped_repulsion(double theta) { return std::make_unique<Grouped>(theta); }

}  // namespace fovea
