#include "fovea/base/parallel.h"

#include <sched.h>

#include <vector>

namespace fovea {

#ifdef _OPENMP
namespace {
const int default_count = omp_get_max_threads();
}

int thread_count() { return omp_get_max_threads(); }

void set_thread_count(int count) { omp_set_num_threads(count > 0 ? count : default_count); }

void bind_threads() {
  if (thread_count() == 1)
    return;  // one thread has nothing to be kept apart from, and others may sit on the first core
  cpu_set_t inherited;
  if (sched_getaffinity(0, sizeof inherited, &inherited) != 0) return;
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &inherited)) cores.push_back(core);
  if (static_cast<int>(cores.size()) < thread_count()) return;
#pragma omp parallel
  {
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(cores[static_cast<size_t>(omp_get_thread_num())], &own);
    sched_setaffinity(0, sizeof own, &own);
  }
}
#else
int thread_count() { return 1; }
void set_thread_count(int) {}
void bind_threads() {}
#endif

}  // namespace fovea
