// Pictures made for a network by descent: the loop behind maximisation and inversion.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/base/context.h"
#include "fovea/compile/program.h"
#include "fovea/insight/objective.h"
#include "fovea/insight/parametrisation.h"
#include "fovea/insight/robust.h"
#include "fovea/train/descent.h"
#include "fovea/train/lbfgs.h"

namespace fovea {

// Some steps at one rate. With each stage the momentum m starts anew, as in the tools named below; the sums a of
// "adaptive" do not (nnpreimage means to clear them too, but clears a variable of another name: its published pictures
// were made with sums that go on).
struct RateStage {
  int64_t steps = 0;
  double rate = 0;
  bool still = false;  // no random views: the network sees the middle of the picture
};

struct PreimageSettings {
  ParametrisationSettings parametrisation;
  RobustSettings robust;
  // How the parameters p follow the gradient g of the loss:
  //   adam      Kingma & Ba, ICLR 2015, as Lucid uses it
  //   momentum  m ← μ m − rate · g, p ← p + m: Mahendran & Vedaldi, 2015
  //   adaptive  a ← μ a + g², m ← μ m − g / (1/rate + √a), p ← p + m: their tool of 2016, nnpreimage (Adagrad that
  //             forgets)
  //   lbfgs     with a line search: the loss never rises; not with random views
  std::string update = "adam";
  double momentum = 0.9;
  std::vector<RateStage> stages = {{512, 0.05}};  // the rate is not used by lbfgs
  double bound = 0;  // above 0, pixels: no colour further than that from the centre (Euclidean), after each step
  int64_t height = 0, width = 0;  // of what the network sees; 0: as the network has it
  int64_t margin = 0;             // pixels around it that the pictures have while they are made: room for the jitter
  int64_t steps() const;
};

// The graph of a loss, before a gradient is taken.
struct PreimageGraph {
  Graph graph;
  Parametrised made;
  Value values;                     // the objective, [N]
  Value loss;                       // −Σ values
  std::vector<Value> watched;       // further objectives, [N] each
  std::vector<std::string> layers;  // names of the network's nodes in the graph
  int64_t height = 0, width = 0;    // of what the network sees
};

// The pictures that the parameters stand for and how they came about.
struct Preimages {
  Tensor levels;                            // [N,C,H,W], without margin
  std::vector<std::vector<float>> values;   // the objective of each picture before each step
  std::vector<std::vector<float>> watched;  // the last values of each further objective, of the N pictures
  double step_seconds = 0;                  // median time of a step: forward, backward and update
};

// Bytes that the free memory of this machine holds now; 0 where that is not known. FOVEA_MEMORY, a number of MiB, is
// taken for it where it is set: in a container the system tells of the whole machine's.
size_t available_memory();

class Preimage {
 public:
  // Builds everything for `batch` pictures; nothing is compiled yet. Throws Error{usage} when the network takes no
  // picture, has other inputs, cannot see a batch or a size, or the settings do not fit together.
  Preimage(const Model& model, const PictureObjective& objective, std::vector<PictureObjective> watched,
           PreimageSettings settings, int64_t batch);
  Preimage(const Preimage&) = delete;
  Preimage& operator=(const Preimage&) = delete;
  ~Preimage();

  // About the memory that compiled programs will hold at the same time: all values that the gradient reads, and the
  // weights.
  size_t memory_estimate() const;

  // Compiles for this backend, unless that has been done.
  void prepare(Backend& backend, const CompileOptions& options);
  // The time and memory of the compiled step.
  Program& program();
  const PreimageGraph& built() const { return built_; }
  const PreimageSettings& settings() const { return settings_; }

  // Runs all steps from random starts, one generator a picture; views are drawn with `views`. `feeds` are the inputs of
  // the objectives. Throws Error{usage} when the objective is no longer finite, saying at which step, where it began
  // and what may help. A context that is cancelled ends the run early.
  Preimages run(const Context& context, const std::vector<Rng>& starts, const Rng& views,
                const std::map<std::string, Tensor>& feeds);
  // The same from given parameters [N,…].
  Preimages run_from(const Context& context, const Tensor& start, const Rng& views,
                     const std::map<std::string, Tensor>& feeds);

 private:
  Preimages run_descent(const Context& context, const Tensor& start, const Rng& views,
                        const std::map<std::string, Tensor>& feeds);
  Preimages run_lbfgs(const Context& context, const Tensor& start, const std::map<std::string, Tensor>& feeds);
  std::map<std::string, Tensor> step_inputs(int64_t step, const Rng& views) const;
  Tensor decoded(const Tensor& parameter);
  [[noreturn]] void not_finite(int64_t step, double rate, const Tensor& parameter, std::map<std::string, Tensor> feeds);

  const Model& model_;
  PreimageSettings settings_;
  int64_t batch_;
  PreimageGraph built_;
  Backend* backend_ = nullptr;
  CompileOptions options_;
  std::unique_ptr<Descent> descent_;
  std::unique_ptr<Program> gradient_;  // of lbfgs: loss, values, watched, gradient
  std::unique_ptr<Program> decoder_;   // parameters → levels
};

}  // namespace fovea
