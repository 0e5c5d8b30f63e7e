// Whatever names a set where DATA is expected → Dataset.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fovea/data/dataset.h"
#include "fovea/data/open_dataset.h"

namespace fovea {

// Opens the set of a name, with options behind '?' or '#', joined by '&':
//   path               a file or folder, see open_dataset; #label=NAME and #header=yes|no for tables in text
//   builtin:NAME       iris (150 flowers, 4 measures, 3 species), faithful (272 eruptions of a geyser, 2 measures)
//   drawn:NAME         shapes, glyphs, spirals, xor, rings, blobs, moons; ?count=N&seed=N, and size= (shapes, glyphs),
//                      vary= (glyphs), noise= (all but shapes), turns= and arms= (spirals). Splits are other draws.
//   mnist, cifar10 …   what `fovea fetch` has brought to this machine
// With #test=SHARE (and seed=N) a set without splits of its own is divided, every class alike: the split "train" is
// 1 - SHARE of it, any other the rest. A file or folder of that very name goes before its reading as a name with
// options. Throws Error{usage} for an unknown name or option and one out of range, and what open_dataset throws.
std::unique_ptr<Dataset> open_data(const std::string& name, const DatasetOptions& options = {});

// "builtin:iris", "drawn:spirals" and the others, for messages and help.
const std::vector<std::string>& data_names();

// Whether "train" and "test" of a name are both there and hold other samples; false for a lone file or a folder without
// splits. For a training run that needs samples to test on. Opens both, and throws what that throws but for what is
// missing.
bool has_splits(const std::string& name);

}  // namespace fovea
