// octaves b_0 (the picture), b_{k+1} = b_k made smaller;  d = 0;  for k from the last to 0: d = d enlarged to b_k's
// size, x = b_k + d, n steps on x (insight/dream_step.h), each rolled by a random shift and rolled back, d = x − b_k.
// Source: Mordvintsev, Olah, Tyka, "Inceptionism: going deeper into neural networks", 2015; google/deepdream,
// deepdream(): iter_n = 10, octave_n = 4, octave_scale = 1.4, jitter = 32. Tiles with random shifts: their tutorial of
// TensorFlow, 2016, calc_grad_tiled.
#include "fovea/insight/dream.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/insight/parametrisation.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

constexpr int64_t kLeastTile = 128, kTileStep = 32;

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// a + sign · b
Tensor sum(const Tensor& a, const Tensor& b, float sign) {
  Tensor result(DType::f32, a.shape());
  const auto x = a.data<float>(), y = b.data<float>();
  auto to = result.data<float>();
  for (size_t i = 0; i < to.size(); ++i) to[i] = x[i] + sign * y[i];
  return result;
}

std::string mebibytes(size_t bytes) { return fmt::format("{} MiB", bytes >> 20); }

size_t bytes_of(const Graph& graph) {
  size_t bytes = 0;
  for (const Node& node : graph.nodes())
    if (node.op != &ops::input)
      for (const Type& type : node.outputs) bytes += type.bytes();
  return bytes;
}

// Where tiles lie along an axis, and how much each counts at each of its positions: overlapping ones fade into each
// other, and all weights at a position add up to 1.
struct AxisCover {
  int64_t length = 0;
  std::vector<int64_t> starts;
  std::vector<std::vector<double>> weights;
};

AxisCover cover(int64_t size, int64_t tile, double random) {
  AxisCover axis;
  axis.length = std::min(size, tile);
  const int64_t overlap = tile / 8, period = tile - overlap;
  for (int64_t at = -static_cast<int64_t>(random * static_cast<double>(period));; at += period) {
    const int64_t start = std::clamp<int64_t>(at, 0, size - axis.length);
    if (axis.starts.empty() || start != axis.starts.back()) axis.starts.push_back(start);
    if (at + tile >= size) break;
  }
  std::vector<double> sums(static_cast<size_t>(size), 0);
  for (const int64_t start : axis.starts) {
    std::vector<double> weights;
    for (int64_t i = 0; i < axis.length; ++i) {
      // No fading at the picture's own ends.
      const int64_t before = start == 0 ? overlap : i + 1,
                    after = start + axis.length == size ? overlap : axis.length - i;
      weights.push_back(static_cast<double>(std::min({before, after, overlap})) / static_cast<double>(overlap));
      sums[static_cast<size_t>(start + i)] += weights.back();
    }
    axis.weights.push_back(std::move(weights));
  }
  for (size_t k = 0; k < axis.starts.size(); ++k)
    for (int64_t i = 0; i < axis.length; ++i)
      axis.weights[k][static_cast<size_t>(i)] /= sums[static_cast<size_t>(axis.starts[k] + i)];
  return axis;
}

}  // namespace

const std::vector<std::string>& dream_presets() {
  static const std::vector<std::string> names = {"modern", "google-2015"};
  return names;
}

DreamSettings dream_settings(const std::string& preset) {
  const auto& names = dream_presets();
  require(std::find(names.begin(), names.end(), preset) != names.end(), ErrorKind::usage,
          "there is no preset \"{}\"{}; known: {}", preset, did_you_mean(preset, names), fmt::join(names, ", "));
  DreamSettings settings;
  if (preset == "google-2015") settings.resize = "zoom";
  else settings.rule.gradient = "pyramid";
  return settings;
}

Preprocess google_2015_preprocess(Preprocess how) {
  if (how.colour != "bgr" || how.scale != 1) return how;
  how.name = "google-2015";
  how.mean = {104, 116, 122};
  how.std.clear();
  return how;
}

// What is compiled for pictures of one size: the whole step, or, in tiles, the gradient of one
// tile and the change of the whole picture.
struct Dream::Stage {
  std::unique_ptr<Program> whole, tile, update;
  double value = 0, size = 0;  // of the last step
  int64_t tiles = 1;
};

// A run under way.
struct Dream::Run {
  const Context& context;
  const std::function<void(const DreamMoment&)>& observe;
  Rng random;
  const Tensor& picture;                           // as it was given
  std::vector<std::pair<int64_t, int64_t>> sizes;  // coarse first
  size_t octave = 0;
  double work_before = 0, work = 0;  // pixels
  std::optional<DreamPoint> from = {};
  DreamResult result = {};
};

Dream::~Dream() = default;

Dream::Dream(const Model& model, DreamObjective objective, DreamSettings settings, Backend& backend,
             const CompileOptions& options)
    : model_(model),
      objective_(std::move(objective)),
      settings_(std::move(settings)),
      backend_(backend),
      options_(options) {
  const DreamSettings& s = settings_;
  require(s.steps >= 1 && s.octaves >= 1 && s.jitter >= 0, ErrorKind::usage,
          "{} steps, {} octaves, a jitter of {}: expected 1 or more steps and octaves, and a jitter of 0 or more",
          s.steps, s.octaves, s.jitter);
  require(s.octave_scale > 1 && std::isfinite(s.octave_scale), ErrorKind::usage,
          "an octave scale of {}: expected more than 1, such as 1.4", s.octave_scale);
  require(s.rule.step > 0 && std::isfinite(s.rule.step), ErrorKind::usage,
          "a step of {} grey levels: expected more than 0, such as 1.5", s.rule.step);
  require(s.tile == 0 || s.tile >= kTileStep, ErrorKind::usage, "tiles of {} pixels: expected 0 or {} and more", s.tile,
          kTileStep);
  require(!objective_.guide || !objective_.objective, ErrorKind::usage,
          "a guide goes with layers, not with an objective of one's own");
  require(objective_.objective || !objective_.layers.empty(), ErrorKind::usage, "nothing to dream of: name a layer");
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input");
  centre_ = centre_colour(*model.meaning.preprocess);
}

std::vector<std::pair<int64_t, int64_t>> Dream::sizes(int64_t height, int64_t width) const {
  std::vector<std::pair<int64_t, int64_t>> result = {{height, width}};
  for (int64_t k = 1; k < settings_.octaves; ++k) {
    const auto smaller = [&](int64_t n) { return std::llround(static_cast<double>(n) / settings_.octave_scale); };
    const auto [h, w] = result.back();
    if (smaller(h) < 1 || smaller(w) < 1 || (smaller(h) == h && smaller(w) == w)) break;
    result.emplace_back(smaller(h), smaller(w));
  }
  std::reverse(result.begin(), result.end());
  return result;
}

size_t Dream::memory_estimate(int64_t height, int64_t width) const {
  // Forward and backward share an arena: about what the forward pass keeps, and a few pictures.
  return bytes_of(dream_forward(model_, objective_, height, width).graph) +
         static_cast<size_t>(8 * 4 * height * width) * centre_.size();
}

int64_t Dream::fitting_tile(int64_t height, int64_t width, size_t bytes) const {
  const size_t pictures = static_cast<size_t>(8 * 4 * height * width) * centre_.size();
  if (bytes == 0 || memory_estimate(height, width) <= bytes) return 0;
  for (int64_t tile = std::max(height, width) / kTileStep * kTileStep; tile >= kLeastTile; tile -= kTileStep)
    if (pictures + memory_estimate(std::min(tile, height), std::min(tile, width)) <= bytes) return tile;
  fail(ErrorKind::usage,
       "a picture of {}x{} needs more than the {} of memory that may be used, even in tiles of {} pixels: make it "
       "smaller (--size), or allow more (--memory)",
       width, height, mebibytes(bytes), kLeastTile);
}

bool Dream::can_see(int64_t height, int64_t width, std::string& why) const {
  try {
    dream_forward(model_, objective_, height, width);
    return true;
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::internal) throw;
    why = e.message();
    return false;
  }
}

const std::vector<Tensor>& Dream::guides() {
  if (!objective_.guide || !guides_.empty()) return guides_;
  const Tensor& guide = *objective_.guide;
  const DreamAnswers answers = dream_answers(model_, objective_, guide.size(2), guide.size(3));
  guides_ = compile(answers.graph, answers.layers, model_.weights, backend_, options_).run({{kDreamPicture, guide}});
  return guides_;
}

Dream::Stage& Dream::stage(int64_t height, int64_t width) {
  auto& found = stages_[{height, width}];
  if (!found) {
    auto made = std::make_unique<Stage>();
    const int64_t tile = settings_.tile;
    const bool tiled = tile > 0 && (height > tile || width > tile);
    const Type mask_type{DType::f32, {1, 1, height, width}};
    if (tiled) {
      DreamGradient g = dream_gradient(model_, objective_, guides(), std::min(tile, height), std::min(tile, width));
      made->tile = std::make_unique<Program>(
          compile(g.graph, std::vector<Value>{g.gradient, g.value}, model_.weights, backend_, options_));
      Graph update;
      const Type type{DType::f32, {1, static_cast<int64_t>(centre_.size()), height, width}};
      const Value picture = input(update, kDreamPicture, type), gradient = input(update, kDreamGradient, type);
      const Value mask = mask_.count() > 1 ? input(update, kDreamMask, mask_type) : Value{};
      const DreamChange change = dream_change(update, picture, gradient, mask, settings_.rule, centre_);
      made->update = std::make_unique<Program>(
          compile(update, std::vector<Value>{change.next, change.size}, {}, backend_, options_));
    } else {
      DreamGradient g = dream_gradient(model_, objective_, guides(), height, width);
      const Value mask = mask_.count() > 1 ? input(g.graph, kDreamMask, mask_type) : Value{};
      const DreamChange change = dream_change(g.graph, g.picture, g.gradient, mask, settings_.rule, centre_);
      made->whole = std::make_unique<Program>(
          compile(g.graph, std::vector<Value>{change.next, change.size, g.value}, model_.weights, backend_, options_));
    }
    found = std::move(made);
  }
  last_ = found.get();
  return *found;
}

Program& Dream::program() {
  require(last_ != nullptr, ErrorKind::internal, "no step has been made");
  return last_->whole ? *last_->whole : *last_->tile;
}

namespace {

// The gradient of a picture from tiles of it; returns their number and the mean value.
std::pair<int64_t, double> tiled_gradient(Program& program, const Tensor& picture, int64_t tile, const Rng& random,
                                          Tensor& gradient) {
  const int64_t channels = picture.size(1), height = picture.size(2), width = picture.size(3);
  const AxisCover rows = cover(height, tile, random.uniform_double(0)),
                  columns = cover(width, tile, random.uniform_double(1));
  Tensor part = program.input(kDreamPicture);
  const float* from = picture.data<float>().data();
  auto* seen = reinterpret_cast<float*>(part.raw());
  float* to = gradient.data<float>().data();
  std::fill(to, to + gradient.count(), 0.0f);
  double value = 0;
  for (size_t r = 0; r < rows.starts.size(); ++r)
    for (size_t c = 0; c < columns.starts.size(); ++c) {
      const auto whole = [&](int64_t k, int64_t y) {
        return (k * height + rows.starts[r] + y) * width + columns.starts[c];
      };
      for (int64_t k = 0; k < channels; ++k)
        for (int64_t y = 0; y < rows.length; ++y)
          std::copy_n(from + whole(k, y), columns.length, seen + (k * rows.length + y) * columns.length);
      program.execute();
      const Tensor found = program.want(0);
      const float* g = found.data<float>().data();
      value += program.want(1).at(0);
      for (int64_t k = 0; k < channels; ++k)
        for (int64_t y = 0; y < rows.length; ++y)
          for (int64_t x = 0; x < columns.length; ++x)
            to[whole(k, y) + x] += static_cast<float>(rows.weights[r][static_cast<size_t>(y)] *
                                                      columns.weights[c][static_cast<size_t>(x)] *
                                                      g[(k * rows.length + y) * columns.length + x]);
    }
  const auto count = static_cast<int64_t>(rows.starts.size() * columns.starts.size());
  return {count, value / static_cast<double>(count)};
}

}  // namespace

void Dream::change(Stage& stage, Tensor& levels, const Tensor& mask, int64_t down, int64_t right, const Rng& tiles) {
  std::map<std::string, Tensor> feeds;
  if (mask.count() > 1) feeds[kDreamMask] = rolled_levels(mask, down, right);
  const Tensor rolled = rolled_levels(levels, down, right);
  Tensor next;
  feeds[kDreamPicture] = rolled;
  if (stage.whole) {
    const std::vector<Tensor> made = stage.whole->run(feeds);
    next = made[0];
    stage.size = made[1].at(0);
    stage.value = made[2].at(0);
  } else {
    Tensor gradient(DType::f32, levels.shape());
    std::tie(stage.tiles, stage.value) = tiled_gradient(*stage.tile, rolled, settings_.tile, tiles, gradient);
    feeds[kDreamGradient] = gradient;
    const std::vector<Tensor> made = stage.update->run(feeds);
    next = made[0];
    stage.size = made[1].at(0);
  }
  if (std::isfinite(stage.size)) levels = rolled_levels(next, -down, -right);
}

Tensor Dream::step(const Tensor& levels, int64_t down, int64_t right) {
  Stage& now = stage(levels.size(2), levels.size(3));
  Tensor picture = levels;
  const Tensor mask = mask_.count() > 1 ? resized_levels(mask_, levels.size(2), levels.size(3), "linear") : Tensor();
  change(now, picture, mask, down, right, Rng(0));
  return picture;
}

std::string Dream::not_finite(const Tensor& levels, int64_t octave, int64_t step) const {
  const auto data = levels.data<float>();
  const bool picture = std::all_of(data.begin(), data.end(), [](float v) { return std::isfinite(v); });
  std::string why = picture ? "a layer's answers or the objective have become too large" : "the picture itself is not";
  for (const auto& [name, weight] : model_.weights) {
    if (weight.dtype() != DType::f32) continue;
    const auto values = weight.data<float>();
    if (std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) continue;
    why = fmt::format("the weight \"{}\" holds NaN or infinity; the file is damaged or its training diverged", name);
    break;
  }
  return fmt::format("octave {}, step {}: the gradient of {} is not finite: {}", octave + 1, step + 1,
                     objective_.description(), why);
}

void Dream::run_octave(Run& run, const Tensor& base, Tensor& detail) {
  const auto [height, width] = run.sizes[run.octave];
  Stage& now = stage(height, width);
  DreamOctave record{height, width, {}, {}, 0, 1};
  int64_t step = 0;
  Tensor levels;
  if (run.from) {
    levels = run.from->levels;
    step = run.from->step;
    if (!run.from->octaves.empty()) record = std::move(run.from->octaves.back());
    run.from.reset();
  } else {
    levels = sum(base, detail, 1);
  }
  const Tensor mask = mask_.count() > 1 ? resized_levels(mask_, height, width, "linear") : Tensor();
  const Rng random = run.random.fork(run.octave);
  const auto range = static_cast<uint64_t>(2 * settings_.jitter + 1);
  std::vector<double> seconds;
  const auto picture = [&] {
    const Tensor drawn = sum(levels, base, -1);
    return sum(run.picture, resized_levels(drawn, run.picture.size(2), run.picture.size(3), settings_.resize), 1);
  };
  const auto point = [&] {
    DreamPoint at{static_cast<int64_t>(run.octave), step, levels, run.result.octaves};
    at.octaves.push_back(record);
    return at;
  };
  for (; step < settings_.steps && !run.context.cancelled(); ++step) {
    const Rng own = random.fork(static_cast<uint64_t>(step));
    const auto begin = std::chrono::steady_clock::now();
    change(now, levels, mask, static_cast<int64_t>(own.below(0, range)) - settings_.jitter,
           static_cast<int64_t>(own.below(1, range)) - settings_.jitter, own.fork("tiles"));
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    record.values.push_back(now.value);
    record.gradients.push_back(now.size);
    if (!std::isfinite(now.size)) {
      run.result.trouble = not_finite(levels, static_cast<int64_t>(run.octave), step);
      break;
    }
    const double done = run.work_before + static_cast<double>((step + 1) * height * width);
    const auto next_point = [&] {
      DreamPoint at = point();
      ++at.step;
      return at;
    };
    if (run.observe)
      run.observe({static_cast<int64_t>(run.octave), static_cast<int64_t>(run.sizes.size()), step, settings_.steps,
                   height, width, now.value, done / run.work, picture, next_point});
  }
  record.step_seconds = median(seconds);
  record.tiles = now.tiles;
  run.work_before += static_cast<double>(settings_.steps * height * width);
  run.result.finished = step == settings_.steps && run.result.trouble.empty();
  if (!run.result.finished) run.result.point = point();
  run.result.octaves.push_back(std::move(record));
  detail = sum(levels, base, -1);
  if (!run.result.finished) run.result.levels = picture();
}

// To the octave of a point. The programs of those before it are compiled all the same: a PlanBook then sees what the
// whole run would show it.
void Dream::resume(Run& run, const DreamPoint& from) {
  const auto count = static_cast<int64_t>(run.sizes.size());
  require(from.octave >= 0 && from.octave < count && from.step >= 0 && from.step <= settings_.steps, ErrorKind::usage,
          "the dream stood at octave {}, step {}: this one has {} octaves of {} steps", from.octave + 1, from.step,
          count, settings_.steps);
  const auto [height, width] = run.sizes[static_cast<size_t>(from.octave)];
  const Shape expected{1, run.picture.size(1), height, width};
  require(from.levels.dtype() == DType::f32 && from.levels.shape() == expected, ErrorKind::usage,
          "the dream stood at a picture of {}, expected {}", to_string(from.levels.shape()), to_string(expected));
  require(static_cast<int64_t>(from.octaves.size()) == from.octave + 1, ErrorKind::usage,
          "the dream stood at octave {} with records of {}", from.octave + 1, from.octaves.size());
  for (; static_cast<int64_t>(run.octave) < from.octave; ++run.octave) {
    const auto [h, w] = run.sizes[run.octave];
    stage(h, w);
    if (!keep_) stages_.erase({h, w});
    run.work_before += static_cast<double>(settings_.steps * h * w);
    run.result.octaves.push_back(from.octaves[run.octave]);
  }
  run.from = from;
}

DreamResult Dream::run(const Context& context, const Tensor& levels, const Rng& random,
                       const std::function<void(const DreamMoment&)>& observe, const DreamPoint* from) {
  Run run{context, observe, random, levels, sizes(levels.size(2), levels.size(3))};
  std::string why;
  const auto size_seen = [&](int64_t n) { return settings_.tile > 0 ? std::min(n, settings_.tile) : n; };
  require(can_see(size_seen(levels.size(2)), size_seen(levels.size(3)), why), ErrorKind::usage, "{}", why);
  while (!can_see(size_seen(run.sizes[0].first), size_seen(run.sizes[0].second), why)) {
    context.note(fmt::format("the octave of {}x{} is left out: {}", run.sizes[0].first, run.sizes[0].second, why));
    run.sizes.erase(run.sizes.begin());
  }
  std::vector<Tensor> bases = {levels};  // fine first, as they are made
  for (size_t k = run.sizes.size() - 1; k-- > 0;)
    bases.push_back(resized_levels(bases.back(), run.sizes[k].first, run.sizes[k].second, settings_.resize));
  for (const auto& [h, w] : run.sizes) run.work += static_cast<double>(settings_.steps * h * w);
  Tensor detail(DType::f32, bases.back().shape());
  if (from) resume(run, *from);
  for (; run.octave < run.sizes.size(); ++run.octave) {
    const auto [h, w] = run.sizes[run.octave];
    const Tensor base = bases[run.sizes.size() - 1 - run.octave];
    if (run.octave > 0 && !run.from) detail = resized_levels(detail, h, w, settings_.resize);
    run_octave(run, base, detail);
    if (!run.result.finished) return std::move(run.result);
    const bool last = run.octave + 1 == run.sizes.size();
    if (!keep_ && !last) {
      stages_.erase({h, w});
      last_ = nullptr;
    }
  }
  run.result.levels = sum(levels, detail, 1);
  return std::move(run.result);
}

}  // namespace fovea
