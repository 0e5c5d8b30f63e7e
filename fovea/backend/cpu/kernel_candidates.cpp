#include "fovea/backend/cpu/kernel_candidates.h"

#include <cstring>

#include <hwy/targets.h>

#include "fovea/backend/cpu/layouts.h"
#include "fovea/base/parallel.h"

namespace fovea::cpu {

namespace {

constexpr std::string_view kPrepared = "fovea ", kSwitches = "fovea switches ";

struct Preparation {
  std::function<void(const std::byte*, std::byte*)> prepare;
  std::function<void(const std::byte*, const WeightOffsets&, std::byte*)> prepare_weights;
};

constexpr Candidate kCandidates[] = {
    {"gemm", "gemm_rows", lower_gemm_rows},
    {"conv", "small_conv", lower_small_conv, true},
    {"fused_conv", "small_conv", lower_small_conv, true},
    {"conv_input_gradient", "small_conv", lower_small_conv_input_gradient, true},
    {"conv_weight_gradient", "small_conv", lower_small_conv_weight_gradient, true},
    {"conv_weight_gradient", "few_positions", lower_few_positions_weight_gradient, true},
    {"conv", "winograd", lower_winograd, true},
    {"fused_conv", "winograd", lower_winograd, true},
    {"conv_input_gradient", "image_gradient", lower_image_gradient, true},
    {"conv_input_gradient", "winograd", lower_winograd, true},
    {"relu", "elementwise", lower_unary},
    {"neg", "elementwise", lower_unary},
    {"abs", "elementwise", lower_unary},
    {"sqrt", "elementwise", lower_unary},
    {"exp", "elementwise", lower_unary},
    {"sigmoid", "elementwise", lower_unary},
    {"tanh", "elementwise", lower_unary},
    {"erf", "elementwise", lower_unary},
    {"pow", "elementwise", lower_pow},
    {"gelu", "elementwise", lower_unary},
    {"add", "elementwise", lower_binary},
    {"sub", "elementwise", lower_binary},
    {"mul", "elementwise", lower_binary},
    {"div", "elementwise", lower_binary},
    {"max", "elementwise", lower_binary},
    {"min", "elementwise", lower_binary},
    {"relu_gradient", "elementwise", lower_binary},
    {"gelu_gradient", "elementwise", lower_binary},
    {"gather", "gather", lower_gather},
    {"scatter_add", "gather", lower_scatter_add},
    {"channel_affine", "elementwise", lower_channel_affine},
    {"lrn_gradient", "lrn_gradient", lower_lrn_gradient},
    {"batch_norm_training", "batch_norm", lower_batch_norm_training},
    {"fused_batch_norm_training", "batch_norm", lower_batch_norm_training},
    {"batch_norm_training_gradient", "batch_norm", lower_batch_norm_training_gradient},
    {"fused_batch_norm_training_gradient", "batch_norm", lower_batch_norm_training_gradient},
    {"fused_batch_norm_training_gradient_of_sum", "batch_norm", lower_batch_norm_training_gradient},
    {"dropout", "dropout", lower_dropout},
    {"max_pool", "switches", lower_max_pool_switches},
    {"unpool", "switches", lower_unpool},
    {"take_switches", "switches", lower_take_switches},
    {"reduce", "reduce", lower_reduce},
    {"reduce_extreme_gradient", "reduce", lower_reduce_extreme_gradient},
    {"update", "update", lower_update},
    {"sum_of_squares", "update", lower_sum_of_squares},
    {"gram", "gram", lower_gram},
    {"gram_gradient", "gram", lower_gram_gradient},
    {"root_trace", "root_trace", lower_root_trace},
};

// Switches in blocks of channels or with channels last ↔ plain.
Lowering reorder_switches(const Type& type, const Layout& from, const Layout& to) {
  const Layout& other = from.is_plain() ? to : from;
  const bool last = other.name.ends_with("nhwc"), to_plain = to.is_plain();
  const int64_t channels = type.shape[1], block = last ? channels : other.name.ends_with("16c") ? 16 : 8;
  const int64_t blocks = (channels + block - 1) / block, batch = type.shape[0];
  const int64_t positions = type.shape.count(2, type.shape.rank());
  Lowering lowering;
  lowering.implementation = "fovea switches reorder";
  lowering.inputs = {from};
  lowering.outputs = {to};
  lowering.run = [=](const Buffers& buffers) {
    const auto* x = reinterpret_cast<const int32_t*>(buffers.in[0]);
    auto* y = reinterpret_cast<int32_t*>(buffers.out[0]);
    parallel_for(batch * blocks, 1, [&](int64_t k) {
      const int64_t n = k / blocks, first = k % blocks * block;
      for (int64_t p = 0; p < positions; ++p)
        for (int64_t lane = 0; lane < block; ++lane) {
          const int64_t plain = (n * channels + first + lane) * positions + p;
          const int64_t packed = (k * positions + p) * block + lane;
          const bool inside = first + lane < channels;
          if (to_plain && inside) y[plain] = x[packed];
          if (!to_plain) y[packed] = inside ? x[plain] : 0;
        }
    });
  };
  return lowering;
}

}  // namespace

std::span<const Candidate> kernel_candidates() { return kCandidates; }

std::string kernel_name(std::string_view kernel) {
  const int64_t targets = hwy::SupportedTargets();
  const std::string_view set = targets & (HWY_AVX3 | HWY_AVX3_DL) ? "avx512"
                               : targets & HWY_AVX2               ? "avx2"
                               : targets & HWY_SSE4               ? "sse4"
                                                                  : "scalar";
  return fmt::format("fovea {}:{}", kernel, set);
}

Layout prepared_layout(std::string_view name, size_t bytes,
                       std::function<void(const std::byte* plain, std::byte* prepared)> prepare) {
  return {fmt::format("{}{}", kPrepared, name), bytes,
          std::make_shared<const Preparation>(Preparation{std::move(prepare), {}})};
}

Layout prepared_weights_layout(
    std::string_view name, size_t bytes,
    std::function<void(const std::byte* weights, const WeightOffsets& offsets, std::byte* prepared)> prepare) {
  return {fmt::format("{}{}", kPrepared, name), bytes,
          std::make_shared<const Preparation>(Preparation{{}, std::move(prepare)})};
}

Layout padded_layout(int64_t count, int64_t block) {
  const size_t used = static_cast<size_t>(count) * sizeof(float);
  const size_t bytes = static_cast<size_t>((count + block - 1) / block * block) * sizeof(float);
  if (bytes == used) return {"plain", used, nullptr};
  return prepared_layout(fmt::format("padded{}", block), bytes,
                         [used, bytes](const std::byte* plain, std::byte* prepared) {
                           std::memcpy(prepared, plain, used);
                           std::memset(prepared + used, 0, bytes - used);
                         });
}

Layout switches_layout(const Type& type, const Layout& layout) {
  if (layout.is_plain()) return plain_layout(type);
  return {fmt::format("{}{}", kSwitches, layout.name), layout.bytes, nullptr};
}

bool prepared_from_plain_only(const Layout& layout) {
  return layout.name.starts_with(kPrepared) &&
         !std::static_pointer_cast<const Preparation>(layout.details)->prepare_weights;
}

std::optional<Lowering> reorder_for_kernels(const Type& type, const Layout& from, const Layout& to) {
  if (from.name.starts_with(kSwitches) || to.name.starts_with(kSwitches)) {
    require(from.is_plain() || to.is_plain(), ErrorKind::internal, "no way from {} to {}", from.name, to.name);
    return reorder_switches(type, from, to);
  }
  if (!to.name.starts_with(kPrepared)) {
    require(!from.name.starts_with(kPrepared), ErrorKind::internal, "no way back from {} to {}", from.name, to.name);
    return std::nullopt;
  }
  const auto preparation = std::static_pointer_cast<const Preparation>(to.details);
  require(from.is_plain() || (preparation->prepare_weights && is_blocked_weights(from)), ErrorKind::internal,
          "{} is made from plain values, not from {}", to.name, from.name);
  Lowering lowering;
  lowering.implementation = "fovea prepare";
  lowering.inputs = {from};
  lowering.outputs = {to};
  if (preparation->prepare_weights)
    lowering.run = [preparation, offsets = weight_offsets(type, from)](const Buffers& buffers) {
      preparation->prepare_weights(buffers.in[0], offsets, buffers.out[0]);
    };
  else lowering.run = [preparation](const Buffers& buffers) { preparation->prepare(buffers.in[0], buffers.out[0]); };
  return lowering;
}

}  // namespace fovea::cpu
