#include "fovea/model/zoo/eight_layers.h"

namespace fovea {

void eight_layers(NetworkBuilder& b, const EightLayers& layers) {
  Value x = b.input();
  for (size_t k = 0; k < layers.convs.size(); ++k) {
    const EightLayers::Conv& layer = layers.convs[k];
    const auto name = [&](std::string_view kind) { return fmt::format("{}{}", kind, k + 1); };
    const auto norm = [&] {
      if (layer.norm) x = b.lrn(name("norm"), x, layers.norm);
    };
    x = b.conv(name("conv"), x, layer.out, layer.kernel,
               {.stride = layer.stride, .pad = layer.pad, .groups = layer.groups});
    x = b.relu(name("relu"), x);
    if (!layers.pool_before_norm) norm();
    if (layer.pool_kernel > 0)
      x = b.max_pool(name("pool"), x, {.kernel = layer.pool_kernel, .stride = layer.pool_stride, .ceil = true});
    if (layers.pool_before_norm) norm();
  }
  for (const int k : {6, 7}) {
    x = b.linear(fmt::format("fc{}", k), x, 4096);
    x = b.relu(fmt::format("relu{}", k), x);
    x = b.dropout(fmt::format("drop{}", k), x);
  }
  x = b.linear("fc8", x, b.classes);
  b.output("scores", b.softmax("prob", x));
}

}  // namespace fovea
