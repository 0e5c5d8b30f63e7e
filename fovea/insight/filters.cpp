#include "fovea/insight/filters.h"

#include <algorithm>
#include <cmath>

#include "fovea/model/conventions.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"

namespace fovea {

std::optional<Tensor> weight_of(const Model& model, Value value) {
  if (!value) return {};
  const Node& node = model.graph.node(value);
  if (node.op == &ops::parameter) {
    const auto found = model.weights.find(node.name);
    return found == model.weights.end() ? std::optional<Tensor>() : found->second;
  }
  if (const Tensor* known = model.graph.known(value)) return *known;
  // Behind an operator that only passes a weight on, such as a cast to the same type.
  return node.inputs.size() == 1 && node.op->name == "identity" ? weight_of(model, node.inputs[0])
                                                                : std::optional<Tensor>();
}

std::optional<FirstLayer> first_layer(const Model& model) {
  const Value input = picture_input(model);
  const std::vector<bool> needed = [&] {
    std::vector<bool> depends(static_cast<size_t>(model.graph.size()), false);
    depends[static_cast<size_t>(input.node)] = true;
    for (int i = 0; i < model.graph.size(); ++i)
      for (const Value v : model.graph.node(i).inputs)
        if (v && depends[static_cast<size_t>(v.node)]) depends[static_cast<size_t>(i)] = true;
    return depends;
  }();
  for (int i = 0; i < model.graph.size(); ++i) {
    const Node& node = model.graph.node(i);
    if (node.op != &ops::conv || !needed[static_cast<size_t>(i)] || node.inputs.size() < 2) continue;
    const auto weight = weight_of(model, node.inputs[1]);
    if (!weight || weight->rank() != 4) continue;
    return FirstLayer{i, weight->cast(DType::f32), weight->size(1) == 3};
  }
  return {};
}

std::vector<Image> filter_images(const FirstLayer& layer, const std::string& colour_order) {
  const int64_t count = layer.weight.size(0), channels = layer.weight.size(1), height = layer.weight.size(2),
                width = layer.weight.size(3);
  const float* values = layer.weight.data<float>().data();
  const int64_t shown = layer.colour ? 3 : 1, plane = height * width;
  std::vector<Image> result;
  for (int64_t o = 0; o < count; ++o) {
    const float* filter = values + o * channels * plane;
    const auto [low, high] = std::minmax_element(filter, filter + shown * plane);
    const float range = *high - *low;
    Image image(static_cast<int>(width), static_cast<int>(height), static_cast<int>(shown == 3 ? 3 : 1));
    for (int64_t c = 0; c < shown; ++c)
      for (int64_t p = 0; p < plane; ++p) {
        const int64_t to = shown == 3 && colour_order == "bgr" ? 2 - c : c;
        const float t = range > 0 ? (filter[c * plane + p] - *low) / range : 0.5f;
        image.samples()[static_cast<size_t>(p * shown + to)] =
            static_cast<uint8_t>(std::lround(std::isfinite(t) ? t * 255 : 127));
      }
    result.push_back(std::move(image));
  }
  return result;
}

}  // namespace fovea
