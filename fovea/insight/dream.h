// DeepDream: what a layer sees in a picture is drawn into it, step by step, from coarse to fine.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/base/context.h"
#include "fovea/base/rng.h"
#include "fovea/compile/program.h"
#include "fovea/insight/dream_step.h"
#include "fovea/insight/level_planes.h"

namespace fovea {

struct DreamSettings {
  DreamRule rule;
  int64_t steps = 10;  // of each octave
  // Sizes of the picture, each smaller by the scale; what was drawn at one is enlarged and added to the next.
  int64_t octaves = 4;
  double octave_scale = 1.4;
  int64_t jitter = 32;            // each step rolls the picture by a whole number of [−jitter, jitter] both ways
  std::string resize = "smooth";  // of octaves and of what was drawn: see resized_levels
  // Side of the tiles that the gradient of a larger picture is put together from; 0: in one piece. Tiles overlap by an
  // eighth of their side and fade into each other; where they lie is drawn anew in each step, so that no seam stays.
  int64_t tile = 0;
};
// google-2015: the notebook google/deepdream, steps of 1.5 levels, plain gradients, resize zoom. modern: the same
// numbers with gradients of even bands and smooth resizing.
const std::vector<std::string>& dream_presets();
// Throws Error{usage} for an unknown name.
DreamSettings dream_settings(const std::string& preset);
// The network's preparation with the notebook's centre, BGR minus (104,116,122), where it is Caffe's (BGR, 0..255);
// else unchanged.
Preprocess google_2015_preprocess(Preprocess how);

struct DreamOctave {
  int64_t height = 0, width = 0;
  std::vector<double> values, gradients;  // the objective and mean|g| before each step
  double step_seconds = 0;                // median
  int64_t tiles = 1;                      // that one gradient was put together from
};

// Where a run stands between two steps: all that the rest of it depends on besides what it was begun with.
struct DreamPoint {
  int64_t octave = 0, step = 0;      // from 0: the next one
  Tensor levels;                     // [1,C,h,w], the picture of that octave
  std::vector<DreamOctave> octaves;  // what the steps before it have seen
};

struct DreamResult {
  Tensor levels;  // [1,C,H,W]; where the run ended early, what was drawn so far, enlarged to the picture's size
  std::vector<DreamOctave> octaves;  // in the order of work, coarse first
  bool finished = true;              // false: cancelled, or trouble
  std::string trouble;               // why no step was possible any more; empty: there was none
  DreamPoint point;                  // where a run that was cancelled ended
};

// The run as it stands after a step.
struct DreamMoment {
  int64_t octave = 0, octaves = 1, step = 0, steps = 1;  // from 0
  int64_t height = 0, width = 0;
  double value = 0;                 // the objective before the step
  double done = 0;                  // share of the whole work, by pixels
  std::function<Tensor()> picture;  // what DreamResult::levels would be now
  std::function<DreamPoint()> point;
};

class Dream {
 public:
  // Nothing is compiled yet. Throws Error{usage} for settings out of range (steps and octaves below 1, a scale not
  // above 1, jitter below 0, tiles below 32) and for a guide without layers.
  Dream(const Model& model, DreamObjective objective, DreamSettings settings, Backend& backend,
        const CompileOptions& options);
  Dream(const Dream&) = delete;
  Dream& operator=(const Dream&) = delete;
  ~Dream();

  // Where and how much is drawn: [1,1,h,w], 0..1, stretched to the picture.
  void set_mask(Tensor mask) { mask_ = std::move(mask); }
  // Programs are kept for pictures of the same sizes that follow (a zoom); without it each goes when its octave ends.
  void keep_programs() { keep_ = true; }

  // Draws into a picture [1,C,H,W]. Throws Error{usage} where the network cannot look at the largest size. Octaves that
  // are too small for it are left out, which is noted. A context that is cancelled ends the run early; from the point
  // of its result (`from`), the same call goes on to the same bits, and compiles the same programs in the same order.
  // Throws Error{usage} for a point that is no point of such a run.
  DreamResult run(const Context& context, const Tensor& levels, const Rng& random,
                  const std::function<void(const DreamMoment&)>& observe = {}, const DreamPoint* from = nullptr);
  // One step with a given roll: the published step.
  Tensor step(const Tensor& levels, int64_t down, int64_t right);

  // About the bytes that a step needs for a picture (or a tile) of this size, before anything is compiled.
  size_t memory_estimate(int64_t height, int64_t width) const;
  // The largest side of tiles, in steps of 32, that a picture can be put together from within a limit; 0: it needs
  // none. Throws Error{usage} when not even the smallest tiles (128) fit.
  int64_t fitting_tile(int64_t height, int64_t width, size_t bytes) const;
  // Sizes of the octaves of a picture, coarse first.
  std::vector<std::pair<int64_t, int64_t>> sizes(int64_t height, int64_t width) const;

  // The program of the last step's gradient, for a profile. Throws Error{internal} before the first step.
  Program& program();
  // Its settings; the tile may be set before a run.
  DreamSettings& settings() { return settings_; }

 private:
  struct Stage;
  struct Run;
  Stage& stage(int64_t height, int64_t width);
  const std::vector<Tensor>& guides();
  bool can_see(int64_t height, int64_t width, std::string& why) const;
  void run_octave(Run& run, const Tensor& base, Tensor& detail);
  void resume(Run& run, const DreamPoint& from);
  // One step in place; the picture stays as it is where a number is not finite.
  void change(Stage& stage, Tensor& levels, const Tensor& mask, int64_t down, int64_t right, const Rng& tiles);
  std::string not_finite(const Tensor& levels, int64_t octave, int64_t step) const;

  const Model& model_;
  DreamObjective objective_;
  DreamSettings settings_;
  Backend& backend_;
  CompileOptions options_;
  std::vector<double> centre_;
  Tensor mask_;
  std::vector<Tensor> guides_;
  std::map<std::pair<int64_t, int64_t>, std::unique_ptr<Stage>> stages_;
  Stage* last_ = nullptr;
  bool keep_ = false;
};

}  // namespace fovea
