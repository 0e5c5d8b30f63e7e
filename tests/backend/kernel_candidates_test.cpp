// What our own kernels offer to the backend, against the reference: every case of their operators, every layout of the
// inputs.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/rng.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/fused_conv.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/list.h"
#include "fovea/ops/reduce.h"
#include "tests/conformance/cases.h"

namespace fovea::cpu {
namespace {

using Memory = std::vector<std::byte>;

// Element (n, c, p) of a value in a format, as an index in memory.
int64_t place(const Type& type, Format format, int64_t plain) {
  const int64_t positions = type.shape.count(2, type.shape.rank()), channels = type.shape[1];
  const int64_t p = plain % positions, c = plain / positions % channels, n = plain / positions / channels;
  if (format == Format::channels_last) return (n * positions + p) * channels + c;
  const int64_t block = block_of(format);
  return ((n * ((channels + block - 1) / block) + c / block) * positions + p) * block + c % block;
}

Memory from_plain(const Type& type, const Layout& layout, const std::byte* plain) {
  Memory memory(layout.bytes, std::byte{0});
  if (layout.is_plain()) {
    std::memcpy(memory.data(), plain, layout.bytes);
  } else if (const auto made = reorder_for_kernels(type, plain_layout(type), layout)) {
    Memory copy(plain, plain + type.bytes());
    std::byte *in[] = {copy.data()}, *out[] = {memory.data()};
    made->run({in, out, nullptr});
  } else {
    for (int64_t i = 0; i < type.shape.count(); ++i)
      std::memcpy(&memory[static_cast<size_t>(4 * place(type, format_of(layout), i))], plain + 4 * i, 4);
  }
  return memory;
}

Memory to_plain(const Type& type, const Layout& layout, Memory memory) {
  if (layout.is_plain()) return memory;
  Memory plain(type.bytes());
  if (const auto made = reorder_for_kernels(type, layout, plain_layout(type))) {
    std::byte *in[] = {memory.data()}, *out[] = {plain.data()};
    made->run({in, out, nullptr});
    return plain;
  }
  if (is_blocked_weights(layout)) {
    const WeightOffsets at = weight_offsets(type, layout);
    size_t i = 0;
    for (const int64_t o : at.o)
      for (const int64_t in : at.i)
        for (const int64_t h : at.h)
          for (const int64_t w : at.w)
            std::memcpy(&plain[4 * i++], &memory[static_cast<size_t>(4 * (o + in + h + w))], 4);
    return plain;
  }
  for (int64_t i = 0; i < type.shape.count(); ++i)
    std::memcpy(&plain[static_cast<size_t>(4 * i)], &memory[static_cast<size_t>(4 * place(type, format_of(layout), i))],
                4);
  const Memory clean = from_plain(type, layout, plain.data());
  for (size_t i = 0; i < clean.size(); i += 4) {
    float a = 0, b = 0;
    std::memcpy(&a, &clean[i], 4);
    std::memcpy(&b, &memory[i], 4);
    if (a != b && a == a) ADD_FAILURE() << "padded channels must stay 0, not " << b;
  }
  return plain;
}

// Computes the node under test by each lowering that the candidate offers; returns how many there were.
int check(const Candidate& candidate, const testing::Built& built, Format format, bool constants, double tolerance) {
  const Graph& graph = built.graph;
  const int index = built.outputs[0].node;
  const Node& node = graph.node(index);
  const std::vector<Tensor> want = evaluate(graph, built.feeds, built.outputs);
  std::vector<Layout> layouts;
  std::vector<Tensor> inputs;
  std::vector<const Tensor*> values;
  std::vector<char> constant, used(node.outputs.size(), true);
  for (const Value v : node.inputs) {
    inputs.push_back(v ? evaluate(graph, built.feeds, std::vector<Value>{v})[0] : Tensor());
    const bool fixed = v && (graph.known(v) || (constants && !layouts.empty()));
    constant.push_back(fixed);
    layouts.push_back(!v ? Layout{} : fixed ? plain_layout(graph.type(v)) : layout_in(format, graph.type(v)));
  }
  for (size_t i = 0; i < inputs.size(); ++i) values.push_back(constant[i] ? &inputs[i] : nullptr);
  const Request request{graph,   index,
                        layouts, {reinterpret_cast<const bool*>(constant.data()), constant.size()},
                        values,  {reinterpret_cast<const bool*>(used.data()), used.size()}};
  std::vector<Lowering> choices;
  const std::string reason = candidate.lower(request, {}, choices);
  EXPECT_EQ(reason.empty(), !choices.empty());
  for (const Lowering& choice : choices) {
    SCOPED_TRACE(choice.implementation + " from " + (layouts.empty() ? "" : layouts[0].name));
    std::vector<Memory> in, out;
    std::vector<std::byte*> in_pointers, out_pointers;
    for (size_t i = 0; i < inputs.size(); ++i)
      in.push_back(node.inputs[i] ? from_plain(graph.type(node.inputs[i]), choice.inputs[i], inputs[i].raw())
                                  : Memory());
    for (size_t i = 0; i < in.size(); ++i) in_pointers.push_back(node.inputs[i] ? in[i].data() : nullptr);
    for (const Layout& layout : choice.outputs) out.emplace_back(layout.bytes, std::byte{0xff});
    for (Memory& memory : out) out_pointers.push_back(memory.data());
    Memory scratch(choice.scratch + 64);
    choice.run({in_pointers, out_pointers, scratch.data()});
    for (size_t k = 0; k < want.size(); ++k) {
      const Memory got = to_plain(node.outputs[k], choice.outputs[k], out[k]);
      double largest = 0;
      for (int64_t i = 0; i < want[k].count(); ++i) largest = std::max(largest, std::abs(want[k].at(i)));
      for (int64_t i = 0; i < want[k].count(); ++i) {
        if (node.outputs[k].dtype == DType::boolean) {
          EXPECT_EQ(got[static_cast<size_t>(i)] != std::byte{0}, want[k].at(i) != 0) << i;
          continue;
        }
        float value = 0;
        int32_t position = 0;
        std::memcpy(&value, &got[static_cast<size_t>(4 * i)], 4);
        std::memcpy(&position, &got[static_cast<size_t>(4 * i)], 4);
        if (node.outputs[k].dtype == DType::i32) {
          EXPECT_EQ(position, static_cast<int32_t>(want[k].at(i))) << i;
        } else {
          EXPECT_NEAR(value, want[k].at(i), tolerance * (largest + 1e-3)) << i;
        }
      }
    }
  }
  return static_cast<int>(choices.size());
}

TEST(kernel_candidates, agree_with_the_reference) {
  for (const Candidate& candidate : kernel_candidates()) {
    const auto all = all_ops();
    const auto found = std::find_if(all.begin(), all.end(), [&](const Op* op) { return op->name == candidate.op; });
    if (found == all.end()) continue;
    SCOPED_TRACE(candidate.op);
    int offered = 0;
    for (const Case& test : (*found)->cases()) {
      SCOPED_TRACE(test.name);
      for (const Format format : {Format::plain, Format::channels_last, Format::blocked8, Format::blocked16}) {
        for (const bool constants : {false, true})
          offered += check(candidate, testing::build(**found, test, DType::f32, 1), format, constants, 2e-5);
      }
    }
    if (candidate.name != "winograd") { EXPECT_GT(offered, 0) << "no case is for this kernel"; }
  }
}

// The cases of operators are small; these are of the sizes that kernels are for.
TEST(kernel_candidates, larger_shapes) {
  const auto input = [](Shape shape) { return Case::Input{.type = {DType::f32, std::move(shape)}}; };
  const Case::Input none{.type = {}, .given = false};
  struct Sample {
    const Op* op;
    Case test;
  };
  const std::vector<Sample> samples = {
      {&ops::conv, {"40 to 24", {input({2, 40, 9, 13}), input({24, 40, 3, 3}), input({24})}, ConvAttributes{.pad = 1}}},
      {&ops::conv, {"no bias", {input({1, 32, 8, 9}), input({48, 32, 3, 3})}, ConvAttributes{.pad = {0, 1, 2, 0}}}},
      {&ops::fused_conv,
       {"residual",
        {input({1, 16, 10, 9}), input({40, 16, 3, 3}), input({40}), input({1, 40, 10, 9})},
        FusedConvAttributes{.pad = 1, .activation = "relu"}}},
      {&ops::fused_conv,
       {"residual only",
        {input({1, 16, 7, 7}), input({16, 16, 3, 3}), none, input({1, 16, 7, 7})},
        FusedConvAttributes{.pad = 1}}},
      {&ops::fused_conv,
       {"5x5",
        {input({1, 32, 11, 9}), input({40, 32, 5, 5}), input({40})},
        FusedConvAttributes{.pad = 2, .activation = "relu"}}},
      {&ops::conv_input_gradient,
       {"adjoint 5x5",
        {input({1, 40, 9, 12}), input({40, 20, 5, 5})},
        ConvAdjointAttributes{.pad = {1, 2, 2, 3}, .sizes = {10, 11}}}},
      {&ops::conv_input_gradient,
       {"adjoint",
        {input({1, 40, 9, 12}), input({40, 20, 3, 3})},
        ConvAdjointAttributes{.pad = {1, 1, 1, 1}, .sizes = {9, 12}}}},
      {&ops::conv_input_gradient,
       {"unpadded",
        {input({1, 32, 6, 7}), input({32, 32, 3, 3})},
        ConvAdjointAttributes{.pad = {0, 0, 0, 0}, .sizes = {8, 9}}}},
      {&ops::conv_input_gradient,
       {"image",
        {input({2, 24, 12, 17}), input({24, 3, 7, 7})},
        ConvAdjointAttributes{.stride = 2, .pad = {3, 3, 3, 3}, .sizes = {24, 33}}}},
      {&ops::gemm, {"row", {input({1, 300}), input({50, 300}), input({50})}, GemmAttributes{.trans_b = true}}},
      {&ops::gemm, {"four rows", {input({4, 33}), input({10, 33})}, GemmAttributes{.trans_b = true}}},
      {&ops::reduce, {"bias", {input({3, 32, 5, 4})}, ReduceAttributes{"sum", {0, 2, 3}, false}}},
      {&ops::reduce, {"global", {input({3, 48, 5, 4})}, ReduceAttributes{"mean", {2, 3}, true}}},
      {&ops::reduce, {"all", {input({3, 17, 5, 4})}, ReduceAttributes{"mean", {}, false}}},
      {&ops::reduce, {"leading", {input({7, 33, 5})}, ReduceAttributes{"sum", {0}, false}}}};
  for (const Sample& sample : samples) {
    SCOPED_TRACE(std::string(sample.op->name) + " " + sample.test.name);
    int offered = 0;
    for (const Candidate& candidate : kernel_candidates()) {
      if (candidate.op != sample.op->name) continue;
      for (const Format format : {Format::plain, Format::channels_last, Format::blocked8, Format::blocked16})
        offered += check(candidate, testing::build(*sample.op, sample.test, DType::f32, 2), format, true, 2e-5);
    }
    if (blocked_format() == Format::blocked16) { EXPECT_GT(offered, 0); }
  }
}

}  // namespace
}  // namespace fovea::cpu
