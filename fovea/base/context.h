// What a long-running call is given by its caller: where messages and progress go, whether to stop, and the seed.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>

namespace fovea {

struct Progress {
  std::string_view what;  // "training", "decoding"
  int64_t done = 0;
  int64_t total = 0;        // 0: unknown
  std::string_view detail;  // "loss 0.31", may be empty
};

struct Context {
  std::function<void(std::string_view)> log;      // notes for a person; may be empty
  std::function<void(const Progress&)> progress;  // may be empty
  std::atomic<bool>* cancel = nullptr;            // set by Ctrl-C; long loops look at it
  uint64_t seed = 0;

  void note(std::string_view message) const {
    if (log) log(message);
  }
  void report(const Progress& p) const {
    if (progress) progress(p);
  }
  bool cancelled() const { return cancel && cancel->load(std::memory_order_relaxed); }
};

}  // namespace fovea
