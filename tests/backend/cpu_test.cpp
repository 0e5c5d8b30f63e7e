// What the CPU backend chooses: never oneDNN's reference loops for heavy work, no Winograd when exact, bf16 only when
// allowed, and memory shared where it can be.
#include "fovea/backend/cpu/cpu.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/cpu/layouts.h"
#include "fovea/backend/cpu/onednn.h"
#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/rng.h"
#include "fovea/compile/program.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/gram.h"
#include "fovea/ops/input.h"
#include "fovea/ops/list.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/split.h"
#include "tests/backend/lowered.h"

namespace fovea::testing {
namespace {

Case::Input f32(Shape shape) { return {.type = {DType::f32, std::move(shape)}}; }

Answer lower(const Op& op, std::vector<Case::Input> inputs, Attributes attributes, CpuOptions options = {}) {
  const Case test{.name = "test", .inputs = std::move(inputs), .attributes = std::move(attributes)};
  const auto backend = cpu_backend(options);
  const Built built = build(op, test, DType::f32, 1);
  const Node& node = built.graph.node(built.outputs[0]);
  std::vector<Layout> layouts;
  std::vector<const Tensor*> values;
  std::unique_ptr<bool[]> constant(new bool[node.inputs.size()]), used(new bool[node.outputs.size()]);
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Type& type = built.graph.type(node.inputs[i]);
    constant[i] = i == 1 && op.name.starts_with("conv") && op.name != "conv_weight_gradient";
    layouts.push_back(constant[i] ? plain_layout(type) : cpu::layout_in(cpu::blocked_format(), type));
    values.push_back(constant[i] ? &built.feeds.at(built.graph.node(node.inputs[i]).name) : nullptr);
  }
  for (size_t k = 0; k < node.outputs.size(); ++k) used[k] = k == 0;
  return backend->lower({built.graph,
                         built.outputs[0].node,
                         layouts,
                         {constant.get(), node.inputs.size()},
                         values,
                         {used.get(), node.outputs.size()}});
}

// f32, uniform in [-1, 1).
Tensor noise(Shape shape, const char* name) {
  const Rng rng = Rng(1).fork(name);
  Tensor t(DType::f32, std::move(shape));
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, 2 * rng.uniform_double(static_cast<uint64_t>(i)) - 1);
  return t;
}

void expect_fast(const Answer& answer, const std::string& what) {
  for (const Lowering& choice : answer.choices)
    EXPECT_EQ(choice.implementation.find("ref"), std::string::npos) << what << " falls to " << choice.implementation;
}

struct Net {
  int64_t channels, size, outputs, kernel, stride, pad, groups = 1, dilation = 1, batch = 1;
};

TEST(CpuBackend, ConvolutionsNeverFallToReferenceLoops) {
  const Net nets[] = {{3, 224, 64, 7, 2, 3},       {3, 224, 64, 11, 4, 2},
                      {3, 224, 64, 3, 1, 1},       {1, 28, 6, 5, 1, 2},
                      {6, 14, 16, 5, 1, 0},        {64, 56, 64, 3, 1, 1},
                      {64, 56, 256, 1, 1, 0},      {256, 56, 512, 1, 2, 0},
                      {128, 56, 128, 3, 2, 1},     {24, 14, 64, 5, 1, 2},
                      {512, 13, 1000, 1, 1, 0},    {32, 56, 32, 3, 1, 1, 32},
                      {96, 27, 256, 5, 1, 2, 2},   {128, 28, 128, 3, 1, 1, 32},
                      {64, 28, 64, 3, 1, 2, 1, 2}, {64, 28, 64, 3, 1, 1, 1, 1, 8},
                      {20, 30, 50, 3, 1, 1},       {17, 30, 3, 3, 1, 1}};
  for (const Net& n : nets) {
    const Shape x{n.batch, n.channels, n.size, n.size}, w{n.outputs, n.channels / n.groups, n.kernel, n.kernel};
    const int64_t out = (n.size + 2 * n.pad - n.dilation * (n.kernel - 1) - 1) / n.stride + 1;
    const Shape y{n.batch, n.outputs, out, out};
    const std::string what = fmt::format("{} * {} groups {}", to_string(x), to_string(w), n.groups);
    const ConvAttributes a{.stride = n.stride, .dilation = n.dilation, .pad = n.pad, .groups = n.groups};
    expect_fast(lower(ops::conv, {f32(x), f32(w)}, a), what);
    expect_fast(lower(ops::conv, {f32(x), f32(w)}, a, {.bf16 = true}), what + " bf16");
    const Ints pad{n.pad, n.pad, n.pad, n.pad};
    const ConvAdjointAttributes dx{
        .stride = n.stride, .dilation = n.dilation, .pad = pad, .groups = n.groups, .sizes = Ints{n.size, n.size}};
    expect_fast(lower(ops::conv_input_gradient, {f32(y), f32(w)}, dx), what + " input gradient");
    const ConvAdjointAttributes dw{
        .stride = n.stride, .dilation = n.dilation, .pad = pad, .groups = n.groups, .sizes = Ints{n.kernel, n.kernel}};
    expect_fast(lower(ops::conv_weight_gradient, {f32(x), f32(y)}, dw), what + " weight gradient");
  }
}

TEST(CpuBackend, PoolingAndProductsNeverFallToReferenceLoops) {
  const Case::Input x = f32({1, 64, 112, 112});
  expect_fast(lower(ops::max_pool, {x}, MaxPoolAttributes{.kernel = {3, 3}, .stride = 2, .pad = 1}), "max pool");
  expect_fast(lower(ops::max_pool, {x}, MaxPoolAttributes{.kernel = {3, 3}, .stride = 2, .ceil = true}),
              "max pool, ceil");
  expect_fast(lower(ops::average_pool, {x}, AveragePoolAttributes{.kernel = {2, 2}, .stride = 2}), "average pool");
  expect_fast(lower(ops::average_pool_gradient, {f32({1, 64, 56, 56})},
                    AveragePoolAdjointAttributes{.kernel = {2, 2}, .stride = 2, .sizes = {112, 112}}),
              "average pool gradient");
  expect_fast(lower(ops::global_average_pool, {x}, NoAttributes{}), "global average pool");
  for (const int64_t rows : {1, 16, 64})
    expect_fast(lower(ops::gemm, {f32({rows, 512}), f32({1000, 512}), f32({1000})}, GemmAttributes{.trans_b = true}),
                "gemm");
}

TEST(CpuBackend, ExactForbidsWinograd) {
  const auto has_winograd = [](const Answer& answer) {
    for (const Lowering& choice : answer.choices)
      if (choice.implementation.find("wino") != std::string::npos) return true;
    return false;
  };
  const std::vector<Case::Input> inputs{f32({1, 64, 56, 56}), f32({64, 64, 3, 3})};
  EXPECT_FALSE(has_winograd(lower(ops::conv, inputs, ConvAttributes{.pad = 1}, {.exact = true})));
  const ConvAdjointAttributes dx{.pad = {1, 1, 1, 1}, .sizes = {56, 56}};
  EXPECT_FALSE(has_winograd(lower(ops::conv_input_gradient, inputs, dx, {.exact = true})));
  EXPECT_TRUE(has_winograd(lower(ops::conv, inputs, ConvAttributes{.pad = 1})));
}

// Each operand rounds to 8 bits: the products differ by at most 2⁻⁷ of themselves, and mostly cancel.
TEST(CpuBackend, Bf16IsCloseToF32) {
  const auto backend = cpu_backend({.bf16 = true});
  for (const Op* op :
       {&ops::conv, &ops::conv_input_gradient, &ops::conv_weight_gradient, &ops::gemm, &ops::gram_gradient})
    for (const Case& test : op->cases()) {
      const Built built = build(*op, test, DType::f32, 1);
      const auto want = evaluate(built.graph, built.feeds, built.outputs);
      const Lowered got = run_lowered(*backend, built, {});
      for (size_t choice = 0; choice < got.outputs.size(); ++choice) {
        double most = 0, worst = 0;
        for (int64_t i = 0; i < want[0].count(); ++i) {
          most = std::max(most, std::abs(want[0].at(i)));
          const double difference = std::abs(got.outputs[choice][0].at(i) - want[0].at(i));
          worst = std::isnan(difference) ? 1e30 : std::max(worst, difference);
        }
        EXPECT_LE(worst, most / 64) << got.answer.choices[choice].implementation << "; " << repro(*op, test, 1);
      }
    }
}

// A ReLU's gradient that only a convolution's adjoint reads is rounded as it is written, not in a step of its own.
TEST(CpuBackend, Bf16RoundsWhereItWrites) {
  for (const bool shared : {false, true}) {
    Graph g;
    const Value x = input(g, "x", {DType::f32, {1, 16, 12, 10}});
    const auto weight = [&](const char* name) { return parameter(g, name, {DType::f32, {16, 16, 3, 3}}); };
    const Value y = relu(g, conv(g, x, weight("a"), {}, {.pad = 1}));
    const Value d = relu_gradient(g, conv(g, x, weight("b"), {}, {.pad = 1}), y);
    std::vector<Value> wants = {conv_input_gradient(g, d, weight("c"), {.pad = {1, 1, 1, 1}, .sizes = {12, 10}})};
    if (shared) wants.push_back(d);
    Weights weights;
    for (const char* name : {"a", "b", "c"}) weights[name] = noise({16, 16, 3, 3}, name);
    const Tensor picture = noise({1, 16, 12, 10}, "x");
    const auto want = compile(g, wants, weights, reference_backend(), {}).run({{"x", picture}});
    const auto backend = cpu_backend({.bf16 = true});
    Program program = compile(g, wants, weights, *backend, {.tune = false});
    const auto got = program.run({{"x", picture}});
    double most = 0, worst = 0;
    for (int64_t i = 0; i < want[0].count(); ++i) {
      most = std::max(most, std::abs(want[0].at(i)));
      worst = std::max(worst, std::abs(got[0].at(i) - want[0].at(i)));
    }
    EXPECT_LE(worst, most / 32);
    const auto& steps = program.steps();
    const bool rounds = std::any_of(steps.begin(), steps.end(), [](const StepInfo& s) {
      return s.implementation.find("elementwise bf16") != std::string::npos;
    });
    EXPECT_EQ(rounds, onednn::has_bf16() && !shared);
  }
}

TEST(CpuBackend, ConcatenationAndSplittingAlongBlocksShareMemory) {
  const Answer joined = lower(ops::concat, {f32({1, 32, 9, 9}), f32({1, 16, 9, 9})}, ConcatAttributes{});
  ASSERT_EQ(joined.choices[0].places.size(), 2u);
  EXPECT_EQ(joined.choices[0].places[1].offset, 32u * 81 * 4);
  EXPECT_TRUE(joined.choices[0].free_if_shared);
  EXPECT_FALSE(joined.choices[0].outputs[0].is_plain());
  // Channels that do not fill their blocks, or a second sample, cannot be placed in blocks.
  EXPECT_TRUE(lower(ops::concat, {f32({1, 24, 9, 9}), f32({1, 16, 9, 9})}, ConcatAttributes{})
                  .choices[0]
                  .outputs[0]
                  .is_plain());
  EXPECT_TRUE(
      lower(ops::concat, {f32({2, 32, 9, 9}), f32({2, 16, 9, 9})}, ConcatAttributes{}).choices[0].places.empty());
  const Answer cut = lower(ops::split, {f32({1, 64, 9, 9})}, SplitAttributes{.axis = 1, .parts = 2});
  ASSERT_EQ(cut.choices[0].views.size(), 2u);
  EXPECT_EQ(cut.choices[0].views[1].offset, 32u * 81 * 4);
}

TEST(CpuBackend, LayoutsAreNamedByMemory) {
  using cpu::Format;
  const auto name = [](Format format, Shape shape) {
    return cpu::layout_in(format, {DType::f32, std::move(shape)}).name;
  };
  EXPECT_EQ(name(Format::blocked16, {1, 20, 5, 5}), "nChw16c");
  EXPECT_EQ(name(Format::blocked16, {1, 64, 1, 1}), "plain");  // the same in memory
  EXPECT_EQ(name(Format::blocked16, {1, 20, 1, 1}), "nChw16c");
  EXPECT_EQ(name(Format::channels_last, {1, 1, 5, 5}), "plain");
  EXPECT_EQ(name(Format::blocked16, {20, 5}), "plain");
  EXPECT_EQ(cpu::layout_in(Format::blocked16, {DType::f32, {1, 20, 5, 5}}).bytes, 32u * 25 * 4);
  EXPECT_EQ(cpu::layout_in(Format::blocked16, {DType::i64, {1, 20, 5, 5}}).name, "plain");
}

}  // namespace
}  // namespace fovea::testing
