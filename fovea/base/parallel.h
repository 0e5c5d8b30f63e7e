// Parallel loops over the process's OpenMP threads (the same team that oneDNN uses, so the two never compete).
#pragma once

#include <algorithm>
#include <cstdint>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace fovea {

// Threads used by parallel loops and by oneDNN. set_thread_count(0) means what the environment says (OMP_NUM_THREADS)
// or all cores.
int thread_count();
void set_thread_count(int count);

// Binds each OpenMP worker to one core of the CPU mask the process inherited, from inside a parallel region. For
// programs, never for the library on its own. Does nothing when the mask has fewer cores than there are threads,
// nor for one thread.
void bind_threads();

// Calls body(begin, end) on contiguous, nearly equal parts of [0, count), one part a thread. The partition depends only
// on count, grain and the number of threads. Runs inline when count <= grain.
template <class Body>
void parallel_ranges(int64_t count, [[maybe_unused]] int64_t grain, const Body& body) {
  if (count <= 0) return;
#ifdef _OPENMP
  const int64_t parts = std::min<int64_t>(thread_count(), (count + grain - 1) / std::max<int64_t>(grain, 1));
  if (parts > 1 && !omp_in_parallel()) {
#pragma omp parallel num_threads(static_cast <int>(parts))
    {
      const int64_t part = omp_get_thread_num();
      const int64_t team = omp_get_num_threads();
      body(count * part / team, count * (part + 1) / team);
    }
    return;
  }
#endif
  body(int64_t{0}, count);
}

// Calls body(i) for every i in [0, count), parts of at least `grain` consecutive i a thread.
template <class Body>
void parallel_for(int64_t count, int64_t grain, const Body& body) {
  parallel_ranges(count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
}

}  // namespace fovea
