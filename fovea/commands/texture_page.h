// The pages of `texture`: of one picture, and of the plate of --layers all.
#pragma once

#include <string>
#include <vector>

#include "fovea/commands/picture_record.h"
#include "fovea/commands/picture_run.h"
#include "fovea/commands/texture.h"

namespace fovea {

// A tileable one is also shown two times two.
std::string texture_page(const TextureOptions& options, const TextureSettings& settings, const PictureRecord& record,
                         const Image& source, const Image& made, const PictureRunResult& result,
                         const PictureSynthesis& synthesis);

// One rung of the plate: the picture and the losses on the way to it.
struct TextureRung {
  std::string name;
  Image picture;
  std::vector<double> losses;  // before each step
  bool finished = false;
};
std::string ladder_page(const TextureOptions& options, const TextureSettings& settings, const PictureRecord& record,
                        const Image& plate, const std::vector<TextureRung>& rungs, double seconds);

}  // namespace fovea
