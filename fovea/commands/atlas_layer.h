// How one layer of an atlas is made: what its units answer to, what they are used for, and a picture for each.
#pragma once

#include <filesystem>
#include <memory>

#include "fovea/commands/atlas.h"
#include "fovea/data/dataset.h"
#include "fovea/insight/class_use.h"
#include "fovea/insight/top_patches.h"
#include "fovea/report/atlas_record.h"

namespace fovea {

// What all layers of an atlas are made from.
struct AtlasSource {
  const AtlasOptions& options;
  const Model& model;
  const Engine& engine;
  const Dataset* pictures = nullptr;  // null: none were given
  std::vector<Value> values;          // of the layers
  std::vector<AtlasLayer> layers;     // their names; no units yet
  std::filesystem::path folder;
};

// Writes the record of a layer into the atlas's folder, whole or not at all.
void write_atlas_layer(const AtlasSource& source, const AtlasLayer& layer);

// Fills in all units of a layer but their maxima: statistics, plates of patches and projections, filters, connections.
// `use` may be null. Throws Error{usage} when the context is cancelled.
void add_answers(const Context& context, const AtlasSource& source, size_t index, const TopPatches* found,
                 const ClassUse* use, AtlasLayer& layer);

// Makes the pictures of those units that have none, some at a time, and writes the record after each time.
void add_maxima(const Context& context, const AtlasSource& source, size_t index, AtlasLayer& layer);

}  // namespace fovea
