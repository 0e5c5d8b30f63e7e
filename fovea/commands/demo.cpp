#include "fovea/commands/demo.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/parallel.h"
#include "fovea/commands/inspect.h"
#include "fovea/data/drawn.h"
#include "fovea/image/codec.h"
#include "fovea/insight/guesses.h"
#include "fovea/model/initialise.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/softmax_cross_entropy.h"
#include "fovea/report/table.h"
#include "fovea/train/descent.h"
#include "fovea/train/sgd.h"
#include "fovea/transform/gradient.h"

namespace fs = std::filesystem;

namespace fovea {

OptionList describe(DemoOptions& o) {
  return {{"-o,--output", "DIR", "the folder for the page", &o.output},
          {"--train", "", "train the small network on drawn shapes even when FOVEA_DATA holds a real one", &o.train},
          {"--steps", "N", "steps of training", &o.steps, false, {}, 1, 100000},
          {"--seed", "N", "another seed: other shapes, other weights", &o.seed, false, {}, 0, 1e9}};
}

namespace {

constexpr int kSide = 48;
constexpr int64_t kBatch = 32, kClasses = 6;

struct LayerShape {
  const char* name;
  int64_t out, in, kernel;
  bool pool;
};
constexpr LayerShape kLayers[] = {
    {"edges", 16, 3, 5, true}, {"corners", 32, 16, 3, true}, {"parts", 64, 32, 3, true}, {"shapes", 64, 64, 3, false}};

// Four convolutions, each with a ReLU, three of them with pooling. A shape may be anywhere: the strongest answer of
// each unit of the last layer decides.
Value build_network(Graph& graph, Value x) {
  for (const LayerShape& l : kLayers) {
    const std::string name = l.name;
    const Value weight = parameter(graph, name + ".weight", {DType::f32, {l.out, l.in, l.kernel, l.kernel}});
    const Value bias = parameter(graph, name + ".bias", {DType::f32, {l.out}});
    x = conv(graph, x, weight, bias, {.pad = l.kernel / 2});
    graph.rename(x.node, name);
    x = relu(graph, x);
    graph.rename(x.node, name + ".relu");
    if (!l.pool) continue;
    x = max_pool(graph, x, {.kernel = {2, 2}, .stride = {2, 2}});
    graph.rename(x.node, name + ".pool");
  }
  const Shape shape = graph.shape(x);
  x = max_pool(graph, x, {.kernel = {shape[2], shape[3]}});
  graph.rename(x.node, "anywhere");
  x = reshape(graph, x, Shape{shape[0], shape[1]});
  graph.rename(x.node, "strongest");
  const Value weight = parameter(graph, "classes.weight", {DType::f32, {kClasses, shape[1]}});
  x = gemm(graph, x, weight, parameter(graph, "classes.bias", {DType::f32, {kClasses}}), {.trans_b = true});
  graph.rename(x.node, "scores");
  return x;
}

Preprocess how() {
  Preprocess p = preset("signed", kSide, kSide);
  p.resize = "stretch";
  return p;
}

Model network_for(int64_t batch, const Weights& weights) {
  Model model;
  const Value x = input(model.graph, "picture", {DType::f32, {batch, 3, kSide, kSide}});
  model.graph.outputs = {{"scores", build_network(model.graph, x)}};
  model.weights = weights;
  model.meaning.name = "drawn shapes";
  model.meaning.preprocess = how();
  model.meaning.preprocess_stated = true;
  model.meaning.input = "picture";
  model.meaning.scores = "scores";
  model.meaning.classes = DrawnShapes(1, kSide, 0).classes();
  return model;
}

struct Batch {
  Tensor pictures, labels;
};
Batch batch_of(const Dataset& data, int64_t first) {
  Batch batch{Tensor(DType::f32, {kBatch, 3, kSide, kSide}), Tensor(DType::i64, {kBatch})};
  const auto pictures = batch.pictures.data<float>();
  const auto labels = batch.labels.data<int64_t>();
  constexpr size_t kEach = size_t{3} * kSide * kSide;
  const Preprocess preparation = how();
  parallel_for(kBatch, 1, [&](int64_t i) {
    const Sample sample = data.get((first + i) % data.size());
    const Tensor pixels = normalise(sample.image, preparation);
    std::copy_n(pixels.data<float>().data(), kEach, pictures.data() + static_cast<size_t>(i) * kEach);
    labels[static_cast<size_t>(i)] = sample.label;
  });
  return batch;
}

Weights trained(const Context& context, const DemoOptions& options, Backend& backend) {
  Graph graph;
  const Value x = input(graph, "picture", {DType::f32, {kBatch, 3, kSide, kSide}});
  const Value labels = input(graph, "label", {DType::i64, {kBatch}});
  const Value rate = input(graph, "rate", {DType::f32, {}});
  const Value loss = reduce(graph, softmax_cross_entropy(graph, build_network(graph, x), labels), {.kind = "mean"});
  const std::vector<Value> parameters = graph.parameters();
  const std::vector<Value> gradients = gradient(graph, loss, parameters);
  CompileOptions compile_options;
  compile_options.carry = sgd(graph, parameters, gradients, rate, {.momentum = 0.9, .weight_decay = 1e-4});
  const auto seed = static_cast<uint64_t>(options.seed);
  Descent descent(graph, {loss}, initial_weights(graph, seed), backend, compile_options);
  descent.observe(progress_observer(context, "training on drawn shapes", "loss"));
  const DrawnShapes data(1'000'000, kSide, seed);
  const auto steps = static_cast<double>(options.steps);
  descent.run(context, options.steps, [&](int64_t step) -> std::map<std::string, Tensor> {
    const Batch batch = batch_of(data, step * kBatch);
    const double warm = std::min(1.0, static_cast<double>(step + 1) / 20), t = static_cast<double>(step) / steps;
    const double now = 0.03 * warm * 0.5 * (1 + std::cos(3.14159265358979 * t));
    return {{"picture", batch.pictures}, {"label", batch.labels}, {"rate", Tensor::scalar(static_cast<float>(now))}};
  });
  if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
  Weights weights;
  for (const Value p : parameters) weights[graph.node(p).name] = descent.program().state(graph.node(p).name);
  return weights;
}

// Share of right guesses on shapes that training never saw.
double accuracy(const Weights& weights, uint64_t seed, Backend& backend) {
  const Model model = network_for(kBatch, weights);
  Program program = compile(model.graph, std::vector<Value>{model.graph.outputs[0].value}, weights, backend);
  const DrawnShapes data(kBatch * 10, kSide, Rng(seed).fork("test").key());
  int64_t right = 0;
  for (int64_t first = 0; first < data.size(); first += kBatch) {
    const Batch batch = batch_of(data, first);
    const Tensor scores = program.run({{"picture", batch.pictures}})[0];
    const auto row = scores.data<float>();
    for (int64_t i = 0; i < kBatch; ++i) {
      const auto begin = row.begin() + static_cast<std::ptrdiff_t>(i * kClasses);
      right += std::max_element(begin, begin + kClasses) - begin == batch.labels.at(i);
    }
  }
  return static_cast<double>(right) / static_cast<double>(data.size());
}

// A real network and photographs, where FOVEA_DATA has them.
bool real_demo(const Context& context, const DemoOptions& options, Report& report) {
  const char* folder = std::getenv("FOVEA_DATA");
  if (!folder || options.train) return false;
  const fs::path network = fs::path(folder) / "weights/squeezenet1.1_onnx/model.onnx",
                 pictures = fs::path(folder) / "imagenet/images";
  std::error_code error;
  if (!fs::exists(network, error) || !fs::is_directory(pictures, error)) {
    context.note(
        fmt::format("FOVEA_DATA is {}, which holds no weights/squeezenet1.1_onnx and imagenet/images", folder));
    return false;
  }
  InspectOptions inspect;
  inspect.model = {network.string(), "torchvision", "imagenet"};
  const std::vector<fs::path> files = picture_paths({pictures.string()});
  inspect.image = files[static_cast<size_t>(options.seed) % files.size()].string();
  for (const fs::path& file : files)  // a picture that shows a lot, unless a seed asks for another
    if (options.seed == DemoOptions().seed && file.filename().string().find("monarch") != std::string::npos)
      inspect.image = file.string();
  inspect.output = options.output;
  report = run(context, inspect);
  return true;
}

}  // namespace

Report run(const Context& context, const DemoOptions& options) {
  require_writable_folder(options.output);
  Report report;
  if (real_demo(context, options, report)) return report;
  const auto backend = cpu_backend();
  const Weights weights = trained(context, options, *backend);
  const double right = accuracy(weights, static_cast<uint64_t>(options.seed), *backend);
  const Model model = network_for(1, weights);
  const int64_t label = 5;
  const Image picture = draw_shape(label, kSide, Rng(static_cast<uint64_t>(options.seed)).fork("shown"));
  InspectOptions inspect;
  inspect.output = options.output;
  inspect.top = kClasses;
  report = inspect_to_folder(context, model, picture, "a drawn " + model.meaning.classes[label], inspect);
  report.text = fmt::format("trained {} steps of {} pictures: {:.1f} % of new shapes right\n", options.steps, kBatch,
                            right * 100) +
                report.text;
  nlohmann::ordered_json json = *report.json;
  json["steps"] = options.steps;
  json["accuracy"] = right;
  report.set_json(json);
  return report;
}

Command demo_command() {
  return make_command<DemoOptions>(
      "demo", "trains or opens a network and looks inside it",
      "With FOVEA_DATA set to a folder that holds SqueezeNet 1.1 and photographs, inspects one of them. Otherwise "
      "trains a small "
      "network on drawn shapes, which takes well under a minute and needs no data, and inspects that.",
      {{"fovea demo", "then open fovea-demo/index.html"},
       {"fovea demo --train --seed 7 -o shapes", "another small network"}},
      run);
}

}  // namespace fovea
