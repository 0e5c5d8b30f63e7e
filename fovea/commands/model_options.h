// Options that several commands share: which model, what it means, and how it is computed.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/commands/command.h"
#include "fovea/compile/program.h"
#include "fovea/model/model.h"

namespace fovea {

struct ModelOptions {
  std::string model;
  std::string weights, architecture, prototxt;
  std::string preprocess, labels, mean;
  int64_t size = 0;
  double crop = 0;
  bool keep_half = false;  // set by commands, not by an option: as OpenOptions::keep_half
};
OptionList describe(ModelOptions& options);

struct EngineOptions {
  std::string backend = "cpu";  // cpu, reference
  bool exact = false, bf16 = false;
  std::string tune = "on";
  int64_t level = 3;
};
OptionList describe(EngineOptions& options);

// Reads the model and completes its meaning; what had to be assumed is noted. A name of the zoo ("resnet50", where
// there is no such file) is that network with fetched weights, else, as "zoo:resnet50", with random ones; the folder of
// a training run is the network that it has made so far (train/run_model.h). Throws what reading throws, and Error{io}
// for a missing file, with the name that was perhaps meant.
Model open(const Context& context, const ModelOptions& options);
// What --mean says, applied and noted; nothing without it.
void take_mean(const Context& context, Model& model, const ModelOptions& options);

// A program with the backend that it came from.
struct Engine {
  explicit Engine(const EngineOptions& options);
  std::unique_ptr<Backend> own;
  Backend* backend;
  CompileOptions compile_options;
  Program compile(const Model& model, std::span<const Value> wants) const;
  // The same, taking the weights out of the model: they are let go one by one as they are prepared.
  Program compile_only(Model& model, std::span<const Value> wants) const;
};

// A program that is only timed, with random inputs in place, and the work of a run in flops. Inference, or, where
// `train`, one training step with momentum. Lets go of the model's weights.
struct TimedProgram {
  Program program;
  double flops = 0;
};
TimedProgram timed_program(const Engine& engine, Model& model, bool train, uint64_t seed);

// Random inputs for a model that is only timed: uniform in [-1, 1).
std::map<std::string, Tensor> random_feeds(const Graph& graph, uint64_t seed);

// Paths of pictures: files as they are, folders as the pictures in them by name. Throws Error{io} for a missing path
// (with the nearest name) and Error{usage} for a folder without pictures.
std::vector<std::filesystem::path> picture_paths(const std::vector<std::string>& arguments);

// Throws Error{io} when there is no such file: says what is there instead.
void require_file(const std::filesystem::path& path, std::string_view what);

// Throws WriteError when a folder of that name can be neither used nor made, before long work is done for it, and
// Error{usage} for an empty name. Nothing is made.
void require_writable_folder(const std::filesystem::path& path);

// Makes a folder for results. Throws Error{io} when that cannot be.
void make_folder(const std::filesystem::path& path);

// VmHWM: the most memory that this process has held, in bytes.
size_t peak_memory();

// One page of JSON text; broken UTF-8 in names is replaced.
std::string json_text(const nlohmann::ordered_json& value);

}  // namespace fovea
