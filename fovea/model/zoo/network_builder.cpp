#include "fovea/model/zoo/network_builder.h"

#include "fovea/ops/batch_norm.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/dropout.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/input.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/softmax.h"

namespace fovea {

namespace {

int64_t chosen(int64_t asked, int64_t published) { return asked > 0 ? asked : published; }

}  // namespace

NetworkBuilder::NetworkBuilder(const ZooOptions& asked, const Shape& input, int64_t published_classes)
    : options(asked), classes(chosen(asked.classes, published_classes)), input_(input) {}

Value NetworkBuilder::input() {
  return fovea::input(graph, "input",
                      {DType::f32,
                       {options.batch, chosen(options.channels, input_[0]), chosen(options.height, input_[1]),
                        chosen(options.width, input_[2])}});
}

Value NetworkBuilder::parameter(const std::string& name, Shape shape) {
  return fovea::parameter(graph, name, {DType::f32, std::move(shape)});
}

Value NetworkBuilder::conv(const std::string& name, Value x, int64_t out, Ints kernel, const ConvLayer& layer) {
  if (kernel.size() == 1) kernel.resize(graph.shape(x).size() - 2, kernel[0]);
  Shape shape{out, channels(x) / layer.groups};
  shape.insert(shape.end(), kernel.begin(), kernel.end());
  const Value weight = parameter(name + ".weight", shape);
  const Value bias = layer.bias ? parameter(name + ".bias", {out}) : Value{};
  return named(
      name,
      fovea::conv(graph, x, weight, bias,
                  {.stride = layer.stride, .dilation = layer.dilation, .pad = layer.pad, .groups = layer.groups}));
}

Value NetworkBuilder::batch_norm(const std::string& name, Value x, double epsilon) {
  const Shape shape{channels(x)};
  const Value scale = parameter(name + ".weight", shape), bias = parameter(name + ".bias", shape);
  const Value mean = parameter(name + ".running_mean", shape), variance = parameter(name + ".running_var", shape);
  return named(name, fovea::batch_norm(graph, x, scale, bias, mean, variance, {.epsilon = epsilon}));
}

Value NetworkBuilder::relu(const std::string& name, Value x) { return named(name, fovea::relu(graph, x)); }

Value NetworkBuilder::max_pool(const std::string& name, Value x, MaxPoolAttributes window) {
  if (window.kernel.size() == 1) window.kernel.resize(graph.shape(x).size() - 2, window.kernel[0]);
  return named(name, fovea::max_pool(graph, x, std::move(window)));
}

Value NetworkBuilder::average_pool(const std::string& name, Value x, AveragePoolAttributes window) {
  if (window.kernel.size() == 1) window.kernel.resize(graph.shape(x).size() - 2, window.kernel[0]);
  return named(name, fovea::average_pool(graph, x, std::move(window)));
}

Value NetworkBuilder::global_average_pool(const std::string& name, Value x) {
  return named(name, fovea::global_average_pool(graph, x));
}

Value NetworkBuilder::lrn(const std::string& name, Value x, const LrnAttributes& window) {
  return named(name, fovea::lrn(graph, x, window));
}

Value NetworkBuilder::concat(const std::string& name, std::vector<Value> parts) {
  return named(name, fovea::concat(graph, std::move(parts), 1));
}

Value NetworkBuilder::softmax(const std::string& name, Value x) { return named(name, fovea::softmax(graph, x)); }

Value NetworkBuilder::linear(const std::string& name, Value x, int64_t out, bool bias) {
  if (graph.shape(x).rank() != 2) x = flatten(graph, x);
  const Value weight = parameter(name + ".weight", {out, graph.shape(x)[1]});
  return named(name, gemm(graph, x, weight, bias ? parameter(name + ".bias", {out}) : Value{}, {.trans_b = true}));
}

Value NetworkBuilder::dropout(const std::string& name, Value x, double rate) {
  return named(name, fovea::dropout(graph, x, DropoutAttributes{rate}));
}

Value NetworkBuilder::named(std::string name, Value x) {
  graph.rename(x.node, std::move(name));
  return x;
}

void NetworkBuilder::alias(std::string other, Value x) { aliases.emplace_back(std::move(other), graph.node(x).name); }

void NetworkBuilder::output(std::string name, Value x) { graph.outputs.push_back({std::move(name), x}); }

}  // namespace fovea
