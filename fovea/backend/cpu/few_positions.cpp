// conv_weight_gradient where maps are so small that most of a window lies in the padding:
//   dw[o,i,k] = Σ over positions p of y and q of x that tap k joins, Σ_n d[n,o,p] x[n,i,q]
// One matrix product for each run of such pairs, over the batch: a 3×3 kernel on 2×2 maps has 16 pairs, where windows
// have 36 taps. Source: ops/conv.cpp.
#include <algorithm>

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/backend/cpu/onednn.h"
#include "fovea/base/parallel.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/window.h"

namespace fovea::cpu {

namespace {

constexpr int64_t kPositionsMost = 9;

// `count` pairs that tap `tap` joins: positions x, x + 1, … of x with y, y + 1, … of y.
struct Run {
  int64_t tap, x, y, count;
};

struct FewPositions {
  int64_t batch = 0, inputs = 0, outputs = 0;           // N, I, O
  int64_t x_positions = 1, y_positions = 1, taps = 1;   // of a map of x, of one of y, of the kernel
  int64_t x_block = 1, y_block = 1, weight_block = 16;  // channels side by side
  std::vector<Run> runs;                                // by tap
  size_t packed_x() const { return static_cast<size_t>(x_positions * batch * inputs); }
  size_t packed_y() const { return static_cast<size_t>(y_positions * batch * outputs); }
  size_t products() const { return static_cast<size_t>(taps * inputs * outputs); }
};

// How many pairs there are; fills the runs.
int64_t find_runs(const std::vector<WindowAxis>& axes, std::vector<Run>& runs) {
  int64_t pairs = 0;
  for_each_window_element(axes, [&](const WindowElement& e) {
    if (e.input < 0) return;
    ++pairs;
    for (Run& run : runs)
      if (run.tap == e.kernel && run.x + run.count == e.input && run.y + run.count == e.output) {
        ++run.count;
        return;
      }
    runs.push_back({e.kernel, e.input, e.output, 1});
  });
  std::stable_sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.tap < b.tap; });
  return pairs;
}

// to[p][n][c] = from[n][c / block][p][c mod block]
void pack(const float* from, int64_t batch, int64_t channels, int64_t positions, int64_t block, float* to) {
  parallel_for(positions * batch, 16, [&](int64_t row) {
    const int64_t p = row / batch, n = row % batch;
    const float* image = from + n * channels * positions + p * block;
    for (int64_t c = 0; c < channels; c += block) std::copy_n(image + c * positions, block, to + row * channels + c);
  });
}

// Blocks of weights [O/B][I/B][tap][B of i][B of o] from products [tap][i][o].
void unpack(const FewPositions& f, const float* products, float* w) {
  const int64_t b = f.weight_block, columns = f.inputs / b;
  parallel_for(f.outputs / b * columns, 1, [&](int64_t item) {
    const int64_t o = item / columns * b, i = item % columns * b;
    float* to = w + item * f.taps * b * b;
    for (int64_t tap = 0; tap < f.taps; ++tap)
      for (int64_t row = 0; row < b; ++row, to += b)
        std::copy_n(products + (tap * f.inputs + i + row) * f.outputs + o, b, to);
  });
}

void weight_gradient(const FewPositions& f, const float* x, const float* d, float* w, float* scratch) {
  float *const xs = scratch, *const ds = xs + f.packed_x(), *const products = ds + f.packed_y();
  pack(x, f.batch, f.inputs, f.x_positions, f.x_block, xs);
  pack(d, f.batch, f.outputs, f.y_positions, f.y_block, ds);
  const int64_t size = f.inputs * f.outputs;
  std::vector<bool> begun(static_cast<size_t>(f.taps), false);
  for (const Run& run : f.runs) {
    onednn::multiply_transposed(f.inputs, f.outputs, run.count * f.batch, xs + run.x * f.batch * f.inputs,
                                ds + run.y * f.batch * f.outputs, products + run.tap * size,
                                begun[static_cast<size_t>(run.tap)]);
    begun[static_cast<size_t>(run.tap)] = true;
  }
  for (int64_t tap = 0; tap < f.taps; ++tap)
    if (!begun[static_cast<size_t>(tap)]) std::fill_n(products + tap * size, size, 0.0f);
  unpack(f, products, w);
}

}  // namespace

std::string lower_few_positions_weight_gradient(const Request& request, const CpuOptions&,
                                                std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const auto& a = node.attributes.as<ConvAdjointAttributes>();
  const Type &x = request.type(0), &d = request.type(1), &w = node.outputs[0];
  if (x.dtype != DType::f32) return "not f32";
  if (w.shape.size() != 4 || a.groups != 1) return "not two-dimensional, or grouped";
  FewPositions f;
  f.batch = x.shape[0], f.inputs = x.shape[1], f.outputs = d.shape[1];
  f.x_positions = x.shape.count(2, 4), f.y_positions = d.shape.count(2, 4), f.taps = w.shape.count(2, 4);
  if (std::max(f.x_positions, f.y_positions) > kPositionsMost)
    return fmt::format("maps of {} and {} positions, at most {}", f.x_positions, f.y_positions, kPositionsMost);
  if (f.batch == 0 || f.inputs % 16 != 0 || f.outputs % 16 != 0) return "channels are no multiples of 16";
  const int64_t pairs = find_runs(window_axes(spatial_sizes(x.shape), {a.sizes, a.stride, a.dilation, a.pad}), f.runs);
  if (3 * pairs > 2 * f.y_positions * f.taps) return "most of the windows is not padding";
  f.weight_block = onednn::vector_floats();
  const auto format_for = [](const Layout& layout) {
    const Format format = format_of(layout);
    return format == Format::other || format == Format::channels_last ? Format::plain : format;
  };
  Lowering lowering;
  lowering.implementation = kernel_name("few_positions");
  lowering.inputs = {layout_in(format_for(request.inputs[0]), x), layout_in(format_for(request.inputs[1]), d)};
  f.x_block = block_of(format_of(lowering.inputs[0])), f.y_block = block_of(format_of(lowering.inputs[1]));
  lowering.outputs = {onednn::layout_of(onednn::blocked_weights_desc({w.shape.begin(), w.shape.end()}))};
  lowering.scratch = (f.packed_x() + f.packed_y() + f.products()) * sizeof(float);
  lowering.run = [f](const Buffers& b) {
    weight_gradient(f, reinterpret_cast<const float*>(b.in[0]), reinterpret_cast<const float*>(b.in[1]),
                    reinterpret_cast<float*>(b.out[0]), reinterpret_cast<float*>(b.scratch));
  };
  choices.push_back(std::move(lowering));
  return {};
}

}  // namespace fovea::cpu
