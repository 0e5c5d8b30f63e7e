// Which network textures and styles are told by, and what the commands texture and style share besides.
#pragma once

#include "fovea/commands/model_options.h"
#include "fovea/commands/picture_record.h"
#include "fovea/commands/picture_run.h"

namespace fovea {

// The options of a model that the commands texture and style have, the model's name as --model.
OptionList describe_style_model(ModelOptions& options);

// The network that --model names ("random-filters": model/random_filters.h); without a name VGG-19 where `fovea fetch`
// keeps it or below FOVEA_DATA, else random filters, saying what would be better and how it is had.
Model style_model(const Context& context, const ModelOptions& options);

// --memory as bytes, whole MiB; where nothing is said, what a state (--resume) was begun with, or else 70 % of what is
// free. 0, which is no limit, for a picture that is made again by its plan (--plan) and does not say it: such a picture
// was made in one piece, and is to be so again whatever is free now.
size_t memory_limit(const std::string& text, const std::string& resume = "", const std::string& plan = "");
// Throws Error{usage} where a picture that is to be made again in one piece takes more than is free: `limit` 0 is
// memory_limit's. `size`: of the picture, for the message.
void require_room(size_t limit, size_t need, const std::string& size);
// The same as --memory is typed: for the record of a picture whose tiles were chosen by what was free.
std::string memory_text(size_t limit);

// Reads a picture to work on; notes that alpha is dropped.
Image read_picture(const Context& context, const std::string& file, const std::string& what);

// The plans to follow: those of a picture that is made again (--plan), those of a state, or none.
std::vector<std::string> plans_for(const std::string& plan, const std::string& resume);

// What a run depends on, as lines: the command, and the SHA-256 of each file.
std::string settings_text(const std::vector<std::string>& command, const std::vector<std::string>& files);

// Writes a picture that has a record, as a PNG's texts or a TIFF's description. `unfinished`: see PictureRun::Write;
// such a picture says what it is, and nothing of how to make it again, which would give the whole one.
void write_recorded(const std::string& file, const Image& picture, PictureRecord record,
                    const std::vector<std::string>& plans, const std::string& caption,
                    const std::string& unfinished = "");

// Losses of the run for --json.
nlohmann::ordered_json run_json(const PictureRunResult& result, const PictureSynthesis& synthesis);

}  // namespace fovea
