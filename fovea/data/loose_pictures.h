// Pictures without labels: whatever a person points at.
#pragma once

#include <memory>
#include <string>

#include "fovea/data/dataset.h"
#include "fovea/data/open_dataset.h"

namespace fovea {

// A picture's file, or a folder that holds pictures: those directly in it, by name (links are followed); where it holds
// no pictures but folders and data sets, and for every other name, what open_data opens: mnist, cifar10, drawn:glyphs,
// a folder of class folders, an archive. A picture is read when it is got and may then turn out to be broken.
// Throws Error{usage} for a folder that holds nothing at all, and what open_data throws.
std::unique_ptr<Dataset> open_pictures(const std::string& name, const DatasetOptions& options = {});

}  // namespace fovea
