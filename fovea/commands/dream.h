#pragma once

#include "fovea/commands/model_options.h"
#include "fovea/insight/dream.h"

namespace fovea {

struct DreamOptions {
  std::string image;   // a file, or "noise"
  ModelOptions model;  // model.model empty: GoogLeNet where it is found, else builtin:cifar10
  EngineOptions engine;
  std::vector<std::string> layers;  // "inception_4c/output", "LAYER:WEIGHT"; empty: the network's own
  std::string objective;            // instead of layers
  std::string preset = "modern";
  // Below 0: the preset's.
  int64_t octaves = -1, steps = -1, jitter = -1;
  double octave_scale = -1, step = -1;
  std::string gradient, resize;  // empty: the preset's
  std::string guide, mask;       // pictures
  int64_t size = 0;              // longest side; 0: as the picture is
  int64_t seed = 0;
  int64_t memory = 0, tile = 0;
  int64_t zoom_frames = 0;  // further pictures, each from the middle of the one before
  double zoom = 0.05;
  int64_t preview_every = 15;  // seconds
  std::string output, save, report, plan, resume;
  bool open = false, profile = false;
};
OptionList describe(DreamOptions& options);

// Draws what layers see into a picture.
Report run(const Context& context, const DreamOptions& options);
Command dream_command();

// The layer of a network that is dreamt of where none is named: inception_4c/output of GoogLeNet, else the last but one
// group of maps. Throws Error{usage} where there are no maps.
std::string dream_layer(const Model& model);

}  // namespace fovea
