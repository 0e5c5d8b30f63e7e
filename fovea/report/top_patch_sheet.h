// The patches that excite units most, as the plate of Zeiler & Fergus.
#pragma once

#include <string>
#include <vector>

#include "fovea/data/dataset.h"
#include "fovea/image/image.h"
#include "fovea/insight/top_patches.h"

namespace fovea {

struct TopPatchSheetOptions {
  int tile = 0;        // pixels a patch; 0: as suits
  int columns = 0;     // units a row; 0: as suits
  bool plain = false;  // no numbers below the units
};

// A square block of patches a unit, the strongest at its top left, then along the rows; below it the unit's number and
// its greatest value. All patches are drawn to one scale: small fields enlarged by whole pixels, large ones reduced;
// where a patch is cut off at its picture's edge, the missing part is grey. A unit that was never above 0 is said to
// be. Each picture is read once, whatever the number of units that it excites. After figure 2 of M. Zeiler & R. Fergus,
// "Visualizing and understanding convolutional networks", ECCV 2014. Throws Error{usage} for a sheet that is too large
// and what reading a picture throws.
Image top_patch_sheet(const TopPatches& found, const Dataset& data, const Preprocess& how,
                      const TopPatchSheetOptions& options = {});

}  // namespace fovea
