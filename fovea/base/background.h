// Threads that work beside the parallel loops of fovea/base/parallel.h.
#pragma once

namespace fovea {

// Called first by a thread that is started to work in the background. It may run on every core that the process was
// given when it started, whatever bind_threads did to the thread that started this one; and the parallel loops it comes
// to (in resizing, say) run inline, so that it never brings a second team of threads into being.
void enter_background_thread();

}  // namespace fovea
