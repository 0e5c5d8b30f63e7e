// A dream that was interrupted, as a file to go on from: OUT.state beside the picture.
#pragma once

#include <string>
#include <vector>

#include "fovea/insight/dream.h"

namespace fovea {

struct DreamState {
  int64_t frame = 0;  // of a zoom
  Tensor picture;     // what that frame was begun with, [1,C,H,W]; empty: frame 0, the picture that was given
  DreamPoint point;
  int64_t tile = 0;                // the tiles that memory asked for
  std::string network, settings;   // what the run depends on: weights_hash(), settings_text()
  std::vector<std::string> plans;  // of the programs compiled so far
};

// Throws as write_checkpoint.
void write_dream_state(const DreamState& state, const std::string& file);
// Throws as read_checkpoint, and Error{format} for the state of something else.
DreamState read_dream_state(const std::string& file);

}  // namespace fovea
