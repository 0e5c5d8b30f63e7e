#include "fovea/features/tsne.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/base/parallel.h"
#include "fovea/base/rng.h"
#include "fovea/features/tsne_repulsion.h"

namespace fovea {

namespace {

constexpr int64_t kReport = 50;  // iterations between two reports
constexpr float kLeastGain = 0.01f;
constexpr double kStartDeviation = 1e-4;

std::unique_ptr<RepulsionMethod> repulsion_of(const TsneOptions& options, int64_t count) {
  if (options.method == "exact" || (options.method == "auto" && count <= kExactPoints)) return exact_repulsion();
  if (options.method == "fft" || options.method == "auto") return fft_repulsion();
  require(options.method == "barnes-hut", ErrorKind::usage,
          "\"{}\" is no way to compute the repulsion{}; expected auto, exact, barnes-hut or fft", options.method,
          did_you_mean(options.method, {"auto", "exact", "barnes-hut", "fft"}));
  require(options.theta >= 0 && options.theta < 1, ErrorKind::usage, "theta = {:g}, expected 0 to below 1",
          options.theta);
  return barnes_hut_repulsion(options.theta);
}

// Σ P log(P / Q) of one row, Q = w / Z.
double row_divergence(const Affinities& p, const Positions& at, int64_t i, double z) {
  double sum = 0;
  const double log_z = std::log(z);
  const float x = at.x[static_cast<size_t>(i)], y = at.y[static_cast<size_t>(i)];
  for (int64_t e = p.begin[static_cast<size_t>(i)]; e < p.begin[static_cast<size_t>(i) + 1]; ++e) {
    const auto j = static_cast<size_t>(p.column[static_cast<size_t>(e)]);
    const double dx = x - at.x[j], dy = y - at.y[j], value = p.value[static_cast<size_t>(e)];
    if (value > 0) sum += value * (std::log(value * (1 + dx * dx + dy * dy)) + log_z);
  }
  return sum;
}

double divergence(const Affinities& p, const Positions& at, double z) {
  std::vector<double> rows(static_cast<size_t>(p.count()));
  parallel_for(p.count(), 128, [&](int64_t i) { rows[static_cast<size_t>(i)] = row_divergence(p, at, i, z); });
  double sum = 0;
  for (const double row : rows) sum += row;
  return sum;
}

void centre(std::vector<float>& values) {
  double mean = 0;
  for (const float v : values) mean += v;
  mean /= static_cast<double>(std::max<size_t>(1, values.size()));
  for (float& v : values) v = static_cast<float>(v - mean);
}

class Descending {
 public:
  Descending(const Affinities& p, Positions start, const TsneOptions& options)
      : p_(p), at_(std::move(start)), method_(repulsion_of(options, p.count())) {
    const auto count = static_cast<size_t>(p.count());
    rate_ = options.learning_rate > 0
                ? options.learning_rate
                : std::max(50.0, static_cast<double>(count) / std::max(options.exaggeration, 1.0) / 4);
    for (Axis* axis : {&x_, &y_}) *axis = {std::vector<float>(count), std::vector<float>(count, 1.0f)};
  }

  void step(double exaggeration, double momentum) {
    method_->compute(at_.x, at_.y, repulsion_);
    const auto inverse = static_cast<float>(1 / repulsion_.z), factor = static_cast<float>(exaggeration);
    const auto rate = static_cast<float>(rate_), keep = static_cast<float>(momentum);
    parallel_for(p_.count(), 128, [&](int64_t point) {
      const auto i = static_cast<size_t>(point);
      float pull_x = 0, pull_y = 0;
      attraction(i, pull_x, pull_y);
      move(x_, i, 4 * (factor * pull_x - inverse * repulsion_.x[i]), rate, keep);
      move(y_, i, 4 * (factor * pull_y - inverse * repulsion_.y[i]), rate, keep);
    });
    for (size_t i = 0; i < at_.x.size(); ++i) {
      at_.x[i] += x_.velocity[i];
      at_.y[i] += y_.velocity[i];
    }
  }

  // At the positions before the last step.
  double z() const { return repulsion_.z; }
  Positions& positions() { return at_; }
  double rate() const { return rate_; }
  std::string_view method() const { return method_->name(); }

 private:
  struct Axis {
    std::vector<float> velocity, gain;
  };

  void attraction(size_t i, float& pull_x, float& pull_y) const {
    const float x = at_.x[i], y = at_.y[i];
    const float *xs = at_.x.data(), *ys = at_.y.data();
    for (int64_t e = p_.begin[i]; e < p_.begin[i + 1]; ++e) {
      const int32_t j = p_.column[static_cast<size_t>(e)];
      const float dx = x - xs[j], dy = y - ys[j];
      const float pull = p_.value[static_cast<size_t>(e)] / (1 + dx * dx + dy * dy);
      pull_x += pull * dx;
      pull_y += pull * dy;
    }
  }

  static void move(Axis& axis, size_t i, float gradient, float rate, float momentum) {
    float& velocity = axis.velocity[i];
    float& gain = axis.gain[i];
    gain = velocity * gradient < 0 ? gain + 0.2f : std::max(gain * 0.8f, kLeastGain);
    velocity = momentum * velocity - rate * gain * gradient;
  }

  const Affinities& p_;
  Positions at_;
  std::unique_ptr<RepulsionMethod> method_;
  Repulsion repulsion_;
  Axis x_, y_;
  double rate_ = 0;
};

}  // namespace

double divergence(const Affinities& p, const Positions& positions) {
  Repulsion repulsion;
  exact_repulsion()->compute(positions.x, positions.y, repulsion);
  return divergence(p, positions, repulsion.z);
}

TsneResult tsne(const Context& context, const Affinities& p, Positions start, const TsneOptions& options) {
  require(p.count() >= 2 && start.count() == p.count(), ErrorKind::usage, "a start of {} points for {}", start.count(),
          p.count());
  Descending descent(p, std::move(start), options);
  TsneResult result;
  result.method = descent.method();
  result.learning_rate = descent.rate();
  std::string detail;
  for (int64_t iteration = 0; iteration < options.iterations; ++iteration) {
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    if (iteration % 10 == 0) context.report({"mapping", iteration, options.iterations, detail});
    const bool early = iteration < options.exaggerated;
    descent.step(early ? options.exaggeration : 1, early ? 0.5 : 0.8);
    if ((iteration + 1) % kReport != 0) continue;
    const double kl = divergence(p, descent.positions(), descent.z());
    require(std::isfinite(kl), ErrorKind::usage,
            "the map flies apart: KL is not finite after {} iterations; take a smaller --learning-rate than {:g}",
            iteration + 1, descent.rate());
    result.history.emplace_back(iteration + 1, kl);
    detail = fmt::format("KL {:.3f}", kl);
  }
  context.report({"mapping", options.iterations, options.iterations, detail});
  result.positions = std::move(descent.positions());
  centre(result.positions.x);
  centre(result.positions.y);
  result.divergence = divergence(p, result.positions);
  return result;
}

Positions random_start(int64_t count, uint64_t seed) {
  const Rng rng = Rng(seed).fork("t-SNE start");
  Positions start;
  for (int64_t i = 0; i < count; ++i) {
    start.x.push_back(static_cast<float>(kStartDeviation * rng.normal(static_cast<uint64_t>(2 * i))));
    start.y.push_back(static_cast<float>(kStartDeviation * rng.normal(static_cast<uint64_t>(2 * i + 1))));
  }
  return start;
}

Positions projected_start(const Tensor& projection, uint64_t seed) {
  const int64_t count = projection.shape()[0], width = projection.shape()[1];
  const float* values = projection.data<float>().data();
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < count; ++i) sum += values[i * width];
  const double mean = sum / static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i) squares += std::pow(values[i * width] - mean, 2);
  const double deviation = std::sqrt(squares / static_cast<double>(count));
  require(deviation > 0, ErrorKind::usage, "all rows are equal, so there is nothing to map");
  Positions start = random_start(count, seed);
  for (int64_t i = 0; i < count; ++i) {
    start.x[static_cast<size_t>(i)] = static_cast<float>(values[i * width] / deviation * kStartDeviation);
    if (width > 1)
      start.y[static_cast<size_t>(i)] = static_cast<float>(values[i * width + 1] / deviation * kStartDeviation);
  }
  return start;
}

}  // namespace fovea
