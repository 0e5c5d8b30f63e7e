// batch_norm_training and its gradient, alone and fused with what stands around them, in any layout.
#include "fovea/ops/batch_norm_training.h"

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/kernels/batch_norm.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/ops/fused_batch_norm_training.h"

namespace fovea::cpu {

namespace {

float* floats(std::byte* bytes) { return reinterpret_cast<float*>(bytes); }

std::string refusal(const Type& x) {
  if (x.dtype != DType::f32) return fmt::format("computes in f32, not {}", to_string(x.dtype));
  if (x.shape.count() == 0) return "the tensor has no elements";
  return {};
}

// The layout for all operands of x's type: the one of x.
Layout layout_for(const Request& request, size_t x) {
  const Format format = format_of(request.inputs[x]);
  return layout_in(format == Format::other ? Format::plain : format, request.type(x));
}

kernels::BatchNormView view_of(const Type& x, const Layout& layout) {
  const Shape& shape = x.shape;
  const int64_t channels = shape[1], positions = shape.count(2, shape.rank());
  kernels::BatchNormView v;
  v.channels = channels;
  const Format format = format_of(layout);
  if (format == Format::channels_last || (format == Format::plain && positions == 1)) {
    v.strips = (channels + 15) / 16;
    v.rows = shape[0] * positions;
    v.strip_step = 16;
    v.row_step = channels;
    v.last_width = channels - (v.strips - 1) * 16;
    return v;
  }
  const int64_t block = block_of(format), run = positions * block;
  v.lanes = block;
  v.strips = (channels + block - 1) / block;
  v.runs = shape[0];
  v.rows = run / 16;
  v.tail = run % 16;
  v.strip_step = run;
  v.run_step = v.strips * run;
  return v;
}

bool given(const Node& node, size_t i) { return node.inputs.size() > i && node.inputs[i]; }

}  // namespace

std::string lower_batch_norm_training(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  if (std::string reason = refusal(request.type(0)); !reason.empty()) return reason;
  const Node& node = request.op_node();
  const Layout layout = layout_for(request, 0), channels = plain_layout(request.type(1));
  const kernels::BatchNormView view = view_of(request.type(0), layout);
  double epsilon = 0;
  bool rectify = false;
  if (node.op == &ops::fused_batch_norm_training) {
    const auto& a = node.attributes.as<FusedBatchNormTrainingAttributes>();
    epsilon = a.epsilon;
    rectify = a.activation == "relu";
  } else {
    epsilon = node.attributes.as<BatchNormAttributes>().epsilon;
  }
  const bool residual = given(node, 3), mean = request.used[1], variance = request.used[2];
  Lowering lowering;
  lowering.implementation = kernel_name("batch_norm_training");
  lowering.inputs = {layout, channels, channels};
  if (node.inputs.size() > 3) lowering.inputs.push_back(residual ? layout : Layout{});
  lowering.outputs = {layout, channels, channels};
  lowering.in_place = {{0, 0}};
  if (residual) lowering.in_place.push_back({3, 0});
  lowering.scratch = kernels::batch_norm_scratch(view);
  lowering.run = [=](const Buffers& b) {
    kernels::batch_norm_forward(view,
                                {.x = floats(b.in[0]),
                                 .scale = floats(b.in[1]),
                                 .bias = floats(b.in[2]),
                                 .residual = residual ? floats(b.in[3]) : nullptr,
                                 .rectify = rectify,
                                 .epsilon = epsilon,
                                 .y = floats(b.out[0]),
                                 .mean = mean ? floats(b.out[1]) : nullptr,
                                 .variance = variance ? floats(b.out[2]) : nullptr},
                                b.scratch);
  };
  choices.push_back(std::move(lowering));
  return {};
}

// d, x, scale, mean, variance[, bias, y[, more]] → dx, dscale, dbias[, what the ReLU let through].
std::string lower_batch_norm_training_gradient(const Request& request, const CpuOptions&,
                                               std::vector<Lowering>& choices) {
  if (std::string reason = refusal(request.type(1)); !reason.empty()) return reason;
  const Node& node = request.op_node();
  const Layout layout = layout_for(request, 1), channels = plain_layout(request.type(2));
  const kernels::BatchNormView view = view_of(request.type(1), layout);
  const bool fused = node.op != &ops::batch_norm_training_gradient;
  const double epsilon = fused ? node.attributes.as<FusedBatchNormTrainingAttributes>().epsilon
                               : node.attributes.as<BatchNormAttributes>().epsilon;
  const bool bias = given(node, 5), y = given(node, 6), more = given(node, 7);
  Lowering lowering;
  lowering.implementation = kernel_name("batch_norm_training");
  lowering.inputs = {layout, layout, channels, channels, channels};
  if (fused) {
    lowering.inputs.push_back(bias ? channels : Layout{});
    lowering.inputs.push_back(y ? layout : Layout{});
    if (more) lowering.inputs.push_back(layout);
  }
  lowering.outputs = {layout, channels, channels};
  std::vector<bool> used(request.used.begin(), request.used.end());
  used.resize(4, false);
  lowering.in_place = {{0, 0}, {1, 0}};
  if (fused) {
    lowering.outputs.push_back(layout);
    // What goes through the ReLU first: it is wanted where paths join, and dx then has x's place.
    lowering.in_place = {{0, 3}, {1, 0}, {0, 0}};
    if (more) lowering.in_place.insert(lowering.in_place.begin() + 1, {7, 3});
  }
  lowering.scratch = kernels::batch_norm_scratch(view);
  lowering.run = [=](const Buffers& b) {
    const auto result = [&](size_t k) { return used[k] ? floats(b.out[k]) : nullptr; };
    kernels::batch_norm_backward(view,
                                 {.d = floats(b.in[0]),
                                  .more = more ? floats(b.in[7]) : nullptr,
                                  .x = floats(b.in[1]),
                                  .scale = floats(b.in[2]),
                                  .mean = floats(b.in[3]),
                                  .variance = floats(b.in[4]),
                                  .bias = bias ? floats(b.in[5]) : nullptr,
                                  .y = y ? floats(b.in[6]) : nullptr,
                                  .epsilon = epsilon,
                                  .dx = result(0),
                                  .dscale = result(1),
                                  .dbias = result(2),
                                  .through = result(3)},
                                 b.scratch);
  };
  choices.push_back(std::move(lowering));
  return {};
}

}  // namespace fovea::cpu
