// The tree is built anew for each call: cells are quartered until they hold one point, or kMostDepth times. It lies in
// an array in depth-first order, so that walking it is a loop: on to the next node, or past a subtree that counts as
// one point. Source: L. van der Maaten, "Accelerating t-SNE using tree-based algorithms", JMLR 15 (2014), section 4.2
// (equation 9); the tree: J. Barnes, P. Hut, "A hierarchical O(N log N) force-calculation algorithm", Nature 324
// (1986).
#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "fovea/base/parallel.h"
#include "fovea/features/tsne_repulsion.h"

namespace fovea {

namespace {

constexpr int kMostDepth = 48;

struct Cell {
  float x = 0, y = 0;  // its points' middle
  float square = 0;    // side²
  int32_t points = 0;
  int32_t next = 0;   // the node after its subtree
  int32_t first = 0;  // a leaf's points are order[first, first + points)
  bool leaf = false;
};

class BarnesHut : public RepulsionMethod {
 public:
  explicit BarnesHut(double theta) : theta_square_(static_cast<float>(theta * theta)) {}
  std::string_view name() const override { return "barnes-hut"; }

  void compute(const std::vector<float>& x, const std::vector<float>& y, Repulsion& result) override {
    const auto count = static_cast<int64_t>(x.size());
    x_ = x.data(), y_ = y.data();
    build(count);
    result.x.resize(x.size());
    result.y.resize(x.size());
    weights_.resize(x.size());
    // Points that are near each other walk the same cells one after the other.
    parallel_for(count, 256, [&](int64_t i) { visit(order_[static_cast<size_t>(i)], result); });
    result.z = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  }

 private:
  void build(int64_t count) {
    order_.resize(static_cast<size_t>(count));
    other_.resize(order_.size());
    std::iota(order_.begin(), order_.end(), 0);
    cells_.clear();
    if (count == 0) return;
    const auto [left, right] = std::minmax_element(x_, x_ + count);
    const auto [top, bottom] = std::minmax_element(y_, y_ + count);
    const float side = std::max({*right - *left, *bottom - *top, std::numeric_limits<float>::min()}) * 1.0001f;
    add(0, static_cast<int32_t>(count), *left, *top, side, 0);
  }

  // The cell [x, x + side) × [y, y + side) with points order[begin, end) and all below it.
  void add(int32_t begin, int32_t end, float x, float y, float side, int depth) {
    const size_t index = cells_.size();
    Cell cell;
    cell.points = end - begin;
    cell.first = begin;
    cell.square = side * side;
    double sum_x = 0, sum_y = 0;
    for (int32_t i = begin; i < end; ++i) {
      sum_x += x_[order_[static_cast<size_t>(i)]];
      sum_y += y_[order_[static_cast<size_t>(i)]];
    }
    cell.x = static_cast<float>(sum_x / cell.points);
    cell.y = static_cast<float>(sum_y / cell.points);
    cell.leaf = cell.points == 1 || depth >= kMostDepth;
    cells_.push_back(cell);
    if (!cell.leaf) quarter(begin, end, x, y, side / 2, depth + 1);
    cells_[index].next = static_cast<int32_t>(cells_.size());
  }

  void quarter(int32_t begin, int32_t end, float x, float y, float half, int depth) {
    const float middle_x = x + half, middle_y = y + half;
    const auto quarter_of = [&](int32_t point) { return (x_[point] >= middle_x) + 2 * (y_[point] >= middle_y); };
    std::array<int32_t, 5> at{};
    for (int32_t i = begin; i < end; ++i) ++at[static_cast<size_t>(quarter_of(order_[static_cast<size_t>(i)]) + 1)];
    std::partial_sum(at.begin(), at.end(), at.begin());
    std::array<int32_t, 4> free{};
    for (size_t q = 0; q < 4; ++q) free[q] = begin + at[q];
    for (int32_t i = begin; i < end; ++i) {  // stable, so that the order of sums is fixed
      const int32_t point = order_[static_cast<size_t>(i)];
      other_[static_cast<size_t>(free[static_cast<size_t>(quarter_of(point))]++)] = point;
    }
    std::copy(other_.begin() + begin, other_.begin() + end, order_.begin() + begin);
    for (size_t q = 0; q < 4; ++q)
      if (at[q + 1] > at[q])
        add(begin + at[q], begin + at[q + 1], q % 2 ? middle_x : x, q / 2 ? middle_y : y, half, depth);
  }

  void visit(int32_t point, Repulsion& result) {
    const float px = x_[point], py = y_[point];
    float force_x = 0, force_y = 0;
    double weight = 0;
    const auto size = static_cast<int32_t>(cells_.size());
    for (int32_t at = 0; at < size;) {
      const Cell& cell = cells_[static_cast<size_t>(at)];
      const float dx = px - cell.x, dy = py - cell.y, square = dx * dx + dy * dy;
      if (!cell.leaf && cell.square >= theta_square_ * square) {
        ++at;
        continue;
      }
      auto mass = static_cast<float>(cell.points);
      if (cell.leaf && holds(cell, point)) mass -= 1;
      const float w = 1 / (1 + square), repelled = mass * w * w;
      weight += mass * w;
      force_x += repelled * dx;
      force_y += repelled * dy;
      at = cell.next;
    }
    const auto i = static_cast<size_t>(point);
    result.x[i] = force_x;
    result.y[i] = force_y;
    weights_[i] = weight;
  }

  bool holds(const Cell& leaf, int32_t point) const {
    for (int32_t i = 0; i < leaf.points; ++i)
      if (order_[static_cast<size_t>(leaf.first + i)] == point) return true;
    return false;
  }

  float theta_square_;
  const float *x_ = nullptr, *y_ = nullptr;
  std::vector<int32_t> order_, other_;
  std::vector<Cell> cells_;
  std::vector<double> weights_;
};

}  // namespace

std::unique_ptr<RepulsionMethod> barnes_hut_repulsion(double theta) { return std::make_unique<BarnesHut>(theta); }

}  // namespace fovea
