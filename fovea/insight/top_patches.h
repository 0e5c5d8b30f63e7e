// What excites each unit of a layer most, in any number of pictures.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/base/context.h"
#include "fovea/compile/program.h"
#include "fovea/data/dataset.h"
#include "fovea/image/image.h"
#include "fovea/model/model.h"
#include "fovea/model/receptive_field.h"

namespace fovea {

// The place in one picture where a unit answers most.
struct TopPatch {
  int64_t sample = 0;      // in the set
  float score = 0;         // the unit's value there
  int64_t y = 0, x = 0;    // position in the unit's map; 0 for a layer without maps
  Interval rows, columns;  // the pixels of the network's input that the unit sees from there
  bool operator==(const TopPatch& other) const {
    return sample == other.sample && score == other.score && y == other.y && x == other.x;
  }
};

// One unit's patches, the strongest first.
struct UnitPatches {
  int64_t unit = 0;
  std::vector<TopPatch> patches;
  double mean_peak = 0;    // mean over the pictures of the unit's greatest value
  double mean_answer = 0;  // the same, values below 0 counted as 0
  int64_t active = 0;      // pictures in which it was above 0 somewhere
};

struct TopPatches {
  std::string layer;
  int64_t channels = 0, height = 1, width = 1;  // of the layer's maps
  int64_t field_height = 0, field_width = 0;    // the largest box of a patch, in pixels of the network's input
  std::vector<UnitPatches> units;               // in the order asked for
  int64_t samples = 0;                          // pictures that were looked at
  int64_t not_finite = 0;                       // pictures in which a unit gave NaN (never taken for a peak)
  std::vector<std::string> skipped;             // one message for each picture that could not be read
};

struct UnitsOfLayer {
  Value layer;
  std::vector<int64_t> units;  // empty: all
};

struct TopPatchOptions {
  int64_t count = 9;        // patches a unit
  int64_t batch = 0;        // pictures computed at once; 0: as many as suit the network's values
  int64_t limit = 0;        // pictures from the first on; 0: all
  bool skip_broken = true;  // pictures that cannot be read are counted and named, otherwise they are errors
  size_t memory = 0;        // bytes of activations and prepared weights: batches shrink to fit; 0: no limit
};

// Shown the pictures of each batch as well: inputs [N,C,H,W], of which the first `count` are pictures.
using PicturesSeen = std::function<void(const Tensor& pictures, int64_t count)>;

// For each unit of the layers the pictures in which its greatest value is highest, each with the place of that value:
// at most one patch a picture, as in M. Zeiler & R. Fergus, "Visualizing and understanding convolutional networks",
// ECCV 2014, section 4 (they show the top 9). All layers are looked at in one pass, in which each picture is read once;
// one result a layer, in their order. The value of a layer is that of its node: put the rectifier's name for rectified
// answers. The box of a patch is exactly what the unit sees from its place (model/unit_fields.h), cut off where the
// picture ends; a layer without maps sees the whole input. Memory is taken for `count` patches a unit and one batch
// of pictures, whatever their number. Of equal values the earlier picture goes first, and within a picture the first
// place in rows. The result does not depend on the number of threads, and on the batch only in how the
// algorithms round that were chosen for it.
// Throws Error{usage}: a layer that is no [N,C], [N,C,H,W], a unit that is not there, a set of numbers, an empty set,
// a network that takes no picture, one picture that needs more than the memory, and when the context is cancelled;
// Error{format} when no picture can be read.
std::vector<TopPatches> top_patches(const Context& context, const Model& model, std::span<const UnitsOfLayer> wanted,
                                    const Dataset& data, Backend& backend, const CompileOptions& compile_options = {},
                                    const TopPatchOptions& options = {}, const PicturesSeen& also = {});
// Of one layer; `units` empty: all.
TopPatches top_patches(const Context& context, const Model& model, Value layer, const Dataset& data, Backend& backend,
                       const CompileOptions& compile_options = {}, const TopPatchOptions& options = {},
                       const std::vector<int64_t>& units = {});

// The pixels of a patch, cut out of its picture as the network saw it (fitted and cropped, before normalisation).
// Reads the picture anew.
Image patch_image(const Dataset& data, const TopPatch& patch, const Preprocess& how);

}  // namespace fovea
