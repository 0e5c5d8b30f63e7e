// Softmax and local response normalisation through oneDNN.
#include <cmath>

#include "fovea/backend/cpu/candidates.h"
#include "fovea/backend/cpu/onednn.h"
#include "fovea/base/parallel.h"
#include "fovea/ops/lrn.h"
#include "fovea/ops/softmax.h"

namespace fovea::cpu {

namespace {

std::string unsupported(const Request& request, size_t least, size_t most) {
  const Type& x = request.type(0);
  if (x.dtype != DType::f32) return fmt::format("computes in f32, not {}", to_string(x.dtype));
  if (x.shape.size() < least || x.shape.size() > most)
    return fmt::format("{} axes, expected {} to {}", x.shape.size(), least, most);
  if (x.shape.count() == 0) return "the tensor has no elements";
  return "";
}

constexpr std::string_view kOnlyReference = "oneDNN has only its reference loop";

}  // namespace

// Our own loops, for any axis, and for the logarithm: oneDNN's is only good to 1e-6. A row's sum is taken in its order.
std::string lower_softmax_loops(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  if (std::string reason = unsupported(request, 1, 64); !reason.empty()) return reason;
  const Node& node = request.op_node();
  const Shape& x = request.type(0).shape;
  const int64_t axis = normal_axis(node.attributes.as<SoftmaxAttributes>().axis, x.rank(), "softmax");
  const int64_t outer = x.count(0, axis), size = x[static_cast<size_t>(axis)], inner = x.count(axis + 1, x.rank());
  const bool logarithm = node.op == &ops::log_softmax;
  Lowering lowering;
  lowering.implementation = "fovea softmax";
  lowering.inputs = lowering.outputs = {plain_layout(request.type(0))};
  lowering.in_place = {{0, 0}};
  lowering.run = [=](const Buffers& b) {
    const auto* from = reinterpret_cast<const float*>(b.in[0]);
    auto* to = reinterpret_cast<float*>(b.out[0]);
    // Columns are walked side by side, kLanes at a time.
    constexpr int64_t kLanes = 64;
    const int64_t pieces = (inner + kLanes - 1) / kLanes;
    parallel_for(outer * pieces, std::max<int64_t>(1, (1 << 12) / (size * std::min(inner, kLanes))), [&](int64_t k) {
      const int64_t first = k % pieces * kLanes, lanes = std::min(kLanes, inner - first);
      const float* row = from + k / pieces * size * inner + first;
      float* result = to + k / pieces * size * inner + first;
      float most[kLanes];
      double sum[kLanes] = {};
      std::copy_n(row, lanes, most);
      for (int64_t i = 1; i < size; ++i)
        for (int64_t l = 0; l < lanes; ++l) most[l] = row[i * inner + l] > most[l] ? row[i * inner + l] : most[l];
      for (int64_t i = 0; i < size; ++i)
        for (int64_t l = 0; l < lanes; ++l) {
          const float shifted = row[i * inner + l] - most[l], e = std::exp(shifted);
          sum[l] += static_cast<double>(e);
          result[i * inner + l] = logarithm ? shifted : e;
        }
      float factor[kLanes];
      for (int64_t l = 0; l < lanes; ++l) factor[l] = static_cast<float>(logarithm ? std::log(sum[l]) : 1 / sum[l]);
      for (int64_t i = 0; i < size; ++i)
        for (int64_t l = 0; l < lanes; ++l) {
          float& y = result[i * inner + l];
          y = logarithm ? y - factor[l] : y * factor[l];
        }
    });
  };
  choices.push_back(std::move(lowering));
  return "";
}

std::string lower_softmax(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  if (std::string reason = unsupported(request, 1, 6); !reason.empty()) return reason;
  const Node& node = request.op_node();
  const Type& x = request.type(0);
  const auto axis =
      static_cast<int>(normal_axis(node.attributes.as<SoftmaxAttributes>().axis, x.shape.rank(), "softmax"));
  constexpr auto algorithm = dnnl::algorithm::softmax_accurate;
  const onednn::Desc desc = onednn::plain_desc(x.shape);
  const auto d =
      onednn::describe<onednn::Softmax>(onednn::attributes(), onednn::kInference, algorithm, desc, desc, axis);
  if (!d || onednn::is_reference(d)) return std::string(kOnlyReference);
  onednn::Execution execution{onednn::Softmax(d)};
  execution.input(DNNL_ARG_SRC, desc, 0);
  execution.output(DNNL_ARG_DST, desc, 0);
  onednn::bind_scratchpad(execution, d);
  Lowering lowering;
  lowering.implementation = onednn::implementation(d);
  lowering.inputs = lowering.outputs = {plain_layout(x)};
  lowering.scratch = onednn::scratch_bytes(d);
  lowering.in_place = {{0, 0}};
  lowering.run = execution;
  choices.push_back(std::move(lowering));
  return "";
}

std::string lower_lrn(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  if (std::string reason = unsupported(request, 4, 4); !reason.empty()) return reason;
  const auto& a = request.op_node().attributes.as<LrnAttributes>();
  if (a.size % 2 == 0) return fmt::format("windows of an even number of channels ({}) are not centred alike", a.size);
  const Type& x = request.type(0);
  for (const Format f : {format_of(request.inputs[0]), blocked_format(), Format::plain}) {
    const auto d = onednn::describe_lrn(onednn::desc_in(f, x.shape), a.size, static_cast<float>(a.alpha),
                                        static_cast<float>(a.beta), static_cast<float>(a.bias));
    if (!d || onednn::is_reference(d)) continue;
    onednn::Execution execution{dnnl::lrn_forward(d)};
    execution.input(DNNL_ARG_SRC, d.src_desc(), 0);
    execution.output(DNNL_ARG_DST, d.dst_desc(), 0);
    onednn::bind_scratchpad(execution, d);
    Lowering lowering;
    lowering.implementation = onednn::implementation(d);
    lowering.inputs = lowering.outputs = {layout_in(f, x)};
    lowering.scratch = onednn::scratch_bytes(d);
    lowering.run = execution;
    choices.push_back(std::move(lowering));
    return "";
  }
  return std::string(kOnlyReference);
}

}  // namespace fovea::cpu
