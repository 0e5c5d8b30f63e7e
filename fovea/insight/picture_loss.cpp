// L = Σ_k w_k f_k(S_k),  S_k = Σ_p s_k(F_p)
// whole: one program.  tiles: S_k = Σ_t S_k(t);  s = ∂L/∂S;  ∂L/∂x = Σ_t ∂/∂x ⟨s, S(t)⟩
#include "fovea/insight/picture_loss.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "fovea/base/error.h"
#include "fovea/insight/loss_plan.h"
#include "fovea/insight/loss_program.h"
#include "fovea/insight/tile_feeds.h"

namespace fovea {

namespace {

using Feeds = std::map<std::string, Tensor>;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void check_terms(const std::vector<LossTerm>& terms) {
  require(!terms.empty(), ErrorKind::usage, "a loss of no terms: name at least one layer of style or content");
  for (const LossTerm& term : terms)
    require(std::isfinite(term.weight), ErrorKind::usage, "{} has the weight {}", term.name, term.weight);
}

// Every tensor of a term must lie on its layer's positions.
void check_inputs(const LossTerm& term, const LayerSize& layer) {
  for (const Tensor& given : term.inputs) {
    const Shape& shape = given.shape();
    const bool fits = shape.rank() == 4 && shape[0] == 1 && (shape[1] == 1 || shape[1] == layer.channels) &&
                      shape[2] == layer.height && shape[3] == layer.width && given.dtype() == DType::f32;
    require(fits, ErrorKind::usage, "{}: a target or region of {}, expected f32[1x1 or {}x{}x{}]", term.name,
            to_string(Type{given.dtype(), shape}), layer.channels, layer.height, layer.width);
  }
}

}  // namespace

class PictureLoss::Impl {
 public:
  Impl(const Model& model, std::vector<LossTerm> terms, int64_t height, int64_t width, const TilingSettings& settings)
      : model_(model), terms_(std::move(terms)), height_(height), width_(width) {
    check_terms(terms_);
    std::vector<std::string> names;
    for (const LossTerm& term : terms_) names.push_back(term.layer);
    const LayerNetwork network = layer_network(model, names, height, width);
    for (size_t k = 0; k < terms_.size(); ++k) {
      const Shape& maps = network.graph.shape(network.layers[k]);
      sizes_.push_back({maps[1], maps[2], maps[3]});
      check_inputs(terms_[k], sizes_[k]);
    }
    channels_ = network.graph.shape(network.levels)[1];
    const LossPlan plan = plan_loss(model, terms_, height, width, settings);
    estimate_ = {plan.tiling, plan.bytes, plan.flops, 0};
    strides_ = plan.strides;
  }

  const LossEstimate& estimate() const { return estimate_; }
  const std::vector<LossTerm>& terms() const { return terms_; }

  void prepare(Backend& backend, const CompileOptions& options) {
    if (program_) return;
    const Tiling& tiling = estimate_.tiling;
    loss_ = tiling.tiled ? tile_loss(model_, terms_, tiling.rows.length, tiling.columns.length)
                         : whole_loss(model_, terms_, height_, width_);
    live_ = fed_inputs(loss_);
    shapes_.clear();
    for (const Value v : loss_.graph.inputs()) types_[loss_.graph.node(v).name] = loss_.graph.type(v);
    if (tiling.tiled) {
      size_t want = 0;
      for (size_t k = 0; k < terms_.size(); ++k) {
        std::vector<Shape> own;
        for (size_t i = 0; i < loss_.sums[k]; ++i) own.push_back(loss_.graph.shape(loss_.wants[want++]));
        shapes_.push_back(std::move(own));
      }
      const LossGraph finish = finished_loss(terms_, shapes_, sizes_);
      CompileOptions plain = options;
      plain.tune = false;
      plain.plan.clear();
      finish_.emplace(compile(finish.graph, finish.wants, {}, backend, plain));
    }
    CompileOptions own = options;
    own.lean = own.lean || is_lean(loss_);
    program_.emplace(compile(loss_.graph, loss_.wants, model_.weights, backend, own));
    loss_.graph = {};  // only its shapes were needed
    if (!tiling.tiled) {
      for (size_t k = 0; k < terms_.size(); ++k)
        for (size_t i = 0; i < terms_[k].inputs.size(); ++i) constant_[term_input(k, i)] = terms_[k].inputs[i];
      std::erase_if(constant_, [&](const auto& entry) { return !is_live(entry.first); });
    }
  }

  LossValue evaluate(const Context& context, const Tensor& levels) {
    require(program_.has_value(), ErrorKind::internal, "prepare() comes first");
    require(levels.shape() == Shape{1, channels_, height_, width_} && levels.dtype() == DType::f32, ErrorKind::shape,
            "levels are {}, expected f32[1x{}x{}x{}]", to_string(Type{levels.dtype(), levels.shape()}), channels_,
            height_, width_);
    return estimate_.tiling.tiled ? in_tiles(context, levels) : at_once(levels);
  }

  double measure() {
    require(program_.has_value(), ErrorKind::internal, "prepare() comes first");
    const Tensor nothing(DType::f32, {1, channels_, height_, width_});
    if (!estimate_.tiling.tiled) {
      at_once(nothing);
      const auto begin = Clock::now();
      at_once(nothing);
      return estimate_.seconds = seconds_since(begin);
    }
    const Feeds seeds = no_seeds();
    run_tile(nothing, 0, 0, Pass::sums, seeds);  // the first touches fresh memory
    double total = 0;
    for (const Pass pass : {Pass::sums, Pass::norms, Pass::gradient}) {
      if (pass == Pass::norms && loss_.normalised.empty()) continue;
      const auto begin = Clock::now();
      run_tile(nothing, 0, 0, pass, seeds);
      total += seconds_since(begin);
    }
    return estimate_.seconds = total * static_cast<double>(estimate_.tiling.count());
  }

  Program& program() { return *program_; }
  size_t memory() const {
    if (!program_) return 0;
    size_t bytes = 0;
    const auto of = [](const Program& program) {
      const MemoryInfo m = program.memory();
      return m.arena + m.weights + m.states;
    };
    bytes += of(*program_);
    if (finish_) bytes += of(*finish_);
    for (const LossTerm& term : terms_)
      for (const Tensor& t : term.inputs) bytes += t.bytes();
    return bytes + static_cast<size_t>(channels_ * height_ * width_) * sizeof(float);
  }

 private:
  enum class Pass { sums, norms, gradient };

  bool is_live(const std::string& name) const { return std::find(live_.begin(), live_.end(), name) != live_.end(); }

  LossValue at_once(const Tensor& levels) {
    Feeds feeds;
    feeds.swap(constant_);  // the first time only: a program keeps what it was fed
    feeds[kLevels] = levels;
    std::vector<Tensor> wants = program_->run(feeds);
    LossValue value;
    for (size_t k = 0; k < terms_.size(); ++k) {
      value.terms.push_back(terms_[k].weight * wants[k].at(0));
      value.total += value.terms.back();
    }
    value.gradient = std::move(wants.back());
    return value;
  }

  Feeds no_seeds() const {
    Feeds seeds;
    for (size_t k = 0; k < terms_.size(); ++k)
      for (size_t i = 0; i < shapes_[k].size(); ++i) seeds[seed_input(k, i)] = Tensor(DType::f32, shapes_[k][i]);
    return seeds;
  }

  std::vector<Tensor> run_tile(const Tensor& levels, size_t row, size_t column, Pass pass, const Feeds& seeds) {
    const Tiling& tiling = estimate_.tiling;
    const int64_t top = tiling.rows.starts[row], left = tiling.columns.starts[column];
    Feeds feeds = seeds;
    feeds[kLevels] = cut_out(levels, top, left, tiling.rows.length, tiling.columns.length);
    for (size_t k = 0; k < terms_.size(); ++k) {
      const Positions rows = owned(tiling.rows, row, strides_[k].rows, sizes_[k].height);
      const Positions columns = owned(tiling.columns, column, strides_[k].columns, sizes_[k].width);
      const int64_t down = top / strides_[k].rows, right = left / strides_[k].columns;
      if (is_live(window_input(k)))
        feeds[window_input(k)] =
            Tensor::ints({rows.begin - down, rows.end - down, columns.begin - right, columns.end - right});
      if (is_live(owned_input(k))) {
        const Shape& shape = types_.at(owned_input(k)).shape;
        feeds[owned_input(k)] = owned_mask(shape[2], shape[3], {rows.begin - down, rows.end - down},
                                           {columns.begin - right, columns.end - right});
      }
      for (size_t i = 0; i < terms_[k].inputs.size(); ++i) {
        if (!is_live(term_input(k, i))) continue;
        const Shape& shape = types_.at(term_input(k, i)).shape;
        feeds[term_input(k, i)] = cut_out(terms_[k].inputs[i], down, right, shape[2], shape[3]);
      }
    }
    const std::pair<const char*, Pass> gates[] = {
        {kSumsWanted, Pass::sums}, {kNormsWanted, Pass::norms}, {kGradientWanted, Pass::gradient}};
    for (const auto& [name, wanted] : gates)
      if (is_live(name)) feeds[name] = Tensor::scalar<bool>(pass == wanted);
    std::erase_if(feeds, [&](const auto& entry) { return !is_live(entry.first); });
    return program_->run(feeds);
  }

  // Calls receive(wants, row, column) for every tile.
  template <class Receive>
  void over_tiles(const Context& context, const Tensor& levels, Pass pass, const Feeds& seeds, const Receive& receive) {
    const Tiling& tiling = estimate_.tiling;
    for (size_t row = 0; row < tiling.rows.starts.size(); ++row)
      for (size_t column = 0; column < tiling.columns.starts.size(); ++column) {
        require(!context.cancelled(), ErrorKind::usage, "cancelled");
        receive(run_tile(levels, row, column, pass, seeds), row, column);
      }
  }

  LossValue in_tiles(const Context& context, const Tensor& levels) {
    Feeds sums;
    for (size_t k = 0; k < terms_.size(); ++k)
      for (size_t i = 0; i < shapes_[k].size(); ++i) sums[sum_input(k, i)] = Tensor(DType::f64, shapes_[k][i]);
    over_tiles(context, levels, Pass::sums, no_seeds(), [&](const std::vector<Tensor>& wants, size_t, size_t) {
      size_t want = 0;
      for (size_t k = 0; k < terms_.size(); ++k)
        for (size_t i = 0; i < shapes_[k].size(); ++i) add_to(sums[sum_input(k, i)], wants[want++]);
    });
    const std::vector<Tensor> finished = finish_->run(sums);
    LossValue value;
    Feeds seeds;
    size_t want = terms_.size();
    for (size_t k = 0; k < terms_.size(); ++k) {
      value.terms.push_back(terms_[k].weight * finished[k].at(0));
      value.total += value.terms.back();
      for (size_t i = 0; i < shapes_[k].size(); ++i) seeds[seed_input(k, i)] = finished[want++].cast(DType::f32);
    }
    normalise(context, levels, seeds);
    value.gradient = Tensor(DType::f32, levels.shape());
    const Tiling& tiling = estimate_.tiling;
    over_tiles(context, levels, Pass::gradient, seeds,
               [&](const std::vector<Tensor>& wants, size_t row, size_t column) {
                 add_at(value.gradient, wants.back(), tiling.rows.starts[row], tiling.columns.starts[column]);
               });
    return value;
  }

  // The seeds of normalised terms, divided by the norms of what they would give.
  void normalise(const Context& context, const Tensor& levels, Feeds& seeds) {
    if (loss_.normalised.empty()) return;
    std::vector<double> norms(loss_.normalised.size(), 0);
    over_tiles(context, levels, Pass::norms, seeds, [&](const std::vector<Tensor>& wants, size_t, size_t) {
      for (size_t n = 0; n < norms.size(); ++n) norms[n] += wants[wants.size() - 1 - norms.size() + n].at(0);
    });
    for (size_t n = 0; n < norms.size(); ++n) {
      const size_t k = loss_.normalised[n];
      const auto factor = static_cast<float>(terms_[k].weight / (norms[n] + 1e-8));
      for (size_t i = 0; i < shapes_[k].size(); ++i)
        for (float& v : seeds[seed_input(k, i)].data<float>()) v *= factor;
    }
  }

  const Model& model_;
  std::vector<LossTerm> terms_;
  int64_t height_, width_, channels_ = 0;
  std::vector<LayerSize> sizes_;      // of the terms' layers
  std::vector<LayerStride> strides_;  // of the terms' layers, where tiled
  LossEstimate estimate_;
  LossGraph loss_;
  std::vector<std::string> live_;           // inputs of the program
  std::map<std::string, Type> types_;       // of all inputs
  std::vector<std::vector<Shape>> shapes_;  // of the sums of each term, where tiled
  Feeds constant_;                          // what the whole program is fed once
  std::optional<Program> program_, finish_;
};

PictureLoss::PictureLoss(const Model& model, std::vector<LossTerm> terms, int64_t height, int64_t width,
                         const TilingSettings& tiling)
    : impl_(std::make_unique<Impl>(model, std::move(terms), height, width, tiling)) {}
PictureLoss::~PictureLoss() = default;

const LossEstimate& PictureLoss::estimate() const { return impl_->estimate(); }
const std::vector<LossTerm>& PictureLoss::terms() const { return impl_->terms(); }
void PictureLoss::prepare(Backend& backend, const CompileOptions& options) { impl_->prepare(backend, options); }
double PictureLoss::measure() { return impl_->measure(); }
LossValue PictureLoss::evaluate(const Context& context, const Tensor& levels) {
  return impl_->evaluate(context, levels);
}
Program& PictureLoss::program() { return impl_->program(); }
size_t PictureLoss::memory() const { return impl_->memory(); }

std::string PictureLoss::not_finite(const LossValue& value) const {
  for (size_t k = 0; k < value.terms.size(); ++k)
    if (!std::isfinite(value.terms[k])) return fmt::format("the term {} is {}", terms()[k].name, value.terms[k]);
  for (const float g : value.gradient.data<float>())
    if (!std::isfinite(g)) return "the gradient is not finite, though every term is";
  return {};
}

}  // namespace fovea
