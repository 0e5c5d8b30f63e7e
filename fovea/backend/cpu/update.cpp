// Steps of optimisers, and the norm that clips gradients, in whatever order the elements lie: weights, gradients and
// states only have to agree.
#include "fovea/ops/update.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/kernels/update.h"
#include "fovea/backend/cpu/layouts.h"

namespace fovea::cpu {

namespace {

using kernels::UpdateKind;

UpdateKind kind_of(const UpdateAttributes& a) {
  if (a.kind == "sgd") {
    if (a.momentum == 0) return UpdateKind::sgd;
    return a.nesterov ? UpdateKind::nesterov : UpdateKind::momentum;
  }
  if (a.kind == "adam" || a.kind == "adamw") return UpdateKind::adam;
  if (a.kind == "rmsprop") return a.momentum != 0 ? UpdateKind::rmsprop_momentum : UpdateKind::rmsprop;
  if (a.kind == "adagrad") return UpdateKind::adagrad;
  if (a.kind == "lookahead") return UpdateKind::lookahead;
  return a.kind == "average" ? UpdateKind::average : UpdateKind::set;
}

kernels::UpdateNumbers numbers_of(const UpdateAttributes& a) {
  const auto number = [](double x) { return static_cast<float>(x); };
  return {.kind = kind_of(a),
          .momentum = number(a.momentum),
          .beta1 = number(a.beta1),
          .beta2 = number(a.beta2),
          .smoothing = number(a.smoothing),
          .epsilon = number(a.epsilon),
          .decay = number(a.weight_decay),
          .rest1 = number(1 - a.beta1),
          .rest2 = number(1 - a.beta2),
          .rest = number(1 - a.smoothing)};
}

// What an element that is padding in a layout would become is 0 only where the root has something added to it.
bool keeps_zero(const UpdateAttributes& a) {
  const bool divides = a.kind == "adam" || a.kind == "adamw" || a.kind == "rmsprop" || a.kind == "adagrad";
  return !divides || a.epsilon > 0;
}

// Elements in any order, but every one an f32: layouts that only a kernel knows, or that hold bf16, are not.
bool any_order(const Type& type, const Layout& layout) {
  return type.dtype == DType::f32 && (format_of(layout) != Format::other || is_blocked_weights(layout));
}

size_t line_bytes(size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

std::string lower_update(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const auto& a = node.attributes.as<UpdateAttributes>();
  if (request.type(kUpdateScalars).dtype != DType::f32) return "not f32";
  const size_t states = update_state_count(a), width = 2 + states;
  Lowering lowering;
  lowering.implementation = kernel_name("update");
  for (size_t i = 0; i < kUpdateScalars; ++i)
    lowering.inputs.push_back(node.inputs[i] ? plain_layout(request.type(i)) : Layout{});
  std::vector<int64_t> counts;
  std::vector<std::optional<size_t>> spare;  // of each output: where in the scratch
  for (size_t first = kUpdateScalars; first < node.inputs.size(); first += width) {
    const Type& type = request.type(first);
    // The weight's own layout; compile sees to it that this is the gradient's, where the weight can live in it.
    Layout layout = request.inputs[first];
    if (!any_order(type, layout) || (is_padded(type, layout) && !keeps_zero(a))) layout = plain_layout(type);
    for (size_t i = 0; i < width; ++i) lowering.inputs.push_back(layout);
    for (size_t i = 0; i < 1 + states; ++i) {
      const auto input = static_cast<int>(first + (i == 0 ? 0 : 1 + i));
      lowering.in_place.push_back({input, static_cast<int>(lowering.outputs.size())});
      // What nobody needs goes to scratch.
      const bool used = request.used[lowering.outputs.size()];
      spare.push_back(used ? std::nullopt : std::optional(lowering.scratch));
      if (!used) lowering.scratch += line_bytes(layout.bytes);
      lowering.outputs.push_back(layout);
    }
    counts.push_back(static_cast<int64_t>(layout.bytes / sizeof(float)));
  }
  // The parts' addresses are the same from run to run: kept, and filled in anew each time.
  auto parts = std::make_shared<std::vector<kernels::UpdatePart>>(counts.size());
  lowering.run = [parts, counts, spare, states, width, constants = numbers_of(a)](const Buffers& b) {
    const auto scalar = [&](size_t i, float otherwise) {
      return b.in[i] ? *reinterpret_cast<const float*>(b.in[i]) : otherwise;
    };
    kernels::UpdateNumbers numbers = constants;
    numbers.rate = scalar(0, 1);
    numbers.spread = scalar(2, 1);
    numbers.shrink = scalar(3, 1);
    numbers.factor = scalar(4, 1);
    const bool waits = numbers.kind == UpdateKind::lookahead && !(numbers.rate >= 0);
    const bool changes = std::isfinite(scalar(1, 0)) && std::isfinite(numbers.factor) && !waits;
    for (size_t p = 0; p < counts.size(); ++p) {
      const auto in = [&](size_t i) { return reinterpret_cast<const float*>(b.in[kUpdateScalars + p * width + i]); };
      const auto out = [&](size_t k) {
        const size_t output = p * (1 + states) + k;
        return reinterpret_cast<float*>(spare[output] ? b.scratch + *spare[output] : b.out[output]);
      };
      kernels::UpdatePart& part = (*parts)[p];
      part = {in(0), in(1), {nullptr, nullptr}, out(0), {nullptr, nullptr}, counts[p]};
      for (size_t k = 0; k < states; ++k) {
        part.state[k] = in(2 + k);
        part.next_state[k] = out(1 + k);
      }
      if (changes) continue;
      const auto keep = [&](const float* from, float* to) {
        if (from != to) std::copy_n(from, counts[p], to);
      };
      keep(part.weight, part.next_weight);
      for (size_t k = 0; k < states; ++k) keep(part.state[k], part.next_state[k]);
    }
    if (changes) kernels::update(numbers, *parts);
  };
  choices.push_back(std::move(lowering));
  return {};
}

std::string lower_sum_of_squares(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  if (request.type(0).dtype != DType::f32) return "not f32";
  Lowering lowering;
  lowering.implementation = kernel_name("sum_of_squares");
  std::vector<int64_t> counts;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Type& type = request.type(i);
    // Padding is zeros, which add nothing.
    lowering.inputs.push_back(any_order(type, request.inputs[i]) ? request.inputs[i] : plain_layout(type));
    counts.push_back(static_cast<int64_t>(lowering.inputs.back().bytes / sizeof(float)));
  }
  lowering.outputs = {plain_layout(node.outputs[0])};
  lowering.scratch = static_cast<size_t>(kernels::sum_of_squares_pieces(counts)) * sizeof(double);
  auto tensors = std::make_shared<std::vector<const float*>>(counts.size());
  lowering.run = [tensors, counts](const Buffers& b) {
    for (size_t i = 0; i < counts.size(); ++i) (*tensors)[i] = reinterpret_cast<const float*>(b.in[i]);
    *reinterpret_cast<float*>(b.out[0]) =
        static_cast<float>(kernels::sum_of_squares(*tensors, counts, reinterpret_cast<double*>(b.scratch)));
  };
  choices.push_back(std::move(lowering));
  return {};
}

}  // namespace fovea::cpu
