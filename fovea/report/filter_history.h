// How the first layer's filters come to be: sheets of them at several moments of a training run.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/model/model.h"

namespace fovea {

// All filters of the first convolution as one picture (see filter_images), each weight a square of pixels; nothing when
// the network has no convolution.
std::optional<Image> filter_sheet(const Model& model);

struct FilterSheet {
  double epoch = 0;
  Image image;
};

// Writes a sheet as `folder`/NNNN.png (NNNN: its step, at least four digits); the epoch stands in the file's text.
// Makes the folder. Throws Error{io}.
void write_filter_sheet(const std::filesystem::path& folder, int64_t step, const FilterSheet& sheet);

// At most `most` of the sheets in a folder, in the order of their steps: the first, the last, and others evenly between
// them. `found` is set to how many there are; none for a folder that does not exist. Those after `last_step` are passed
// over. Throws Error{format} for files named so that are no pictures.
std::vector<FilterSheet> read_filter_sheets(const std::filesystem::path& folder, size_t most, size_t& found,
                                            int64_t last_step = INT64_MAX);
// Deletes the sheets of later steps: for resuming.
void remove_filter_sheets_after(const std::filesystem::path& folder, int64_t step);

// One figure: the sheets below one another, their epochs to the left.
Image filter_history(const std::vector<FilterSheet>& sheets);

}  // namespace fovea
