// What our own kernels offer to the CPU backend, and the layouts that only they know.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "fovea/backend/cpu/candidates.h"
#include "fovea/backend/cpu/layouts.h"

namespace fovea::cpu {

// To be asked before the other candidates of the same operator.
std::span<const Candidate> kernel_candidates();

std::string lower_gemm_rows(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_winograd(const Request&, const CpuOptions&,
                           std::vector<Lowering>&);  // conv, fused_conv, conv_input_gradient
std::string lower_small_conv(const Request&, const CpuOptions&, std::vector<Lowering>&);  // conv and fused_conv
std::string lower_small_conv_weight_gradient(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_small_conv_input_gradient(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_few_positions_weight_gradient(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_image_gradient(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_unary(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_pow(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_binary(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_channel_affine(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_lrn_gradient(const Request&, const CpuOptions&, std::vector<Lowering>&);
// batch_norm_training and fused_batch_norm_training
std::string lower_batch_norm_training(const Request&, const CpuOptions&, std::vector<Lowering>&);
// Of both, and fused_batch_norm_training_gradient_of_sum
std::string lower_batch_norm_training_gradient(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_gather(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_scatter_add(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_dropout(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_max_pool_switches(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_unpool(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_take_switches(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_reduce(const Request&, const CpuOptions&, std::vector<Lowering>&);  // and mean, max, min
std::string lower_reduce_extreme_gradient(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_update(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_sum_of_squares(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_gram(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_gram_gradient(const Request&, const CpuOptions&, std::vector<Lowering>&);
std::string lower_root_trace(const Request&, const CpuOptions&, std::vector<Lowering>&);

// "fovea winograd:avx512": a kernel and the instruction set it runs on here.
std::string kernel_name(std::string_view kernel);

// A layout that a function makes from the plain one. `name` says everything that decides the contents.
Layout prepared_layout(std::string_view name, size_t bytes,
                       std::function<void(const std::byte* plain, std::byte* prepared)> prepare);
// The same for weights of rank 4, plain or in blocks of channels.
Layout prepared_weights_layout(
    std::string_view name, size_t bytes,
    std::function<void(const std::byte* weights, const WeightOffsets& offsets, std::byte* prepared)> prepare);
// A vector of `count` floats followed by zeros up to a multiple of `block`; plain where it is one already.
Layout padded_layout(int64_t count, int64_t block);
// i32 switches [N,C,spatial] in the order of a value of the same shape in `layout`.
Layout switches_layout(const Type& type, const Layout& layout);

// Whether a layout of this file can be made from plain values only.
bool prepared_from_plain_only(const Layout& layout);
// The conversion to or from a layout of this file; nothing when neither is one.
std::optional<Lowering> reorder_for_kernels(const Type& type, const Layout& from, const Layout& to);

}  // namespace fovea::cpu
