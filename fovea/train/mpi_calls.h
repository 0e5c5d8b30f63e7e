/* What the program and the module that is linked against MPI say to each other: plain C, so that the module needs
   nothing of the program and the program nothing of MPI. All calls come from one thread. */
#pragma once

#include <cstdint>

extern "C" {

enum FoveaMpiKind { kFoveaMpiSumF32 = 0, kFoveaMpiSumF64 = 1, kFoveaMpiBroadcast = 2, kFoveaMpiBarrier = 3 };

struct FoveaMpiCalls {
  int version; /* kFoveaMpiVersion of the header that the module was built with */
  /* The functions return 0, or a number that error_text explains. */
  int (*open)(int* rank, int* size);
  /* Begins a collective call over all ranks, in place; count: elements (sums) or bytes (broadcast), below 2^31. The
     request is a number to be asked about with test(). */
  int (*start)(int kind, void* data, int64_t count, int root, int* request);
  int (*test)(int request, int* done);
  int (*close)();
  void (*abort)(int code); /* ends all ranks */
  void (*error_text)(int error, char* text, int size);
  const char* (*library)(); /* "Open MPI v4.1.4" */
};

constexpr int kFoveaMpiVersion = 1;
typedef const FoveaMpiCalls* (*FoveaMpiEntry)();

} /* extern "C"; the module exports fovea_mpi_calls, a FoveaMpiEntry */
