// One parallel region for a whole kernel: a team of threads that each do their part and may wait for each other.
#pragma once

#include <cstdint>

#include "fovea/base/parallel.h"

namespace fovea::kernels {

// Calls body(part, team) once in each of at most `threads` threads, part = 0..team−1. Inside another parallel region
// the team is 1.
template <class Body>
void in_team(int threads, const Body& body) {
#ifdef _OPENMP
  const int most = threads < thread_count() ? threads : thread_count();
  if (most > 1 && !omp_in_parallel()) {
#pragma omp parallel num_threads(most)
    body(static_cast<int64_t>(omp_get_thread_num()), static_cast<int64_t>(omp_get_num_threads()));
    return;
  }
#endif
  static_cast<void>(threads);
  body(int64_t{0}, int64_t{1});
}

// Waits until all of the team are here. Only from inside in_team.
inline void team_barrier(int64_t team) {
  if (team <= 1) return;
#ifdef _OPENMP
#pragma omp barrier
#endif
}

}  // namespace fovea::kernels
