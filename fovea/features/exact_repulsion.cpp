#include "fovea/backend/cpu/kernels/student_repulsion.h"
#include "fovea/features/tsne_repulsion.h"

namespace fovea {

namespace {

class Exact : public RepulsionMethod {
 public:
  explicit Exact(bool estimates)
      : reciprocals_(estimates ? kernels::Reciprocals::estimate : kernels::Reciprocals::refined) {}
  std::string_view name() const override { return "exact"; }

  void compute(const std::vector<float>& x, const std::vector<float>& y, Repulsion& result) override {
    using kernels::kRepulsionGroup;
    const size_t count = x.size(), whole = (count + kRepulsionGroup - 1) / kRepulsionGroup * kRepulsionGroup;
    x_.assign(whole, kernels::kRepulsionPadding);
    y_.assign(whole, kernels::kRepulsionPadding);
    std::copy(x.begin(), x.end(), x_.begin());
    std::copy(y.begin(), y.end(), y_.begin());
    scratch_.resize(2 * kernels::kRepulsionParts * whole);
    result.x.resize(whole);
    result.y.resize(whole);
    result.z = kernels::student_repulsion(x_.data(), y_.data(), static_cast<int64_t>(whole),
                                          static_cast<int64_t>(whole - count), result.x.data(), result.y.data(),
                                          scratch_.data(), reciprocals_);
    result.x.resize(count);
    result.y.resize(count);
  }

 private:
  kernels::Reciprocals reciprocals_;
  std::vector<float> x_, y_, scratch_;
};

}  // namespace

std::unique_ptr<RepulsionMethod> exact_repulsion(bool estimates) { return std::make_unique<Exact>(estimates); }

}  // namespace fovea
