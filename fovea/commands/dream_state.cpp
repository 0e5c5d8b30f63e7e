#include "fovea/commands/dream_state.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/base/parallel.h"
#include "fovea/train/checkpoint.h"

namespace fovea {

namespace {

constexpr const char* kDream = "dream";

Tensor doubles(const std::vector<double>& values) {
  return Tensor::of<double>({static_cast<int64_t>(values.size())}, values);
}

// A reader of the checkpoint's parts that names what is missing.
struct Parts {
  const Checkpoint& checkpoint;
  const std::string& file;

  const Tensor& tensor(const std::string& name, DType dtype, int rank) const {
    const auto found = checkpoint.states.find(name);
    require(found != checkpoint.states.end() && found->second.dtype() == dtype && found->second.rank() == rank,
            ErrorKind::format, "{}: the state of the dream has no \"{}\" of {} dimensions", file, name, rank);
    return found->second;
  }
  double number(const std::string& name) const {
    const auto found = checkpoint.numbers.find(name);
    require(found != checkpoint.numbers.end(), ErrorKind::format, "{}: the state of the dream does not say its \"{}\"",
            file, name);
    return found->second;
  }
  int64_t whole(const std::string& name, double most) const {
    const double value = number(name);
    require(value >= 0 && value <= most && value == std::floor(value), ErrorKind::format,
            "{}: the state of the dream says \"{}\" is {}, expected a whole number up to {}", file, name, value, most);
    return static_cast<int64_t>(value);
  }
  std::vector<double> doubles(const std::string& name) const {
    const auto data = tensor(name, DType::f64, 1).data<double>();
    return {data.begin(), data.end()};
  }
};

}  // namespace

void write_dream_state(const DreamState& state, const std::string& file) {
  Checkpoint checkpoint;
  checkpoint.model = state.network;
  checkpoint.recipe = state.settings;
  checkpoint.plan = nlohmann::json{{kDream, state.plans}}.dump();
  checkpoint.threads = thread_count();
  checkpoint.states["levels"] = state.point.levels;
  if (state.picture.count() > 1) checkpoint.states["picture"] = state.picture;
  auto& numbers = checkpoint.numbers;
  numbers = {{"frame", static_cast<double>(state.frame)},
             {"octave", static_cast<double>(state.point.octave)},
             {"step", static_cast<double>(state.point.step)},
             {"tile", static_cast<double>(state.tile)}};
  for (size_t k = 0; k < state.point.octaves.size(); ++k) {
    const DreamOctave& octave = state.point.octaves[k];
    // An empty tensor cannot be written.
    if (!octave.values.empty()) {
      checkpoint.states[fmt::format("values {}", k)] = doubles(octave.values);
      checkpoint.states[fmt::format("gradients {}", k)] = doubles(octave.gradients);
    }
    numbers[fmt::format("height {}", k)] = static_cast<double>(octave.height);
    numbers[fmt::format("width {}", k)] = static_cast<double>(octave.width);
    numbers[fmt::format("tiles {}", k)] = static_cast<double>(octave.tiles);
    numbers[fmt::format("step seconds {}", k)] = octave.step_seconds;
  }
  write_checkpoint(checkpoint, file);
}

DreamState read_dream_state(const std::string& file) {
  const Checkpoint checkpoint = read_checkpoint(file);
  const Parts parts{checkpoint, file};
  DreamState state;
  try {
    state.plans = nlohmann::json::parse(checkpoint.plan).at(kDream).get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception&) { fail(ErrorKind::format, "{}: is no state of a dream", file); }
  state.network = checkpoint.model;
  state.settings = checkpoint.recipe;
  state.frame = parts.whole("frame", 100000);
  state.tile = parts.whole("tile", 1e6);
  if (state.frame > 0) state.picture = parts.tensor("picture", DType::f32, 4);
  DreamPoint& point = state.point;
  point.octave = parts.whole("octave", 63);
  point.step = parts.whole("step", 1e6);
  point.levels = parts.tensor("levels", DType::f32, 4);
  for (int64_t k = 0; k <= point.octave; ++k) {
    DreamOctave octave;
    octave.height = parts.whole(fmt::format("height {}", k), 1e6);
    octave.width = parts.whole(fmt::format("width {}", k), 1e6);
    octave.tiles = parts.whole(fmt::format("tiles {}", k), 1e9);
    octave.step_seconds = parts.number(fmt::format("step seconds {}", k));
    if (checkpoint.states.contains(fmt::format("values {}", k))) {
      octave.values = parts.doubles(fmt::format("values {}", k));
      octave.gradients = parts.doubles(fmt::format("gradients {}", k));
      require(octave.values.size() == octave.gradients.size(), ErrorKind::format,
              "{}: the state of the dream has {} values and {} gradients at octave {}", file, octave.values.size(),
              octave.gradients.size(), k + 1);
    }
    point.octaves.push_back(std::move(octave));
  }
  return state;
}

}  // namespace fovea
