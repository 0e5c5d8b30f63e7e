// Direction  d = −H g by the two-loop recursion over the last m pairs s = x' − x, y = g' − g, from H₀ = (s·y / y·y) I:
//   q ← −g;  newest to oldest: a ← q·s / y·s, q ← q − a y;  r ← H₀ q;  oldest to newest: r ← r + (a − r·y / y·s) s
// Step       x ← x + t d, t = rate, or one that satisfies the strong Wolfe conditions
//   f(x + t d) ≤ f(x) + c₁ t g·d   and   |g(x + t d)·d| ≤ c₂ |g·d|
// found by enlarging t until an interval must hold such a one, and then shrinking the interval, each by the minimum of
// the cubic through two values and slopes. Source: Nocedal & Wright, 2006, algorithms 7.4, 7.5, 3.5, 3.6, eq. 3.59.
#include "fovea/train/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"

namespace fovea {

namespace {

constexpr double kDecrease = 1e-4, kCurvature = 0.9;  // c₁, c₂
constexpr int kMostTries = 25;                        // evaluations of one line search, but for the first
constexpr double kLeastCurvature = 1e-10;             // of s·y: flatter pairs are not kept

// Sums go part by part and lane by lane, each in a fixed order, so that threads do not change them.
constexpr int64_t kPart = 16384, kGrain = 4;  // numbers in a part, parts a thread at least
constexpr int64_t kLanes = 16;

template <class T>
double dot_of_part(const T* a, const T* b, int64_t count) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t k = 0; k < kLanes; ++k) lanes[k] += static_cast<double>(a[i + k]) * static_cast<double>(b[i + k]);
  for (int64_t k = 0; i < count; ++i, ++k) lanes[k] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

template <class T>
double dot(const std::vector<T>& a, const std::vector<T>& b) {
  const auto size = static_cast<int64_t>(a.size());
  std::vector<double> parts(static_cast<size_t>((size + kPart - 1) / kPart));
  parallel_for(static_cast<int64_t>(parts.size()), kGrain, [&](int64_t part) {
    const int64_t begin = part * kPart;
    parts[static_cast<size_t>(part)] = dot_of_part(a.data() + begin, b.data() + begin, std::min(kPart, size - begin));
  });
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

template <class T>
double largest(const std::vector<T>& a) {
  double most = 0;
  for (const T v : a) most = std::max(most, std::abs(static_cast<double>(v)));
  return most;
}

template <class T>
void add_scaled(std::vector<T>& to, const std::vector<T>& what, double factor) {
  const T scale = static_cast<T>(factor);
  parallel_ranges(static_cast<int64_t>(to.size()), kGrain * kPart, [&](int64_t begin, int64_t end) {
    T* x = to.data();
    const T* y = what.data();
    for (int64_t i = begin; i < end; ++i) x[i] += scale * y[i];
  });
}

// The minimum of the cubic through two points and their slopes, within [least, most]; their middle where it has none.
template <class Point>
double cubic_minimum(const Point& a, const Point& b, double least, double most) {
  const Point &left = a.length <= b.length ? a : b, &right = a.length <= b.length ? b : a;
  const double d1 = left.slope + right.slope - 3 * (left.value - right.value) / (left.length - right.length);
  const double square = d1 * d1 - left.slope * right.slope;
  if (!(square >= 0)) return (least + most) / 2;
  const double d2 = std::sqrt(square);
  const double at =
      right.length - (right.length - left.length) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2));
  return std::min(std::max(at, least), most);
}

}  // namespace

template <class T>
Lbfgs<T>::Lbfgs(LbfgsSettings settings) : settings_(settings) {
  require(settings.rate > 0 && std::isfinite(settings.rate), ErrorKind::usage, "the rate is {}, expected above 0",
          settings.rate);
  require(settings.iterations >= 1 && settings.history >= 1 && settings.evaluations >= 0, ErrorKind::usage,
          "{} iterations, {} pairs kept and {} evaluations: expected 1 or more of each", settings.iterations,
          settings.history, settings.evaluations);
  if (settings_.evaluations == 0) settings_.evaluations = settings_.iterations * 5 / 4;
}

template <class T>
void Lbfgs<T>::remember(const Vector& gradient) {
  Pair pair{gradient, direction_, 0};
  for (size_t i = 0; i < gradient.size(); ++i) {
    pair.change[i] -= previous_gradient_[i];
    pair.step[i] *= static_cast<T>(length_);
  }
  const double curvature = dot(pair.change, pair.step);
  if (!(curvature > kLeastCurvature)) return;
  pair.inverse = 1 / curvature;
  scale_ = curvature / dot(pair.change, pair.change);
  if (static_cast<int64_t>(pairs_.size()) == settings_.history) pairs_.pop_front();
  pairs_.push_back(std::move(pair));
}

template <class T>
void Lbfgs<T>::find_direction(const Vector& gradient) {
  direction_ = gradient;
  for (T& v : direction_) v = -v;
  if (directions_ == 1) return;
  std::vector<double> factors(pairs_.size());
  for (size_t k = pairs_.size(); k-- > 0;) {
    factors[k] = dot(pairs_[k].step, direction_) * pairs_[k].inverse;
    add_scaled(direction_, pairs_[k].change, -factors[k]);
  }
  for (T& v : direction_) v *= static_cast<T>(scale_);
  for (size_t k = 0; k < pairs_.size(); ++k)
    add_scaled(direction_, pairs_[k].step, factors[k] - dot(pairs_[k].change, direction_) * pairs_[k].inverse);
}

template <class T>
typename Lbfgs<T>::Point Lbfgs<T>::at(double length, std::span<const T> from, const Objective<T>& objective) {
  Point point;
  point.length = length;
  point.gradient.resize(from.size());
  Vector x(from.begin(), from.end());
  add_scaled(x, direction_, length);
  point.value = objective(x, point.gradient);
  point.slope = dot(point.gradient, direction_);
  ++evaluations_;
  return point;
}

// Goes outwards until [low, high] must hold a good length, or returns true with a good one in `low`. `tries` counts.
template <class T>
bool Lbfgs<T>::bracketed(const Point& start, double length, std::span<const T> from, const Objective<T>& objective,
                         Point& low, Point& high, int& tries) {
  Point before = start, now = at(length, from, objective);
  while (tries < kMostTries) {
    const bool too_high = now.value > start.value + kDecrease * now.length * start.slope;
    const bool good = std::abs(now.slope) <= -kCurvature * start.slope;
    const bool past = too_high || (tries > 1 && now.value >= before.value);
    if (!past && good) {
      low = std::move(now);
      return true;
    }
    if (past || now.slope >= 0) {
      low = std::move(before);
      high = std::move(now);
      return false;
    }
    const double next = cubic_minimum(before, now, now.length + 0.01 * (now.length - before.length), now.length * 10);
    before = std::move(now);
    now = at(next, from, objective);
    ++tries;
  }
  low = start;
  high = std::move(now);
  return false;
}

template <class T>
typename Lbfgs<T>::Point Lbfgs<T>::search(Point start, double length, std::span<const T> from,
                                          const Objective<T>& objective) {
  Point low, high;
  int tries = 0;
  if (bracketed(start, length, from, objective, low, high, tries)) return low;
  if (high.value < low.value) std::swap(low, high);
  bool stuck = false;  // the last length came close to an end of the interval
  while (tries < kMostTries) {
    const double least = std::min(low.length, high.length), most = std::max(low.length, high.length);
    if ((most - least) * largest(direction_) < settings_.change_tolerance) break;
    double next = cubic_minimum(low, high, least, most);
    const double margin = 0.1 * (most - least);
    const bool close = std::min(most - next, next - least) < margin;
    if (close && (stuck || next >= most || next <= least)) {
      next = std::abs(next - most) < std::abs(next - least) ? most - margin : least + margin;
      stuck = false;
    } else {
      stuck = close;
    }
    Point now = at(next, from, objective);
    ++tries;
    if (now.value > start.value + kDecrease * next * start.slope || now.value >= low.value) {
      high = std::move(now);
      if (high.value < low.value) std::swap(low, high);
      continue;
    }
    const bool done = std::abs(now.slope) <= -kCurvature * start.slope;
    if (!done && now.slope * (high.length - low.length) >= 0) high = std::move(low);
    low = std::move(now);
    if (done) break;
  }
  return low;
}

template <class T>
double Lbfgs<T>::step(std::span<T> x, const Objective<T>& objective) {
  Point now;
  now.gradient.resize(x.size());
  now.value = objective(x, now.gradient);
  ++evaluations_;
  const double begin = now.value;
  const int64_t last = evaluations_ - 1 + settings_.evaluations;
  const auto flat = [&] { return largest(now.gradient) <= settings_.gradient_tolerance; };
  if (!std::isfinite(now.value) || flat()) return begin;
  for (int64_t iteration = 1; iteration <= settings_.iterations; ++iteration) {
    if (++directions_ > 1) remember(now.gradient);
    find_direction(now.gradient);
    previous_gradient_ = now.gradient;
    length_ = settings_.rate;
    if (directions_ == 1) {
      double sum = 0;
      for (const T g : now.gradient) sum += std::abs(static_cast<double>(g));
      length_ = std::min(1.0, 1 / sum) * settings_.rate;
    }
    now.length = 0;
    now.slope = dot(now.gradient, direction_);
    if (!(now.slope <= -settings_.change_tolerance)) break;
    const double before = now.value;
    if (settings_.line_search) {
      now = search(std::move(now), length_, x, objective);
      length_ = now.length;
    }
    for (size_t i = 0; i < x.size(); ++i) x[i] += static_cast<T>(length_) * direction_[i];
    if (!settings_.line_search && iteration < settings_.iterations) {
      now.value = objective(x, now.gradient);
      ++evaluations_;
    }
    const bool still = largest(direction_) * length_ <= settings_.change_tolerance ||
                       std::abs(now.value - before) < settings_.change_tolerance;
    if (evaluations_ >= last || flat() || still || !std::isfinite(now.value)) break;
  }
  return begin;
}

template <class T>
LbfgsState Lbfgs<T>::state() const {
  LbfgsState state;
  const auto keep = [&](const std::string& name, const Vector& values) {
    Tensor tensor(dtype_of<T>(), {static_cast<int64_t>(values.size())});
    std::copy(values.begin(), values.end(), tensor.data<T>().begin());
    state.vectors[name] = std::move(tensor);
  };
  for (size_t k = 0; k < pairs_.size(); ++k) {
    keep(fmt::format("change {}", k), pairs_[k].change);
    keep(fmt::format("step {}", k), pairs_[k].step);
    state.numbers[fmt::format("inverse {}", k)] = pairs_[k].inverse;
  }
  if (directions_ > 0) {
    keep("direction", direction_);
    keep("gradient", previous_gradient_);
  }
  state.numbers.insert({{"pairs", static_cast<double>(pairs_.size())},
                        {"length", length_},
                        {"scale", scale_},
                        {"directions", static_cast<double>(directions_)},
                        {"evaluations", static_cast<double>(evaluations_)}});
  return state;
}

template <class T>
void Lbfgs<T>::restore(const LbfgsState& state) {
  Lbfgs next(settings_);
  int64_t size = -1;
  const auto number = [&](const std::string& name) {
    const auto found = state.numbers.find(name);
    require(found != state.numbers.end(), ErrorKind::usage, "the state of L-BFGS has no \"{}\"", name);
    return found->second;
  };
  const auto whole = [&](const std::string& name, double most) {
    const double value = number(name);
    require(value >= 0 && value <= most && value == std::floor(value), ErrorKind::usage,
            "the state of L-BFGS says \"{}\" is {}, expected a whole number up to {}", name, value, most);
    return static_cast<int64_t>(value);
  };
  const auto vector = [&](const std::string& name) {
    const auto found = state.vectors.find(name);
    require(found != state.vectors.end(), ErrorKind::usage, "the state of L-BFGS has no \"{}\"", name);
    const Tensor& tensor = found->second;
    if (size < 0) size = tensor.shape().count();
    require(tensor.dtype() == dtype_of<T>() && tensor.shape() == Shape{size}, ErrorKind::usage,
            "the state of L-BFGS has \"{}\" of {}{}, expected {}[{}]", name, to_string(tensor.dtype()),
            to_string(tensor.shape()), to_string(dtype_of<T>()), size);
    const auto values = tensor.data<T>();
    return Vector(values.begin(), values.end());
  };
  constexpr double kMostCounted = 9e15;
  next.directions_ = whole("directions", kMostCounted), next.evaluations_ = whole("evaluations", kMostCounted);
  next.length_ = number("length"), next.scale_ = number("scale");
  const int64_t pairs = whole("pairs", static_cast<double>(settings_.history));
  for (int64_t k = 0; k < pairs; ++k)
    next.pairs_.push_back(
        {vector(fmt::format("change {}", k)), vector(fmt::format("step {}", k)), number(fmt::format("inverse {}", k))});
  if (next.directions_ > 0) next.direction_ = vector("direction"), next.previous_gradient_ = vector("gradient");
  *this = std::move(next);
}

template class Lbfgs<float>;
template class Lbfgs<double>;

}  // namespace fovea
