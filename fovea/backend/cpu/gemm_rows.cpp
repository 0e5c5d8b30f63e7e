// gemm of a few rows with a transposed weight (a fully connected layer): streamed at the speed of memory.
#include "fovea/backend/cpu/kernels/gemm_rows.h"

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/ops/gemm.h"

namespace fovea::cpu {

std::string lower_gemm_rows(const Request& request, const CpuOptions& options, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const auto& a = node.attributes.as<GemmAttributes>();
  const Type &x = request.type(0), &w = request.type(1);
  if (x.dtype != DType::f32) return "not f32";
  if (a.alpha != 1 || a.beta != 1 || a.trans_a || !a.trans_b) return "not x · wᵀ + bias";
  const int64_t rows = x.shape[0], inputs = x.shape[1], outputs = w.shape[0];
  if (rows < 1 || rows > kernels::kGemmRowsMost)
    return fmt::format("{} rows, at most {}", rows, kernels::kGemmRowsMost);
  const bool has_bias = node.inputs.size() > 2 && node.inputs[2];
  if (has_bias && (request.type(2).shape.count() != outputs || request.type(2).shape.empty() ||
                   request.type(2).shape.back() != outputs))
    return "the bias is no row";
  const bool bf16 = options.bf16 && request.constant[1];
  Lowering lowering;
  lowering.inputs = {plain_layout(x), plain_layout(w)};
  if (node.inputs.size() > 2) lowering.inputs.push_back(has_bias ? plain_layout(request.type(2)) : Layout{});
  if (bf16) {
    const int64_t count = w.shape.count();
    lowering.inputs[1] =
        prepared_layout("bf16", static_cast<size_t>(count) * 2, [count](const std::byte* from, std::byte* to) {
          kernels::round_to_bf16(reinterpret_cast<const float*>(from), reinterpret_cast<uint16_t*>(to), count);
        });
  }
  lowering.outputs = {plain_layout(node.outputs[0])};
  for (const int streams : {6, 4}) {
    if (streams == 4 && rows > 1) break;
    lowering.implementation =
        kernel_name(fmt::format("gemm_rows{}{}", bf16 ? " bf16" : "", streams == 4 ? " by 4" : ""));
    lowering.run = [=](const Buffers& b) {
      const auto* from = reinterpret_cast<const float*>(b.in[0]);
      const auto* bias = has_bias ? reinterpret_cast<const float*>(b.in[2]) : nullptr;
      auto* to = reinterpret_cast<float*>(b.out[0]);
      if (bf16)
        kernels::gemm_rows_bf16(from, reinterpret_cast<const uint16_t*>(b.in[1]), bias, to, rows, inputs, outputs,
                                false, streams);
      else
        kernels::gemm_rows(from, reinterpret_cast<const float*>(b.in[1]), bias, to, rows, inputs, outputs, false,
                           streams);
    };
    choices.push_back(lowering);
  }
  return {};
}

}  // namespace fovea::cpu
