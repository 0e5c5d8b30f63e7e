// Adam, with g the gradient with respect to x / unit:
//   m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  x ← x − unit · rate · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
// Mean of the iterates, with e₀ = 0: e ← a e + (1 − a) x, shown as e / (1 − aⁿ). Sources: Kingma & Ba, "Adam", ICLR
// 2015, algorithm 1 and section 7.2; crowsonkb/style-transfer-pytorch for means and enlarging.
#include "fovea/insight/picture_descent.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "fovea/base/parallel.h"
#include "fovea/image/resize.h"

namespace fovea {

namespace {

constexpr int64_t kGrain = 1 << 15;

LbfgsSettings lbfgs_settings(const PictureRule& rule) {
  LbfgsSettings settings;
  settings.rate = rule.rate;
  settings.iterations = 1;
  settings.evaluations = 1000;  // one line search has fewer
  settings.history = rule.history;
  settings.gradient_tolerance = settings.change_tolerance = -1;  // goes on for as many steps as were asked for
  settings.line_search = rule.line_search;
  return settings;
}

void check(const PictureRule& rule) {
  require(rule.update == "lbfgs" || rule.update == "adam", ErrorKind::usage, "\"{}\" is none of lbfgs, adam",
          rule.update);
  require(rule.rate > 0 && std::isfinite(rule.rate) && rule.unit > 0, ErrorKind::usage,
          "the rate is {}, expected above 0", rule.rate);
  require(
      rule.beta1 >= 0 && rule.beta1 < 1 && rule.beta2 >= 0 && rule.beta2 < 1 && rule.average >= 0 && rule.average < 1,
      ErrorKind::usage, "means of gradients and pictures: {}, {} and {}, expected from 0 to below 1", rule.beta1,
      rule.beta2, rule.average);
}

Tensor scaled(const Tensor& planes, int64_t height, int64_t width, Filter filter, bool positive) {
  const int64_t channels = planes.size(1), from = planes.size(2) * planes.size(3), to = height * width;
  Tensor result(DType::f32, {1, channels, height, width});
  const auto out = result.data<float>();
  for (int64_t c = 0; c < channels; ++c) {
    std::vector<float> plane =
        resize_plane(planes.data<float>().subspan(static_cast<size_t>(c * from), static_cast<size_t>(from)),
                     static_cast<int>(planes.size(3)), static_cast<int>(planes.size(2)), static_cast<int>(width),
                     static_cast<int>(height), filter);
    if (positive)
      for (float& v : plane) v = std::max(v, 0.0f);
    std::copy(plane.begin(), plane.end(), out.begin() + c * to);
  }
  return result;
}

// L-BFGS drops pairs of steps and changes of the gradient whose product is below 1e-10 and begins with a step as long
// as the gradient, so it would stand still on a loss whose whole gradient is tiny, as that of small networks may be.
// Such a loss is scaled until the gradient's mean magnitude is 1; all others are seen as they are.
double scale_for(std::span<const float> gradient) {
  double sum = 0;
  for (const float g : gradient) sum += std::abs(static_cast<double>(g));
  return sum > 0 && sum < 1 ? static_cast<double>(gradient.size()) / sum : 1;
}

}  // namespace

const std::vector<std::string>& picture_updates() {
  static const std::vector<std::string> updates = {"lbfgs", "adam"};
  return updates;
}

size_t PictureRule::bytes(int64_t count) const {
  // lbfgs: pairs, direction, gradient, the line search's point, two points seen, levels twice.
  const int64_t vectors = (update == "lbfgs" ? 2 * history + 10 : 6) + (average > 0 ? 2 : 0);
  return static_cast<size_t>(count * vectors) * sizeof(float);
}

PictureDescent::PictureDescent(const PictureRule& rule, Tensor start, std::vector<float> black,
                               std::vector<float> white)
    : rule_((check(rule), rule)),
      black_(std::move(black)),
      white_(std::move(white)),
      levels_(std::move(start)),
      good_(levels_),
      lbfgs_(lbfgs_settings(rule)) {
  require(levels_.rank() == 4 && levels_.dtype() == DType::f32 &&
              levels_.size(1) == static_cast<int64_t>(black_.size()) && black_.size() == white_.size(),
          ErrorKind::internal, "a start of {} with {} and {} bounds", to_string(levels_.shape()), black_.size(),
          white_.size());
  if (rule_.update == "adam") mean_ = square_ = Tensor(DType::f32, levels_.shape());
  if (rule_.average > 0) {
    average_ = Tensor(DType::f32, levels_.shape());
    remember();
  }
}

// The levels into the mean over steps.
void PictureDescent::remember() {
  const auto x = std::as_const(levels_).data<float>();
  const auto e = average_.data<float>();
  const auto a = static_cast<float>(rule_.average);
  parallel_for(levels_.count(), kGrain, [&](int64_t i) {
    const auto k = static_cast<size_t>(i);
    e[k] = a * e[k] + (1 - a) * x[k];
  });
  weight_ *= rule_.average;
}

void PictureDescent::cut_off(Tensor& levels) const {
  const int64_t plane = levels.size(2) * levels.size(3);
  const auto x = levels.data<float>();
  parallel_for(levels.count(), kGrain, [&](int64_t i) {
    const auto c = static_cast<size_t>(i / plane);
    float& v = x[static_cast<size_t>(i)];
    v = std::min(std::max(v, black_[c]), white_[c]);
  });
}

Tensor PictureDescent::shown() const {
  Tensor result = levels_;
  if (rule_.average > 0) {
    const auto factor = static_cast<float>(1 / (1 - weight_));
    const auto e = average_.data<float>();
    const auto out = result.data<float>();
    for (size_t i = 0; i < out.size(); ++i) out[i] = e[i] * factor;
  }
  cut_off(result);
  return result;
}

// The loss at a point, from memory where a line search has just been there. `first` takes the first one's terms.
double PictureDescent::evaluate(const Loss& loss, std::span<const float> x, std::span<float> gradient,
                                LossValue& first) {
  const auto known = std::find_if(seen_.begin(), seen_.end(), [&](const Seen& s) {
    return std::memcmp(s.at.data(), x.data(), x.size_bytes()) == 0;
  });
  LossValue value;
  if (known != seen_.end()) {
    value = known->value;
  } else {
    Tensor at(DType::f32, levels_.shape());
    std::copy(x.begin(), x.end(), at.data<float>().begin());
    value = loss(at);
    ++evaluations_;
    if (rule_.line_search && std::isfinite(value.total)) {
      if (seen_.size() == 2) seen_.erase(seen_.begin());
      seen_.push_back({{x.begin(), x.end()}, value});
    }
  }
  const auto g = std::as_const(value.gradient).data<float>();
  if (scale_ == 0 && std::isfinite(value.total)) scale_ = scale_for(g);
  const auto scale = static_cast<float>(scale_);
  std::transform(g.begin(), g.end(), gradient.begin(), [&](float v) { return v * scale; });
  if (first.terms.empty()) first = {value.total, value.terms, {}};
  return std::isfinite(value.total) ? value.total * scale_ : value.total;
}

LossValue PictureDescent::step_lbfgs(const Loss& loss) {
  LossValue first;
  const Tensor before = levels_;
  lbfgs_.step(levels_.data<float>(),
              [&](std::span<const float> x, std::span<float> gradient) { return evaluate(loss, x, gradient, first); });
  if (!std::isfinite(first.total)) levels_ = good_;
  else good_ = before;
  return first;
}

LossValue PictureDescent::step_adam(const Loss& loss) {
  LossValue value = loss(levels_);
  ++evaluations_;
  if (!std::isfinite(value.total)) {
    levels_ = good_;
    return value;
  }
  good_ = levels_;
  ++moments_;
  const double steps = static_cast<double>(moments_);
  const auto b1 = static_cast<float>(rule_.beta1), b2 = static_cast<float>(rule_.beta2);
  const auto unit = static_cast<float>(rule_.unit), epsilon = static_cast<float>(rule_.epsilon);
  const auto rate = static_cast<float>(rule_.unit * rule_.rate / (1 - std::pow(rule_.beta1, steps)));
  const auto root = static_cast<float>(1 / std::sqrt(1 - std::pow(rule_.beta2, steps)));
  const auto g = std::as_const(value.gradient).data<float>();
  const auto x = levels_.data<float>(), m = mean_.data<float>(), v = square_.data<float>();
  parallel_for(levels_.count(), kGrain, [&](int64_t i) {
    const auto k = static_cast<size_t>(i);
    const float d = g[k] * unit;
    m[k] = b1 * m[k] + (1 - b1) * d;
    v[k] = b2 * v[k] + (1 - b2) * d * d;
    x[k] -= rate * m[k] / (std::sqrt(v[k]) * root + epsilon);
  });
  if (rule_.within) cut_off(levels_);
  value.gradient = {};
  return value;
}

LossValue PictureDescent::step(const Loss& loss) {
  LossValue value = rule_.update == "adam" ? step_adam(loss) : step_lbfgs(loss);
  if (!std::isfinite(value.total)) return value;
  ++steps_;
  if (rule_.average > 0) remember();
  return value;
}

void PictureDescent::resize(int64_t height, int64_t width) {
  levels_ = scaled(shown(), height, width, Filter::bicubic, false);
  cut_off(levels_);
  good_ = levels_;
  if (rule_.update == "adam") {
    mean_ = scaled(mean_, height, width, Filter::bicubic, false);
    square_ = scaled(square_, height, width, Filter::bilinear, true);
  }
  lbfgs_ = Lbfgs<float>(lbfgs_settings(rule_));
  scale_ = 0;
  seen_.clear();
  if (rule_.average > 0) {
    average_ = Tensor(DType::f32, levels_.shape());
    weight_ = 1;
    remember();
  }
}

DescentState PictureDescent::state() const {
  DescentState s;
  s.tensors["levels"] = levels_;
  s.tensors["good"] = good_;
  if (rule_.update == "adam") {
    s.tensors["mean"] = mean_;
    s.tensors["square"] = square_;
  } else {
    s.numbers["loss scale"] = scale_;
    const LbfgsState inner = lbfgs_.state();
    for (const auto& [name, tensor] : inner.vectors) s.tensors["lbfgs " + name] = tensor;
    for (const auto& [name, number] : inner.numbers) s.numbers["lbfgs " + name] = number;
  }
  if (rule_.average > 0) {
    s.tensors["average"] = average_;
    s.numbers["weight"] = weight_;
  }
  s.numbers["steps"] = static_cast<double>(steps_);
  s.numbers["moments"] = static_cast<double>(moments_);
  s.numbers["evaluations"] = static_cast<double>(evaluations_);
  return s;
}

void PictureDescent::restore(const DescentState& state) {
  const auto tensor = [&](const std::string& name) {
    const auto found = state.tensors.find(name);
    require(found != state.tensors.end(), ErrorKind::usage, "the state of the picture has no \"{}\"", name);
    require(found->second.dtype() == DType::f32 && found->second.shape() == levels_.shape(), ErrorKind::usage,
            "the state of the picture has \"{}\" of {}, expected {}", name, to_string(found->second.shape()),
            to_string(levels_.shape()));
    return found->second;
  };
  const auto number = [&](const std::string& name) {
    const auto found = state.numbers.find(name);
    require(found != state.numbers.end(), ErrorKind::usage, "the state of the picture has no \"{}\"", name);
    return found->second;
  };
  const Tensor levels = tensor("levels"), good = tensor("good");
  if (rule_.update == "adam") {
    mean_ = tensor("mean");
    square_ = tensor("square");
  } else {
    LbfgsState inner;
    for (const auto& [name, value] : state.tensors)
      if (name.starts_with("lbfgs ")) inner.vectors[name.substr(6)] = value;
    for (const auto& [name, value] : state.numbers)
      if (name.starts_with("lbfgs ")) inner.numbers[name.substr(6)] = value;
    const double scale = number("loss scale");
    lbfgs_.restore(inner);
    scale_ = scale;
  }
  if (rule_.average > 0) {
    average_ = tensor("average");
    weight_ = number("weight");
  }
  steps_ = static_cast<int64_t>(number("steps"));
  moments_ = static_cast<int64_t>(number("moments"));
  evaluations_ = static_cast<int64_t>(number("evaluations"));
  levels_ = levels;
  good_ = good;
  seen_.clear();
}

}  // namespace fovea
