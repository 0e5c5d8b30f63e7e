// Choosing between implementations by measuring once and remembering.
#include <algorithm>
#include <chrono>
#include <fstream>
#include <mutex>
#include <unordered_map>

#include "fovea/base/cache_folder.h"
#include "fovea/base/memory.h"
#include "fovea/compile/plan.h"
#include "fovea/compile/tune.h"

namespace fovea {

namespace {

using Clock = std::chrono::steady_clock;

class Cache {
 public:
  Cache() {
    const std::filesystem::path path = tuning_file();
    if (path.empty()) return;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
      if (const size_t tab = line.find('\t'); tab != std::string::npos)
        entries_[line.substr(tab + 1)] = line.substr(0, tab);
  }
  const std::string* find(const std::string& key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second;
  }
  // Kept for this process at once; appended to the file as one line, so that concurrent processes do not lose each
  // other's entries.
  void remember(const std::string& key, const std::string& implementation) {
    entries_[key] = implementation;
    const std::filesystem::path path = tuning_file();
    if (path.empty()) return;
    std::error_code ignored;
    std::filesystem::create_directories(path.parent_path(), ignored);
    std::ofstream(path, std::ios::app) << implementation + '\t' + key + '\n'
                                       << std::flush;  // a cache that cannot be written only costs time
  }

 private:
  std::unordered_map<std::string, std::string> entries_;
};

Cache& cache() {
  static Cache the_cache;
  return the_cache;
}

std::mutex cache_lock;

// Seconds of the fastest of some runs.
double measure(const Lowering& lowering, std::span<const Type> types) {
  std::vector<Block> blocks;
  std::vector<std::byte*> in, out;
  for (size_t i = 0; i < lowering.inputs.size(); ++i) {
    const size_t bytes = lowering.inputs[i].bytes;
    in.push_back(blocks.emplace_back(bytes).data());
    // Untouched memory is one shared page of zeros, and reads faster than real data. This byte makes small floats.
    if (types[i].dtype == DType::f32 && bytes > 0) std::memset(in.back(), 0x3C, bytes);
  }
  for (const Layout& layout : lowering.outputs) out.push_back(blocks.emplace_back(layout.bytes).data());
  const Block scratch(lowering.scratch);
  const Buffers buffers{in, out, scratch.data()};
  lowering.run(buffers);  // first touch
  double best = 1e30, total = 0;
  for (int run = 0; run < 6 && (run < 2 || total < 0.015); ++run) {
    const auto start = Clock::now();
    lowering.run(buffers);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

}  // namespace

std::filesystem::path tuning_file() {
  const std::filesystem::path folder = cache_folder();
  return folder.empty() ? folder : folder / "tuning.txt";
}

size_t choose_fastest(const Answer& answer, std::span<const Type> types, const std::string& key) {
  const std::scoped_lock lock(cache_lock);
  std::string full = key;
  for (const Lowering& choice : answer.choices) full += " | " + choice.implementation;
  if (const std::string* known = cache().find(full))
    for (size_t i = 0; i < answer.choices.size(); ++i)
      if (answer.choices[i].implementation == *known) return i;
  // What follows reads the result, padding and all: the larger one has to be faster by about what that costs.
  constexpr double kBytesPerSecond = 20e9;
  std::vector<double> bytes;
  for (const Lowering& choice : answer.choices) {
    bytes.push_back(0);
    for (const Layout& layout : choice.outputs) bytes.back() += static_cast<double>(layout.bytes);
  }
  const double least = *std::min_element(bytes.begin(), bytes.end());
  // In turns, so that what disturbs the machine for a while does not fall upon one of them alone.
  std::vector<double> seconds(answer.choices.size(), 1e30);
  for (int turn = 0; turn < 2; ++turn)
    for (size_t i = 0; i < seconds.size(); ++i) seconds[i] = std::min(seconds[i], measure(answer.choices[i], types));
  for (size_t i = 0; i < seconds.size(); ++i) seconds[i] += (bytes[i] - least) / kBytesPerSecond;
  const auto best = static_cast<size_t>(std::min_element(seconds.begin(), seconds.end()) - seconds.begin());
  cache().remember(full, answer.choices[best].implementation);
  return best;
}

}  // namespace fovea
