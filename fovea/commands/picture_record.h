// What a picture that fovea made says of itself: the command that makes it again, and what that depends on.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "fovea/base/bytes.h"
#include "fovea/commands/command_line.h"
#include "fovea/commands/model_options.h"
#include "fovea/image/codec.h"

namespace fovea {

// Nothing of the machine is in it but what was typed, and how each layer was computed (`plans`).
struct PictureRecord {
  std::vector<std::string> command;  // its name and arguments, see arguments_of
  uint64_t seed = 0;
  std::string model;                                        // the network's name
  std::string model_hash;                                   // weights_hash() of it
  std::vector<std::pair<std::string, std::string>> inputs;  // files that were read, as they were named: SHA-256
  int threads = 1;
  std::string version;             // of fovea
  std::string part;                // the file's name among several that the command writes with --save; empty: --output
  std::vector<std::string> plans;  // of the programs that were compiled, see compile/plan_book.h
};

// SHA-256 over all weights: names in order, types, shapes, bytes. Equal for equal numbers, whatever file they lie in.
std::string weights_hash(const Weights& weights);

// --plan: for commands that make pictures.
OptionList plan_option(std::string& plan);
// The plans in the picture that --plan names; none without it.
std::vector<std::string> plans_to_follow(const std::string& plan);

// The record of a command's work; to be made when all of it is done: the plans are those of the open PlanBook.
// `inputs`: the files that were read, as they were named; empty names are left out. The model's own file and those of
// its options are added.
PictureRecord picture_record(std::string command, std::vector<std::string> arguments, uint64_t seed, const Model& model,
                             const ModelOptions& named, const std::vector<std::string>& inputs);
// The same from the typed options, which `describe(Options&)` describes and which have `model` and `seed`.
template <class Options>
PictureRecord picture_record(std::string command, const Options& options, const Model& model,
                             const std::vector<std::string>& inputs = {}) {
  Options given = options, defaults;
  return picture_record(std::move(command), arguments_of(describe(given), describe(defaults)),
                        static_cast<uint64_t>(options.seed), model, options.model, inputs);
}

// The line that makes the picture again, for a person to type.
std::string command_line(const PictureRecord& record);

// The texts for the PNG: Software, Description (`caption`), Comment (the line), "fovea" (the record as JSON) and
// "fovea plans".
TextPairs record_text(const PictureRecord& record, const std::string& caption, const std::string& part = "");

// The record in a PNG. Throws Error{format} when it is no PNG, or holds none or a damaged one.
PictureRecord read_picture_record(const Bytes& png);

}  // namespace fovea
