#include "fovea/backend/cpu/cpu.h"

#include "fovea/backend/cpu/candidates.h"
#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/onednn.h"
#include "fovea/base/parallel.h"

namespace fovea {

namespace cpu {

namespace {

constexpr Candidate kCandidates[] = {
    {"conv", "onednn", lower_conv},
    {"fused_conv", "onednn", lower_conv},
    {"conv_input_gradient", "onednn", lower_conv_input_gradient},
    {"conv_weight_gradient", "onednn", lower_conv_weight_gradient},
    {"max_pool", "onednn", lower_max_pool},
    {"average_pool", "onednn", lower_average_pool},
    {"average_pool_gradient", "onednn", lower_average_pool_gradient},
    {"global_average_pool", "onednn", lower_global_average_pool},
    {"gemm", "onednn", lower_gemm},
    {"matmul", "onednn", lower_matmul},
    {"softmax", "onednn", lower_softmax},
    {"softmax", "loops", lower_softmax_loops},
    {"log_softmax", "loops", lower_softmax_loops},
    {"lrn", "onednn", lower_lrn},
    {"reshape", "view", lower_view},
    {"flatten", "view", lower_view},
    {"squeeze", "view", lower_view},
    {"unsqueeze", "view", lower_view},
    {"identity", "view", lower_view},
    {"gate", "view", lower_gate},
    {"concat", "movement", lower_concat},
    {"split", "movement", lower_split},
    {"slice", "movement", lower_slice},
    {"spread", "movement", lower_spread},
    {"transpose", "movement", lower_transpose},
    {"expand", "movement", lower_expand},
    {"pad", "movement", lower_pad},
};

}  // namespace

std::span<const Candidate> candidates() { return kCandidates; }

namespace {

class CpuBackend : public Backend {
 public:
  explicit CpuBackend(CpuOptions options) : options_(options) {}

  std::string_view name() const override { return "cpu"; }

  std::string fingerprint() const override {
    return fmt::format("cpu {} {} threads {}{}{}", onednn::version(), onednn::instruction_set(), thread_count(),
                       options_.exact ? " exact" : "", options_.bf16 ? " bf16" : "");
  }

  Answer lower(const Request& request) override {
    Answer answer;
    for (const auto table : {kernel_candidates(), candidates()})
      for (const Candidate& candidate : table) {
        if (candidate.op != request.op_node().op->name) continue;
        if (std::string reason = candidate.lower(request, options_, answer.choices); !reason.empty())
          answer.refusals.push_back({std::string(candidate.name), std::move(reason)});
        else if (!candidate.compare) return answer;
      }
    if (answer.choices.empty()) answer.choices.push_back(reference_lowering(request));
    return answer;
  }

  Lowering reorder(const Type& type, const Layout& from, const Layout& to) override {
    if (is_blocked_weights(from) && prepared_from_plain_only(to)) return by_way_of_plain(type, from, to);
    if (auto ours = reorder_for_kernels(type, from, to)) return std::move(*ours);
    require(type.dtype == DType::f32, ErrorKind::internal, "no layouts but plain for {}", to_string(type));
    Lowering result = between(type, from, to);
    result.inputs = {from};
    result.outputs = {to};
    return result;
  }

  bool can_live_in(const Type& type, const Layout& layout) const override {
    return layout.is_plain() || (type.dtype == DType::f32 && is_blocked_weights(layout));
  }

 private:
  // Two reorders in one step, the plain values in its scratch.
  Lowering by_way_of_plain(const Type& type, const Layout& from, const Layout& to) {
    const Layout plain = plain_layout(type);
    const Lowering first = reorder(type, from, plain), second = reorder(type, plain, to);
    constexpr size_t kLine = 64;
    const size_t values = (plain.bytes + kLine - 1) / kLine * kLine;
    Lowering result;
    result.implementation = second.implementation + " by way of plain";
    result.inputs = {from};
    result.outputs = {to};
    result.scratch = values + std::max(first.scratch, second.scratch);
    result.run = [first = first.run, second = second.run, values](const Buffers& buffers) {
      std::byte* const between[] = {buffers.scratch};
      first({buffers.in, between, buffers.scratch + values});
      second({between, buffers.out, buffers.scratch + values});
    };
    return result;
  }

  static Lowering between(const Type& type, const Layout& from, const Layout& to) {
    const onednn::Desc a = onednn::desc_of(type, from), b = onednn::desc_of(type, to);
    const auto sizes_a = onednn::sizes_of(a), sizes_b = onednn::sizes_of(b);
    if (sizes_a == sizes_b) return onednn::reorder(a, b);
    // Weights of groups have an axis more: what is plain is read with the other's axes.
    if (from.is_plain()) return onednn::reorder(onednn::plain_desc(sizes_b), b);
    if (to.is_plain()) return onednn::reorder(a, onednn::plain_desc(sizes_a));
    fail(ErrorKind::internal, "no way from {} to {} of {}", from.name, to.name, to_string(type));
  }

  CpuOptions options_;
};

}  // namespace
}  // namespace cpu

bool cpu_accelerates(std::string_view op) {
  for (const auto table : {cpu::kernel_candidates(), cpu::candidates()})
    for (const cpu::Candidate& candidate : table)
      if (candidate.op == op) return true;
  return false;
}

std::unique_ptr<Backend> cpu_backend(CpuOptions options) { return std::make_unique<cpu::CpuBackend>(options); }

}  // namespace fovea
