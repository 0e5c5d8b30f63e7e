// The only file that knows MPI: a shared module of its own, loaded when the program runs under mpirun, so that nobody
// else pays for loading libmpi. Source: MPI-3.1, sections 5.12 (nonblocking collectives) and 12.4 (threads).
#include <mpi.h>

#include <vector>

#include "fovea/train/mpi_calls.h"

namespace {

std::vector<MPI_Request> requests;  // by number
std::vector<int> unused;            // numbers to be given out again
char library_text[MPI_MAX_LIBRARY_VERSION_STRING];

int open_group(int* rank, int* size) {
  int provided = 0;
  if (const int error = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided); error != MPI_SUCCESS)
    return error;
  if (provided < MPI_THREAD_FUNNELED) return MPI_ERR_OTHER;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (const int error = MPI_Comm_rank(MPI_COMM_WORLD, rank); error != MPI_SUCCESS) return error;
  return MPI_Comm_size(MPI_COMM_WORLD, size);
}

int start(int kind, void* data, int64_t count, int root, int* request) {
  if (unused.empty()) {
    unused.push_back(static_cast<int>(requests.size()));
    requests.push_back(MPI_REQUEST_NULL);
  }
  *request = unused.back();
  unused.pop_back();
  MPI_Request& target = requests[static_cast<size_t>(*request)];
  const int n = static_cast<int>(count);
  switch (kind) {
    case kFoveaMpiSumF32: return MPI_Iallreduce(MPI_IN_PLACE, data, n, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &target);
    case kFoveaMpiSumF64: return MPI_Iallreduce(MPI_IN_PLACE, data, n, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD, &target);
    case kFoveaMpiBroadcast: return MPI_Ibcast(data, n, MPI_BYTE, root, MPI_COMM_WORLD, &target);
    default: return MPI_Ibarrier(MPI_COMM_WORLD, &target);
  }
}

int test(int request, int* done) {
  const int error = MPI_Test(&requests[static_cast<size_t>(request)], done, MPI_STATUS_IGNORE);
  if (error == MPI_SUCCESS && *done) unused.push_back(request);
  return error;
}

int close_group() { return MPI_Finalize(); }

void abort_group(int code) { MPI_Abort(MPI_COMM_WORLD, code); }

void error_text(int error, char* text, int size) {
  char whole[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(error, whole, &length);
  int i = 0;
  for (; i < length && i + 1 < size; ++i) text[i] = whole[i];
  if (size > 0) text[i] = 0;
}

const char* library() {
  int length = 0;
  MPI_Get_library_version(library_text, &length);
  for (int i = 0; i < length; ++i)
    if (library_text[i] == ',' || library_text[i] == '\n') library_text[i] = 0;
  return library_text;
}

const FoveaMpiCalls calls = {kFoveaMpiVersion, open_group, start, test, close_group, abort_group, error_text, library};

}  // namespace

extern "C" const FoveaMpiCalls* fovea_mpi_calls() { return &calls; }
