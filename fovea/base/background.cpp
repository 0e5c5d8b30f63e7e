#include "fovea/base/background.h"

#include <sched.h>

#include "fovea/base/parallel.h"

namespace fovea {

namespace {

struct StartMask {
  cpu_set_t cores;
  bool known = false;
  StartMask() { known = sched_getaffinity(0, sizeof cores, &cores) == 0; }
};
const StartMask start_mask;  // read before main, so before any thread is bound

}  // namespace

void enter_background_thread() {
  if (start_mask.known) sched_setaffinity(0, sizeof start_mask.cores, &start_mask.cores);
  set_thread_count(1);  // of this thread's own loops: OpenMP keeps the number for each thread
}

}  // namespace fovea
