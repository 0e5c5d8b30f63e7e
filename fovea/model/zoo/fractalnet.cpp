// Fractal networks: f_1(z) = conv(z), f_{C+1}(z) = (f_C ∘ f_C)(z) ⊕ conv(z), where ⊕ joins: the element-wise mean.
//
// Joins that meet collapse into one, which takes the mean of all its columns at once, as in the paper's figure 1 (with
// means of means, the shallow column would weigh half). With the list of values that end together,
//   F_1(z) = [conv(z)],   F_{C+1}(z) = [conv(z)] ++ F_C(mean F_C(z)),   f_C(z) = mean F_C(z).
// A block is f_C; conv is 3×3 · dropout · BN · relu; a max pool 2×2 follows each block. (The authors' Caffe networks
// pool each column before the last join of a block; here, as in the paper's text, the joined values are pooled.)
//
//   fractalnet_cifar     B = 5 blocks of C = 3 columns, channels 64 128 256 512 512, dropout 0 .1 .2 .3 .4
//   fractalnet40_cifar   B = 5, C = 4, channels 16 32 64 128 128: the paper's table of ultra-deep networks, 40 layers
// Depth: the deepest column has 2^(C − 1) convolutions, the network B · 2^(C − 1). Parameters of a block from I to O
// channels: it has 2^C − 1 convolutions, of which C (one a column) see I: 9 C I O + 9 (2^C − 1 − C) O² weights and
// 2 O (2^C − 1) of batch norms; then fc.
//
// Names: "block2.column3.conv4" is the 4th convolution of the deepest of 3 columns (column c has 2^(c − 1) of them),
// then ".dropout4", ".bn4", ".relu4"; "block2.join1" the mean of columns that end together, numbered in the order of
// depth ("block2.join1.sum" their sum); "block2" the block's output, an alias; "block2.pool"; "fc". Column c alone is
// the network of these names.
//
// Source: Larsson, Maire & Shakhnarovich, "FractalNet: ultra-deep neural networks without residuals", ICLR 2017 (arXiv
// 1605.07648), equations 1 and 2, figure 1, section 4.
#include "fovea/model/zoo/fractalnet.h"

#include <charconv>

#include "fovea/base/error.h"
#include "fovea/model/zoo/families.h"
#include "fovea/ops/add.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/scale.h"

namespace fovea {

namespace {

class FractalBlock {
 public:
  FractalBlock(NetworkBuilder& builder, int64_t number, int64_t columns, int64_t channels)
      : b_(builder),
        name_(fmt::format("block{}", number)),
        columns_(columns),
        channels_(channels),
        rate_(static_cast<double>(number - 1) / 10),
        layers_(static_cast<size_t>(columns) + 1, 0) {}

  Value build(Value z) {
    const Value y = joined(together(columns_, z));
    b_.alias(name_, y);
    return b_.max_pool(name_ + ".pool", y, {.kernel = 2, .stride = 2});
  }

 private:
  // F_level(z), columns ascending.
  std::vector<Value> together(int64_t level, Value z) {
    std::vector<Value> deeper;
    if (level > 1) deeper = together(level - 1, joined(together(level - 1, z)));
    std::vector<Value> result{layer(columns_ - level + 1, z)};
    result.insert(result.end(), deeper.begin(), deeper.end());
    return result;
  }

  Value layer(int64_t column, Value x) {
    const int64_t number = ++layers_[static_cast<size_t>(column)];
    const auto name = [&](const char* part) { return fmt::format("{}.column{}.{}{}", name_, column, part, number); };
    x = b_.conv(name("conv"), x, channels_, 3, {.pad = 1, .bias = false});
    if (rate_ > 0) x = b_.dropout(name("dropout"), x, rate_);
    return b_.relu(name("relu"), b_.batch_norm(name("bn"), x));
  }

  Value joined(const std::vector<Value>& values) {
    if (values.size() == 1) return values[0];
    const std::string name = fmt::format("{}.join{}", name_, ++joins_);
    Value sum = values[0];
    for (size_t k = 1; k < values.size(); ++k) sum = b_.named(name + ".sum", add(b_.graph, sum, values[k]));
    return b_.named(name, scale(b_.graph, sum, 1.0 / static_cast<double>(values.size())));
  }

  NetworkBuilder& b_;
  const std::string name_;
  const int64_t columns_, channels_;
  const double rate_;
  std::vector<int64_t> layers_;  // so far, of each column
  int64_t joins_ = 0;
};

// The number that follows `prefix` in a name such as "block12.join3"; advances `rest` behind it. 0: it is not there.
int64_t number_after(std::string_view prefix, std::string_view& rest) {
  if (!rest.starts_with(prefix)) return 0;
  rest.remove_prefix(prefix.size());
  int64_t number = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (error != std::errc{}) return 0;
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  return number;
}

// The summands of "<join>.sum" nodes, from the left.
void collect(const Graph& graph, const std::string& join, Value v, FractalJoin& result) {
  const Node& node = graph.node(v);
  if (node.name.starts_with(join + ".sum")) {
    for (const Value term : node.inputs) collect(graph, join, term, result);
    return;
  }
  std::string_view rest = node.name;
  number_after("block", rest);
  result.inputs.push_back(v);
  result.columns.push_back(number_after(".column", rest));
}

}  // namespace

Architecture fractalnet(int64_t blocks, int64_t columns, int64_t width) {
  require(blocks >= 1 && blocks <= 10 && columns >= 1 && columns <= 10 && width >= 1 && width <= 1024, ErrorKind::usage,
          "a fractal network of {} blocks, {} columns and {} channels: expected 1..10, 1..10 and 1..1024", blocks,
          columns, width);
  std::string name = fmt::format("fractalnet_b{}_c{}_w{}_cifar", blocks, columns, width);
  if (blocks == 5 && columns == 3 && width == 64) name = "fractalnet_cifar";
  if (blocks == 5 && columns == 4 && width == 16) name = "fractalnet40_cifar";
  const int64_t side = std::max<int64_t>(32, int64_t{1} << blocks);
  return {std::move(name),
          "FractalNet",
          "Larsson, Maire & Shakhnarovich, FractalNet: ultra-deep neural networks without residuals",
          2016,
          blocks * (int64_t{1} << (columns - 1)),
          {3, side, side},
          10,
          "cifar",
          [=](NetworkBuilder& b) {
            Value x = b.input();
            for (int64_t k = 1; k <= blocks; ++k)
              x = FractalBlock(b, k, columns, width << std::min<int64_t>(k - 1, 3)).build(x);
            // One pixel as published; larger pictures leave more.
            if (b.graph.shape(x).count(2, 4) > 1) x = b.named("avgpool", global_average_pool(b.graph, x));
            b.output("scores", b.linear("fc", x, b.classes));
          }};
}

std::optional<Architecture> fractalnet_named(std::string_view name) {
  std::string_view rest = name;
  const int64_t blocks = number_after("fractalnet_b", rest), columns = number_after("_c", rest);
  const int64_t width = number_after("_w", rest);
  const bool sane = blocks >= 1 && blocks <= 10 && columns >= 1 && columns <= 10 && width >= 1 && width <= 1024;
  if (!sane || rest != "_cifar") return std::nullopt;
  return fractalnet(blocks, columns, width);
}

std::vector<FractalJoin> fractal_joins(const Graph& graph) {
  std::vector<FractalJoin> result;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    std::string_view rest = node.name;
    FractalJoin join;
    join.block = number_after("block", rest);
    join.index = number_after(".join", rest);
    if (join.block == 0 || join.index == 0 || !rest.empty() || node.op != &ops::mul) continue;
    join.output = {i, 0};
    collect(graph, node.name, node.inputs[0], join);
    result.push_back(std::move(join));
  }
  return result;
}

std::vector<Architecture> fractalnets() { return {fractalnet(5, 3), fractalnet(5, 4, 16)}; }

}  // namespace fovea
