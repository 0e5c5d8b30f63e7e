// Rules that turn gradients into new weights, as nodes of the graph: their state never leaves the program.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/compile/program.h"
#include "fovea/graph/graph.h"

namespace fovea {

struct OptimiserSettings {
  std::string kind = "sgd";           // sgd, adam, adamw, rmsprop, adagrad; whole trainings also by lbfgs
  double momentum = 0.9;              // sgd, rmsprop; 0: none
  bool nesterov = false;              // sgd
  double beta1 = 0.9, beta2 = 0.999;  // adam, adamw
  double smoothing = 0.99;            // rmsprop
  double epsilon = 1e-8;              // added to the root; 1e-10 is usual for adagrad
  double weight_decay = 0;            // added to the gradient as decay · w; adamw: w shrinks by rate · decay
  bool decay_all = true;              // false: only weights of rank 2 and more decay, not biases and scales of norms
  double bias_factor = 1;  // factor of the rate for what has rank 1 or less: biases, scales and shifts of norms; where
                           // those decay, they shrink no faster for it
  double clip_norm = 0;    // above 0: gradients are scaled down to this Euclidean norm of all of them together
};

// Appends, for each parameter w with its gradient, the nodes of its next value and state, and returns what is to be
// carried. State tensors are inputs named "<what> of <w>", zero at the beginning. Each step is fed with step_feeds().
// Where a `loss` is given (a scalar of the parameters' type) and is NaN or infinite, or clipped gradients have no
// finite norm, weights and state stay as they are: a step that diverged changes nothing. Everything is done by
// ops::update, large weights each alone as soon as their gradient is there, small ones together. Throws Error{usage}
// for an unknown kind. bias_factor: Jordan, "94 % on CIFAR-10 in 3.29 seconds on a single GPU", 2024, section 3.4.
// Other sources, all in PyTorch's form: Sutskever et al., ICML 2013 (momentum, Nesterov); Kingma & Ba,
// "Adam", ICLR 2015, algorithm 1; Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2;
// Tieleman & Hinton, lecture 6.5, 2012 (RMSProp); Duchi, Hazan & Singer, JMLR 12, 2011 (Adagrad).
std::vector<Carry> optimise(Graph& graph, std::span<const Value> parameters, std::span<const Value> gradients,
                            const OptimiserSettings& settings, Value loss = {});

// The scalar inputs that the rule reads at a step (from 0) with this learning rate, of the parameters' type.
std::map<std::string, Tensor> step_feeds(const OptimiserSettings& settings, int64_t step, double rate,
                                         DType dtype = DType::f32);

// The kinds that optimise() takes.
const std::vector<std::string>& optimiser_kinds();

// e' = decay · e + (1 − decay) · w' for the next value w' of each parameter that `steps` carries: an exponential moving
// average, an input named "average of <w>". Its initial value is the caller's to give (the weights themselves).
// It stays as it is where a `loss` is given that is not finite.
std::vector<Carry> moving_average(Graph& graph, std::span<const Carry> steps, double decay, Value loss = {});

// Slow weights that the fast ones return to every few updates, s ← d s + (1 − d) w, w ← s, in update t of T that
// `every` divides, with d = decay · (t/T)^power; the last update of all ends with w ← s. Source: Zhang et al.,
// "Lookahead optimizer: k steps forward, 1 step back", NeurIPS 2019 (decay = 1 − α, power 0); Jordan, "94 % on CIFAR-10
// in 3.29 seconds on a single GPU", 2024, section 3.4 and its program (every 5, decay 0.95^5, power 3).
struct LookaheadSettings {
  int64_t every = 0;            // updates; 0: no slow weights
  double decay = 0.7737809375;  // 0.95^5
  double power = 3;
};

// For each parameter that `steps` carries, running statistics too where they are among them: the carried value after
// lookahead, and a slow weight, an input named "slow copy of <w>", whose initial value is the caller's to give (the
// weights themselves). Reads the scalar input "lookahead rate", see lookahead_rate(). All stays as it is where a `loss`
// is given that is not finite.
std::vector<Carry> lookahead(Graph& graph, std::span<const Carry> steps, Value loss = {});

// What update `step` (from 0) of `steps` feeds as "lookahead rate": 1 − d where slow and fast weights meet, −1 where
// they do not.
double lookahead_rate(const LookaheadSettings& settings, int64_t step, int64_t steps);

// The same carries (running statistics), except that a loss that is NaN or infinite leaves everything as it is.
std::vector<Carry> unless_diverged(Graph& graph, std::span<const Carry> steps, Value loss);

}  // namespace fovea
