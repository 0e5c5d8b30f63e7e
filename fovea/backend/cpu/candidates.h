// The table of the CPU backend: for each operator, who can compute it, best first.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/backend/cpu/cpu.h"

namespace fovea::cpu {

// Adds one or more lowerings to `choices` and returns an empty string, or says why it cannot ("the batch is 16, at most
// 4").
using Lower = std::string (*)(const Request& request, const CpuOptions& options, std::vector<Lowering>& choices);

struct Candidate {
  std::string_view op, name;
  Lower lower;
  // Also ask the candidates after this one, and let a measurement decide among all that was offered.
  bool compare = false;
};

std::span<const Candidate> candidates();

// One file an operator or family of operators, with the operator's stem.
std::string lower_conv(const Request&, const CpuOptions&, std::vector<Lowering>&);  // conv and fused_conv
std::string lower_conv_input_gradient(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_conv_weight_gradient(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_max_pool(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_average_pool(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_average_pool_gradient(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_global_average_pool(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_gemm(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_matmul(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_softmax(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_softmax_loops(const Request&, const CpuOptions&, std::vector<Lowering>&);  // and log_softmax
std::string lower_lrn(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_view(const Request&, const CpuOptions&,
                       std::vector<Lowering>&);  // reshape, flatten, squeeze, unsqueeze, identity
std::string lower_gate(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_concat(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_split(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_slice(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_spread(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_transpose(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_pad(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_expand(const Request&, const CpuOptions&, std::vector<Lowering>&);

}  // namespace fovea::cpu
