// loss(p) = −Σ_n objective_n(view(picture(p)));  p follows −∂loss/∂p by one of the rules named in preimage.h.
#include "fovea/insight/preimage.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "fovea/base/error.h"
#include "fovea/model/conventions.h"
#include "fovea/model/not_finite.h"
#include "fovea/ops/add.h"
#include "fovea/ops/div.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/slice.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"
#include "fovea/train/optimiser.h"
#include "fovea/transform/gradient.h"
#include "fovea/transform/respecialise.h"

namespace fovea {

namespace {

constexpr const char* kRate = "rate";
constexpr const char* kKeep = "momentum kept";  // 0 where the rate has changed

// The part of the model that the layers need, for this type of input.
Graph cut_network(const Model& model, const std::vector<Value>& wants, const Type& input_type) {
  Graph cut;
  const std::vector<bool> keep = reachable(model.graph, wants);
  const Mapping mapping = copy(model.graph, cut, {}, &keep);
  for (const Value v : wants) cut.outputs.push_back({model.graph.node(v).name, mapping(v)});
  const std::string& name = model.graph.node(picture_input(model)).name;
  for (const Value v : cut.inputs()) {
    const Node& node = cut.node(v);
    require(node.name == name || node.attributes.as<InputAttributes>().bound, ErrorKind::usage,
            "the network has another input, \"{}\", besides its picture: that is not supported here", node.name);
  }
  if (cut.find(name) < 0) return cut;
  try {
    return respecialise(cut, {{name, input_type}});
  } catch (const Error& e) {
    throw Error(ErrorKind::usage,
                fmt::format("the network does not take {} pictures of {}x{} at once: {}", input_type.shape[0],
                            input_type.shape[2], input_type.shape[3], e.message()));
  }
}

// x with the rows and columns of a margin cut off.
Value without_margin(Graph& graph, Value x, int64_t margin) {
  if (margin == 0) return x;
  const Shape shape = graph.shape(x);
  return slice(graph, slice(graph, x, 2, margin, shape[2] - margin), 3, margin, shape[3] - margin);
}

// Every pixel's colour brought back to the ball of radius `bound`: nnpreimage's constraint.
Value projected(Graph& graph, Value x, double bound) {
  const Value squares = reduce(graph, mul(graph, x, x), {.axes = {1}, .keep = true});
  const Value length = maximum(graph, sqrt(graph, squares), scalar(graph, bound));
  return scale(graph, div(graph, x, length), bound);
}

// The next parameters and state of the rules "momentum" and "adaptive".
std::vector<Carry> follow(Graph& graph, Value p, Value gradient, const PreimageSettings& settings, Value loss) {
  const Type type = graph.type(p);
  const Value rate = input(graph, kRate, {DType::f32, {}}), keep = input(graph, kKeep, {DType::f32, {}});
  const Value momentum = input(graph, "momentum", type);
  std::vector<Carry> carry;
  Value down;
  if (settings.update == "adaptive") {
    const Value squares = input(graph, "squares", type);
    // The sums go on where the rate changes; only the momentum starts anew.
    const Value sum = add(graph, scale(graph, squares, settings.momentum), mul(graph, gradient, gradient));
    carry.push_back({sum, squares});
    down = div(graph, gradient, add(graph, sqrt(graph, sum), div(graph, scalar(graph, 1), rate)));
  } else {
    down = mul(graph, gradient, rate);
  }
  const Value next = sub(graph, mul(graph, scale(graph, momentum, settings.momentum), keep), down);
  Value moved = add(graph, p, next);
  if (settings.bound > 0) moved = projected(graph, moved, settings.bound);
  carry.push_back({next, momentum});
  carry.push_back({moved, p});
  return unless_diverged(graph, carry, loss);
}

void check_settings(const PreimageSettings& s, int64_t batch) {
  static const std::vector<std::string> rules = {"adam", "momentum", "adaptive", "lbfgs"};
  require(std::find(rules.begin(), rules.end(), s.update) != rules.end(), ErrorKind::usage,
          "there is no rule \"{}\"; known: adam, momentum, adaptive, lbfgs", s.update);
  require(s.steps() >= 1, ErrorKind::usage, "{} steps, expected 1 or more", s.steps());
  for (const RateStage& stage : s.stages)
    require(stage.rate > 0 && std::isfinite(stage.rate) && stage.steps >= 0, ErrorKind::usage,
            "{} steps at a rate of {}: expected a rate above 0", stage.steps, stage.rate);
  require(s.update != "lbfgs" || s.robust.empty(), ErrorKind::usage,
          "L-BFGS needs the same function at every step: it does not go with random views (jitter, scale, rotation)");
  require(s.update != "lbfgs" || batch == 1, ErrorKind::usage,
          "L-BFGS makes one picture at a time, {} are asked for at once", batch);
  require(s.bound == 0 || (s.parametrisation.kind == "pixels" && s.update != "lbfgs" && s.update != "adam"),
          ErrorKind::usage,
          "a bound of pixels goes with the parametrisation pixels and the rules momentum and adaptive");
  check(s.robust);
}

}  // namespace

namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

}  // namespace

int64_t PreimageSettings::steps() const {
  int64_t sum = 0;
  for (const RateStage& stage : stages) sum += stage.steps;
  return sum;
}

size_t available_memory() {
  if (const char* given = std::getenv("FOVEA_MEMORY"); given && *given) {
    char* end = nullptr;
    const unsigned long long mebibytes = std::strtoull(given, &end, 10);
    require(*end == 0 && mebibytes > 0 && mebibytes < (1ull << 40), ErrorKind::usage,
            "FOVEA_MEMORY is \"{}\", expected a number of MiB", given);
    return static_cast<size_t>(mebibytes) << 20;
  }
  std::ifstream file("/proc/meminfo");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("MemAvailable:")) continue;
    std::istringstream words(line.substr(13));
    size_t kibibytes = 0;
    words >> kibibytes;
    return kibibytes * 1024;
  }
  return 0;
}

Preimage::~Preimage() = default;

Preimage::Preimage(const Model& model, const PictureObjective& objective, std::vector<PictureObjective> watched,
                   PreimageSettings settings, int64_t batch)
    : model_(model), settings_(std::move(settings)), batch_(batch) {
  check_settings(settings_, batch);
  require(batch >= 1, ErrorKind::usage, "{} pictures, expected 1 or more", batch);
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input");
  const Preprocess& how = *model.meaning.preprocess;
  const Value picture = picture_input(model);
  const Shape original = model.graph.shape(picture);
  require(original.rank() == 4 && original[1] == level_channels(how), ErrorKind::usage,
          "the network's input is {}, expected pictures [N,{},H,W]", to_string(original), level_channels(how));
  built_.height = settings_.height > 0 ? settings_.height : original[2];
  built_.width = settings_.width > 0 ? settings_.width : original[3];

  std::vector<std::string> nodes = objective.nodes();
  for (const PictureObjective& o : watched) nodes.insert(nodes.end(), o.nodes().begin(), o.nodes().end());
  std::vector<Value> wants;
  for (const std::string& node : nodes) wants.push_back({model.graph.find(node), 0});
  const Graph network = cut_network(model, wants, {DType::f32, {batch, original[1], built_.height, built_.width}});

  Graph& graph = built_.graph;
  built_.made =
      parametrise(graph, settings_.parametrisation,
                  {batch, original[1], built_.height + 2 * settings_.margin, built_.width + 2 * settings_.margin}, how);
  const Value view = robust_view(graph, built_.made.levels, built_.height, built_.width, settings_.robust);
  const Value seen = network_input(graph, view, how);
  const std::string& input_name = model.graph.node(picture).name;
  const Mapping mapping = copy(network, graph, [&](int index, std::span<const Value>) -> std::vector<Value> {
    return network.node(index).name == input_name ? std::vector<Value>{seen} : std::vector<Value>{};
  });
  std::map<std::string, Value> layers;
  for (const NamedValue& output : network.outputs) layers[output.name] = mapping(output.value);
  for (int i = 0; i < network.size(); ++i)
    if (network.node(i).op != &ops::parameter && network.node(i).op != &ops::constant &&
        network.node(i).name != input_name)
      built_.layers.push_back(network.node(i).name);

  const Taps taps{[&](const std::string& node) {
                    const auto found = layers.find(node);
                    require(found != layers.end(), ErrorKind::internal, "layer \"{}\" was not asked for", node);
                    return found->second;
                  },
                  built_.made.levels};
  built_.values = objective(graph, taps);
  built_.loss = neg(graph, reduce(graph, built_.values));
  for (const PictureObjective& o : watched) built_.watched.push_back(o(graph, taps));
}

size_t Preimage::memory_estimate() const {
  size_t bytes = 0;
  for (const Node& node : built_.graph.nodes())
    if (node.op != &ops::input)
      for (const Type& type : node.outputs) bytes += type.bytes();
  // The parameters, their gradient and state.
  return bytes + 4 * built_.graph.type(built_.made.parameter).bytes();
}

Program& Preimage::program() { return descent_ ? descent_->program() : *gradient_; }

void Preimage::prepare(Backend& backend, const CompileOptions& options) {
  if (backend_) return;
  backend_ = &backend;
  options_ = options;
  Graph graph = built_.graph;
  const Value p = built_.made.parameter;
  const std::vector<Value> gradients = gradient(graph, built_.loss, std::vector<Value>{p});
  std::vector<Value> wants = {built_.loss, built_.values};
  wants.insert(wants.end(), built_.watched.begin(), built_.watched.end());
  if (settings_.update == "lbfgs") {
    wants.push_back(gradients[0]);
    gradient_ = std::make_unique<Program>(compile(graph, wants, model_.weights, backend, options));
  } else {
    CompileOptions with_state = options;
    if (settings_.update == "adam")
      with_state.carry = optimise(graph, std::vector<Value>{p}, gradients, {.kind = "adam"}, built_.loss);
    else with_state.carry = follow(graph, p, gradients[0], settings_, built_.loss);
    descent_ = std::make_unique<Descent>(graph, wants, model_.weights, backend, with_state);
  }
  Graph decoder;
  const Value made = parametrise(decoder, settings_.parametrisation, built_.graph.shape(built_.made.levels),
                                 *model_.meaning.preprocess)
                         .levels;
  const Value levels = without_margin(decoder, made, settings_.margin);
  decoder_ = std::make_unique<Program>(compile(decoder, std::vector<Value>{levels}, {}, backend, options));
}

Tensor Preimage::decoded(const Tensor& parameter) { return decoder_->run({{kParameter, parameter}})[0]; }

// What the rule and the view read at a step.
std::map<std::string, Tensor> Preimage::step_inputs(int64_t step, const Rng& views) const {
  int64_t first = 0;
  size_t stage = 0;
  while (stage + 1 < settings_.stages.size() && step >= first + settings_.stages[stage].steps)
    first += settings_.stages[stage++].steps;
  const double rate = settings_.stages[stage].rate;
  std::map<std::string, Tensor> feeds;
  if (settings_.update == "adam") {
    feeds = step_feeds({.kind = "adam"}, step, rate);
  } else if (settings_.update != "lbfgs") {
    feeds[kRate] = Tensor::scalar(static_cast<float>(rate));
    feeds[kKeep] = Tensor::scalar(step == first ? 0.0f : 1.0f);
  }
  const View view = settings_.stages[stage].still ? View{} : view_of_step(settings_.robust, views, step);
  feeds.merge(view_feeds(built_.graph.shape(built_.made.levels), built_.height, built_.width, settings_.robust, view));
  return feeds;
}

Preimages Preimage::run(const Context& context, const std::vector<Rng>& starts, const Rng& views,
                        const std::map<std::string, Tensor>& feeds) {
  return run_from(context, random_start(built_.graph, built_.made, settings_.parametrisation, starts), views, feeds);
}

Preimages Preimage::run_from(const Context& context, const Tensor& start, const Rng& views,
                             const std::map<std::string, Tensor>& feeds) {
  require(backend_ != nullptr, ErrorKind::internal, "prepare() comes first");
  return settings_.update == "lbfgs" ? run_lbfgs(context, start, feeds) : run_descent(context, start, views, feeds);
}

Preimages Preimage::run_descent(const Context& context, const Tensor& start, const Rng& views,
                                const std::map<std::string, Tensor>& feeds) {
  Program& step = descent_->program();
  for (const std::string& name : step.state_names()) {
    if (name == kParameter) step.set_state(name, start);
    else step.set_state(name, Tensor(DType::f32, step.state(name).shape()));
  }
  descent_->seek(0);
  Preimages result;
  result.values.resize(static_cast<size_t>(batch_));
  std::vector<double> seconds;
  while (descent_->step() < settings_.steps() && !context.cancelled()) {
    const int64_t now = descent_->step();
    std::map<std::string, Tensor> inputs = step_inputs(now, views);
    for (const auto& [name, value] : feeds) inputs[name] = value;
    const auto begin = std::chrono::steady_clock::now();
    const std::vector<Tensor> watched = step.run(inputs);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    descent_->seek(now + 1);
    if (!std::isfinite(watched[0].at(0))) not_finite(now, settings_.stages[0].rate, step.state(kParameter), inputs);
    for (int64_t n = 0; n < batch_; ++n)
      result.values[static_cast<size_t>(n)].push_back(static_cast<float>(watched[1].at(n)));
    result.watched.clear();
    for (size_t k = 2; k < watched.size(); ++k) {
      const auto data = std::as_const(watched[k]).data<float>();
      result.watched.emplace_back(data.begin(), data.end());
    }
    context.report({"making pictures", now + 1, settings_.steps(),
                    fmt::format("objective {:.4g}", -watched[0].at(0) / static_cast<double>(batch_))});
  }
  result.step_seconds = median(seconds);
  result.levels = decoded(step.state(kParameter));
  return result;
}

Preimages Preimage::run_lbfgs(const Context& context, const Tensor& start, const std::map<std::string, Tensor>& feeds) {
  Preimages result;
  std::vector<float> curve;
  std::vector<double> seconds;
  std::vector<Tensor> last;
  int64_t evaluation = 0;
  Tensor parameter = start;
  const Objective<float> function = [&](std::span<const float> x, std::span<float> gradient) {
    // A step begins where the one before has ended: that point has just been computed.
    const bool known = evaluation > 0 && std::equal(x.begin(), x.end(), std::as_const(parameter).data<float>().begin());
    if (known) {
      const auto same = std::as_const(last.back()).data<float>();
      std::copy(same.begin(), same.end(), gradient.begin());
      return last[0].at(0);
    }
    std::copy(x.begin(), x.end(), parameter.data<float>().begin());
    std::map<std::string, Tensor> inputs = feeds;
    inputs[kParameter] = parameter;
    const auto begin = std::chrono::steady_clock::now();
    last = gradient_->run(inputs);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    if (!std::isfinite(last[0].at(0)) && evaluation == 0) not_finite(0, 1, parameter, inputs);
    ++evaluation;
    const auto g = std::as_const(last.back()).data<float>();
    std::copy(g.begin(), g.end(), gradient.begin());
    return last[0].at(0);
  };
  std::vector<float> x(start.data<float>().begin(), start.data<float>().end());
  Lbfgs<float> lbfgs({.rate = 1,
                      .iterations = 1,
                      .evaluations = 40,
                      .history = 10,
                      .gradient_tolerance = 0,
                      .change_tolerance = 0,
                      .line_search = true});
  for (int64_t step = 0; step < settings_.steps() && !context.cancelled(); ++step) {
    const std::vector<float> before = x;
    const double value = lbfgs.step(x, function);
    curve.push_back(static_cast<float>(-value));
    context.report({"making pictures", step + 1, settings_.steps(), fmt::format("loss {:.4g}", value)});
    if (x == before) break;  // no length of step makes the loss less
  }
  std::vector<float> unused(x.size());
  curve.push_back(static_cast<float>(-function(x, unused)));
  result.values = {curve};
  for (size_t k = 2; k + 1 < last.size(); ++k) {
    const auto data = std::as_const(last[k]).data<float>();
    result.watched.emplace_back(data.begin(), data.end());
  }
  result.step_seconds = median(seconds);
  result.levels = decoded(parameter);
  return result;
}

void Preimage::not_finite(int64_t step, double rate, const Tensor& parameter, std::map<std::string, Tensor> feeds) {
  // Every layer's sum shows the first one that is not finite.
  Graph graph = built_.graph;
  std::vector<Value> wants = {reduce(graph, built_.made.levels)};
  std::vector<std::string> names = {"the picture itself"};
  for (const std::string& name : built_.layers) {
    const int node = graph.find(name);
    if (node < 0 || graph.dtype({node, 0}) != DType::f32) continue;
    wants.push_back(reduce(graph, {node, 0}));
    names.push_back("layer \"" + name + "\"");
  }
  const std::vector<bool> used = reachable(graph, wants);
  Graph layers;
  const Mapping mapping = copy(graph, layers, {}, &used);
  for (Value& v : wants) v = mapping(v);
  feeds[kParameter] = parameter;
  std::erase_if(feeds, [&](const auto& entry) { return layers.find(entry.first) < 0; });
  const std::vector<Tensor> sums = compile(layers, wants, model_.weights, *backend_, options_).run(feeds);
  std::string where = "the objective itself, computed from finite layers";
  for (size_t i = 0; i < sums.size(); ++i)
    if (!std::isfinite(sums[i].at(0))) {
      where = names[i];
      break;
    }
  if (!not_finite_weight(model_).empty())
    fail(ErrorKind::usage, "step {}: the objective is not finite: {} is the first value that is not, and {}", step,
         where, why_not_finite(model_));
  fail(ErrorKind::usage,
       "step {}: the objective is not finite; the first value that is not is {}. Try a smaller rate than {:g} (--rate "
       "of maximise), "
       "weaker penalties, or another start (--seed); an objective that multiplies answers can overflow",
       step, where, rate);
}

}  // namespace fovea
