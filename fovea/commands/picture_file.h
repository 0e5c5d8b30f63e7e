// The picture that a command writes.
#pragma once

#include <string>

#include "fovea/commands/command.h"
#include "fovea/image/image.h"

namespace fovea {

// Throws before long work is done for it: WriteError where no such file can be made (its folder is missing, it is a
// folder), Error{usage} for an ending that is none of a picture. An empty name is fine: nothing is to be written.
void require_picture_output(const std::string& path);

// Writes the picture, if there is a name for it, and notes it in the report: its files, a line of text, "output".
// `caption` becomes the PNG's text.
void write_picture(Report& report, nlohmann::ordered_json& json, const std::string& path, const Image& picture,
                   const std::string& caption);

}  // namespace fovea
