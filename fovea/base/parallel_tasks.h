// A parallel loop over pieces of work that take unlike times and may fail: reading files, decoding pictures.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>

#include "fovea/base/parallel.h"

namespace fovea {

// Calls body(i) once for every i in [0, count); a thread that is done takes the next i. What a body throws is caught:
// pieces that were begun are finished, no more are begun, and the exception of the smallest i that failed is thrown
// again, whatever the number of threads.
template <class Body>
void parallel_tasks(int64_t count, const Body& body) {
  std::atomic<int64_t> next{0}, failed{count};
  std::exception_ptr error;
  std::mutex lock;
  const auto work = [&] {
    for (int64_t i = next++; i < failed.load(); i = next++) {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard guard(lock);
        if (i >= failed.load()) continue;
        failed = i;
        error = std::current_exception();
      }
    }
  };
  const int64_t workers = std::min<int64_t>(count, thread_count());
  parallel_ranges(workers, 1, [&](int64_t, int64_t) { work(); });
  if (error) std::rethrow_exception(error);
}

}  // namespace fovea
