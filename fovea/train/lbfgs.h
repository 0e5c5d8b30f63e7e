// Limited-memory BFGS: minimises a smooth function of many numbers from its values and gradients.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea {

struct LbfgsSettings {
  double rate = 1;                   // length of a step along the direction; the first is shortened to rate / |g|₁
  int64_t iterations = 20;           // directions a call of step(), at most
  int64_t evaluations = 0;           // of the function a call, at most; 0: 1.25 · iterations, rounded down
  int64_t history = 10;              // pairs of steps and changes of the gradient that are kept
  double gradient_tolerance = 1e-7;  // stop when no element of the gradient is larger
  double change_tolerance = 1e-9;    // stop when x or the function change less, or the slope is flatter
  bool line_search = false;          // lengths by strong Wolfe conditions (c1 1e-4, c2 0.9); false: always `rate`
};

// What an Lbfgs holds between steps, by name: "change 0", "step 0" … (oldest first), "direction", "gradient".
struct LbfgsState {
  std::map<std::string, Tensor> vectors;  // of the optimiser's type, each of x's size
  std::map<std::string, double> numbers;
};

// f(x) and, into `gradient` of x's size, its gradient. T is float or double.
template <class T>
using Objective = std::function<double(std::span<const T> x, std::span<T> gradient)>;

// The state between steps; equal inputs give equal bits. Scalar products are summed in double. Source: Nocedal &
// Wright, "Numerical optimization", 2nd edition, algorithms 7.4, 7.5 (two-loop recursion, scaling 7.20), 3.5 and 3.6
// (line search) with the cubic steps of 3.59 safeguarded as in Schmidt's minFunc (2005); settings, stopping and the
// order of evaluations are those of torch.optim.LBFGS, whose results it reproduces.
template <class T>
class Lbfgs {
 public:
  // Throws Error{usage} for settings out of range.
  explicit Lbfgs(LbfgsSettings settings = {});

  // Moves x by up to settings.iterations directions and returns f where it began. An objective that is not finite ends
  // the step where it stands.
  double step(std::span<T> x, const Objective<T>& objective);

  // All that the next step depends on besides x, and going on from it to the same bits. restore throws Error{usage}
  // naming what is missing or not as large as the rest; nothing has then changed.
  LbfgsState state() const;
  void restore(const LbfgsState& state);

  int64_t directions() const { return directions_; }    // so far
  int64_t evaluations() const { return evaluations_; }  // of the function, so far

 private:
  using Vector = std::vector<T>;
  struct Pair {
    Vector change, step;  // of the gradient, of x
    double inverse;       // 1 / (change · step)
  };
  struct Point {
    double length = 0, value = 0, slope = 0;
    Vector gradient;
  };

  void remember(const Vector& gradient);
  void find_direction(const Vector& gradient);
  Point at(double length, std::span<const T> from, const Objective<T>& objective);
  Point search(Point start, double length, std::span<const T> from, const Objective<T>& objective);
  bool bracketed(const Point& start, double length, std::span<const T> from, const Objective<T>& objective, Point& low,
                 Point& high, int& tries);

  LbfgsSettings settings_;
  std::deque<Pair> pairs_;  // oldest first
  Vector direction_, previous_gradient_;
  double length_ = 0, scale_ = 1;
  int64_t directions_ = 0, evaluations_ = 0;
};

extern template class Lbfgs<float>;
extern template class Lbfgs<double>;

}  // namespace fovea
