// x* = argmax Φ_u(x) − λ_α R_α(x) − λ_V V_β(x).
// fourier: Olah, Mordvintsev, Schubert, "Feature visualization", Distill 2017; the numbers are Lucid's (Adam, rate
// 0.05, 512 steps, views that scale by ±10 % and turn by ±10°). natural: Mahendran & Vedaldi, "Visualizing deep
// convolutional neural networks using natural pre-images", IJCV 2016; the numbers are those of aravindhm/nnpreimage: B
// = 80, λ_α = 1/B^α and λ_V = (6.5/B)^β of mean penalties, 300 adaptive steps of 0.05 · B²/α · H·W, colours at most 160
// from the centre, jitter of a quarter of the layer's stride.
#include "fovea/insight/maximisation.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/model/conventions.h"
#include "fovea/model/not_finite.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/receptive_field.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

constexpr double kB = 80, kV = kB / 6.5, kBound = 160;  // grey levels
constexpr double kFieldShare = 100;                     // nnpreimage's 10000 / field²

// The largest side and stride of the receptive fields of the layers, in pixels.
struct Reach {
  double field = 1, stride = 1;
};
Reach reach_of(const Model& model, const std::vector<std::string>& nodes, double side) {
  const auto fields = receptive_fields(model.graph, picture_input(model));
  Reach reach;
  for (const std::string& node : nodes) {
    const int index = model.graph.find(node);
    if (index < 0) continue;
    for (const ReceptiveField& f : fields[static_cast<size_t>(index)]) {
      reach.field = std::max(reach.field, f.whole ? side : std::min(side, f.size));
      reach.stride = std::max(reach.stride, f.stride);
    }
    // A layer without positions sees all, at the stride of the last maps before it.
    if (fields[static_cast<size_t>(index)].empty() || fields[static_cast<size_t>(index)][0].whole) {
      reach.field = side;
      for (int i = 0; i < index; ++i)
        for (const ReceptiveField& f : fields[static_cast<size_t>(i)])
          if (!f.whole) reach.stride = std::max(reach.stride, f.stride);
    }
  }
  return reach;
}

double side_of(const Model& model, const MaximisationSettings& settings) {
  if (settings.side > 0) return static_cast<double>(settings.side);
  const Shape& shape = model.graph.shape(picture_input(model));
  return static_cast<double>(std::max(shape[2], shape[3]));
}

double chosen(double given, double otherwise) { return given < 0 ? otherwise : given; }

}  // namespace

const std::vector<std::string>& maximisation_presets() {
  static const std::vector<std::string> names = {"fourier", "natural", "stimulus"};
  return names;
}

PreimageSettings preimage_settings(const Model& model, const std::vector<std::string>& nodes,
                                   const MaximisationSettings& s) {
  const auto& names = maximisation_presets();
  require(std::find(names.begin(), names.end(), s.preset) != names.end(), ErrorKind::usage,
          "there is no preset \"{}\"; known: {}{}", s.preset, fmt::join(names, ", "), did_you_mean(s.preset, names));
  PreimageSettings result;
  result.height = result.width = s.side;
  const double side = side_of(model, s);
  int64_t steps = 512;
  double rate = 0.05;
  if (s.preset == "fourier") {
    result.parametrisation = {.kind = "fourier", .decorrelate = s.decorrelate};
    result.robust = {chosen(s.jitter, std::max(1.0, std::round(side / 16))), chosen(s.scale, 0.1),
                     chosen(s.degrees, 10)};
  } else if (s.preset == "natural") {
    const double stride = reach_of(model, nodes, side).stride;
    result.parametrisation = {.kind = "pixels", .bounds = "none", .deviation = kB / std::sqrt(3.0) / 255};
    result.robust = {chosen(s.jitter, std::max(0.0, std::round((stride / 4 - 1) / 2))), chosen(s.scale, 0),
                     chosen(s.degrees, 0)};
    result.update = "adaptive";
    result.bound = kBound;
    steps = 300;
    rate = 0.05 * kB * kB / s.norm.alpha * side * side;
  } else {
    // Where the units look, levels of about ±40.
    const double field = reach_of(model, nodes, side).field;
    const auto channels = static_cast<double>(model.graph.shape(picture_input(model))[1]);
    result.parametrisation = {
        .kind = "sphere", .bounds = "none", .deviation = 0.1, .norm = 40 * std::sqrt(channels) * field};
    result.robust = {chosen(s.jitter, 0), chosen(s.scale, 0), chosen(s.degrees, 0)};
    result.update = "lbfgs";
    steps = 100;
    rate = 1;
  }
  result.margin = static_cast<int64_t>(s.preset == "natural" ? std::ceil(result.robust.jitter) : 0);
  result.stages = {{s.steps > 0 ? s.steps : steps, s.rate > 0 ? s.rate : rate}};
  return result;
}

PictureObjective with_penalties(const Model& model, const PictureObjective& objective, const MaximisationSettings& s) {
  if (s.preset != "natural") return objective;
  require(s.peak > 0, ErrorKind::usage, "a peak of {}: the preset natural needs to know how strong answers are",
          s.peak);
  const double field = reach_of(model, objective.nodes(), side_of(model, s)).field;
  const double weight = s.strength / s.peak * (kFieldShare / field) * (kFieldShare / field);
  // The objectives of penalties are for levels / 255.
  const double alpha = std::pow(255 / kB, s.norm.alpha), variation = std::pow(255 / kV, s.variation.beta);
  return weight * objective - alpha * alpha_norm(s.norm) - variation * total_variation(s.variation);
}

// The selections of a batch's wishes from `first` on, those beyond the last as the last.
static std::map<std::string, Tensor> selection_feeds(const Graph& graph, const std::vector<PictureWish>& wishes,
                                                     size_t first) {
  const int node = graph.find(kSelection);
  if (node < 0) return {};
  Tensor selection(DType::f32, graph.shape({node, 0}));
  const auto batch = static_cast<size_t>(selection.size(0)), units = static_cast<size_t>(selection.size(1));
  for (size_t n = 0; n < batch; ++n) {
    const PictureWish& wish = wishes[std::min(first + n, wishes.size() - 1)];
    require(wish.selection.size() == units, ErrorKind::internal, "a selection of {} for {} units",
            wish.selection.size(), units);
    std::copy(wish.selection.begin(), wish.selection.end(),
              selection.data<float>().begin() + static_cast<int64_t>(n * units));
  }
  return {{kSelection, selection}};
}

double estimated_peak(const Model& model, const PictureObjective& objective, const std::vector<PictureWish>& wishes,
                      int64_t side, uint64_t seed, Backend& backend, const CompileOptions& options) {
  constexpr uint64_t kNoises = 32;
  PreimageSettings how;
  how.parametrisation = {.kind = "fourier", .deviation = 0.3};
  how.height = how.width = side;
  const Preimage probe(model, objective, {}, how, 1);
  const Graph& graph = probe.built().graph;
  Program program = compile(graph, std::vector<Value>{probe.built().values}, model.weights, backend, options);
  double peak = 1e-3;
  for (uint64_t n = 0; n < kNoises; ++n) {
    std::map<std::string, Tensor> feeds = selection_feeds(graph, wishes, n % std::max<size_t>(1, wishes.size()));
    feeds[kParameter] = random_start(graph, probe.built().made, how.parametrisation, {Rng(seed).fork("peak").fork(n)});
    peak = std::max(peak, 3 * std::abs(program.run(feeds)[0].at(0)));
  }
  return peak;
}

namespace {

PreimageSettings plain_settings(int64_t side) {
  PreimageSettings plain;
  plain.parametrisation = {.kind = "pixels", .bounds = "none"};
  plain.height = plain.width = side;
  return plain;
}

}  // namespace

Maximisation::~Maximisation() = default;

Maximisation::Maximisation(const Model& model, const PictureObjective& objective, const MaximisationSettings& settings,
                           int64_t batch)
    : model_(model),
      batch_(batch),
      preimage_(model, with_penalties(model, objective, settings), {},
                preimage_settings(model, objective.nodes(), settings), batch),
      plain_(model, objective, {}, plain_settings(settings.side), batch) {}

void Maximisation::prepare(Backend& backend, const CompileOptions& options) {
  if (plain_program_) return;
  preimage_.prepare(backend, options);
  const PreimageGraph& plain = plain_.built();
  plain_program_ = std::make_unique<Program>(
      compile(plain.graph, std::vector<Value>{plain.values}, model_.weights, backend, options));
}

std::vector<MadePicture> Maximisation::operator()(const Context& context, const std::vector<PictureWish>& wishes) {
  std::vector<MadePicture> result;
  const Preprocess& how = *model_.meaning.preprocess;
  const auto rounds = (wishes.size() + static_cast<size_t>(batch_) - 1) / static_cast<size_t>(batch_);
  for (size_t round = 0; round < rounds && !context.cancelled(); ++round) {
    const size_t first = round * static_cast<size_t>(batch_);
    const int64_t each = preimage_.settings().steps(), total = each * static_cast<int64_t>(rounds);
    Context inner = context;
    inner.progress = [&](const Progress& p) {
      context.report({p.what, static_cast<int64_t>(round) * each + p.done, total, p.detail});
    };
    std::vector<Rng> starts;
    for (int64_t n = 0; n < batch_; ++n)
      starts.push_back(Rng(context.seed)
                           .fork("start")
                           .fork(wishes[std::min(first + static_cast<size_t>(n), wishes.size() - 1)].key));
    const Graph& graph = preimage_.built().graph;
    const Preimages made =
        preimage_.run(inner, starts, Rng(context.seed).fork("views"), selection_feeds(graph, wishes, first));
    step_seconds_ = made.step_seconds;
    Tensor written(DType::f32, made.levels.shape());
    std::vector<Image> images;
    for (int64_t n = 0; n < batch_; ++n) {
      images.push_back(level_image(made.levels, n, how));
      const Tensor levels = image_levels(images.back(), how);
      std::copy(levels.data<float>().begin(), levels.data<float>().end(),
                written.data<float>().begin() + n * levels.count());
    }
    std::map<std::string, Tensor> feeds = selection_feeds(plain_.built().graph, wishes, first);
    feeds[kParameter] = written;
    const Tensor after = plain_program_->run(feeds)[0];
    for (int64_t n = 0; n < batch_ && first + static_cast<size_t>(n) < wishes.size(); ++n) {
      const auto at = static_cast<size_t>(n);
      // Where a NaN goes depends on the kernels: one that takes it for 0 hides it in the steps.
      require(std::isfinite(after.at(n)), ErrorKind::usage, "the answer to the picture that was made is not finite: {}",
              why_not_finite(model_));
      result.push_back({std::move(images[at]), after.at(n), made.values[at]});
    }
  }
  return result;
}

}  // namespace fovea
