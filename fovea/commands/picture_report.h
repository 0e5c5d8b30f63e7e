// The page that commands write about a picture they made: --report and --open, and what a run says of itself on it.
#pragma once

#include <string>

#include "fovea/commands/picture_record.h"
#include "fovea/commands/picture_run.h"
#include "fovea/report/picture_page.h"

namespace fovea {

// --report FILE.html and --open.
OptionList page_options(std::string& report, bool& open);

// Throws before long work is done for it: Error{usage} for --open without --report or a name that does not end in .html
// or .htm, WriteError where no such file can be made.
void require_page(const std::string& report, bool open);

// Writes the page, where a file is named for it. Throws as write_file.
void write_page(const std::string& report, const std::string& html);
// Lists the page among the report's files and in its text, and opens it where that is asked for.
void add_page(const Context& context, Report& text, const std::string& report, bool open);

// Big numbers, curves of the loss and its terms over all steps, tables of terms and sizes, and how a run that was
// stopped goes on.
void add_run(PicturePage& page, const PictureRunResult& result, const PictureSynthesis& synthesis);

// The rows of the settings that every picture has: network, hash, seed, threads, version; the line that makes it again
// with `output` for a name, and the footer.
void add_record(PicturePage& page, const PictureRecord& record, const std::string& output);

// "0.015", "1e+06".
std::string setting(double value);

}  // namespace fovea
