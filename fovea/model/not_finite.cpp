#include "fovea/model/not_finite.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fovea/model/preprocess.h"

namespace fovea {

std::string not_finite_weight(const Model& model) {
  for (const auto& [name, weight] : model.weights) {
    if (!is_float(weight.dtype()) || weight.dtype() == DType::f64) continue;
    const Tensor values = weight.dtype() == DType::f32 ? weight : weight.cast(DType::f32);
    const auto data = values.data<float>();
    if (!std::all_of(data.begin(), data.end(), [](float v) { return std::isfinite(v); })) return name;
  }
  return {};
}

std::string why_not_finite(const Model& model) {
  if (const std::string weight = not_finite_weight(model); !weight.empty())
    return fmt::format("the weight \"{}\" holds NaN or infinite values; the file is damaged or its training diverged",
                       weight);
  return fmt::format(
      "no weight is NaN or infinite, so values overflow on the way, or the preprocessing does not fit{}",
      model.meaning.preprocess ? fmt::format(" ({}; see --preprocess)", describe(*model.meaning.preprocess)) : "");
}

}  // namespace fovea
