// The group of processes that mpirun has started, over MPI. Optional: it needs the module fovea_mpi.so, which is built
// where MPI is found, and loaded only under mpirun.
#pragma once

#include <memory>
#include <string>

#include "fovea/base/group.h"

namespace fovea {

// What mpirun (Open MPI's) says in the environment about this process.
struct Launch {
  int rank = 0, size = 1;              // of all
  int local_rank = 0, local_size = 1;  // among those on this machine
};
// One process where nothing is said.
Launch launch();

// The group that this process was started in: over MPI when mpirun has started several, else this process alone (and
// MPI is not touched). At most once a process. Throws Error{unsupported} where the module is not there, Error{io} when
// MPI does not start.
//
// A member that is destroyed while an exception goes through does not take its leave: the program then ends with an
// exit code that tells mpirun to end the others.
std::unique_ptr<Group> launched_group();

// Takes this process's share of the machine's cores for it alone, when mpirun has started several on one machine and
// has not bound them itself: local rank r of L gets cores r·C/L … (r + 1)·C/L. Called before the first parallel loop.
// Returns how many threads suit that share, or 0 where nothing was taken or OMP_NUM_THREADS says.
int take_share_of_cores();

// "Open MPI module next to the program" or why there is none: for `fovea doctor`. Loads nothing.
std::string mpi_availability();

}  // namespace fovea
