// The processes (or threads) that work on one thing together: sums over all of them, started and waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace fovea {

// One member's side of a group of `size` ranks. Every rank makes the same calls in the same order; each is matched with
// the other ranks' calls of the same number. A member is used by one thread at a time. When a rank has left, or the
// ranks' calls do not match, start and wait throw Error{io} naming it, on every rank that needed it.
class Group {
 public:
  // Something that goes on; valid for one wait().
  using Ticket = uint64_t;

  virtual ~Group();
  virtual int rank() const = 0;  // 0 … size − 1
  virtual int size() const = 0;

  // Begins to replace each element by its sum over all ranks and returns at once; until wait() has returned, the memory
  // is the group's. All ranks get the same bits, and the same group the same bits each time.
  virtual Ticket start_sum(std::span<float> values) = 0;
  virtual Ticket start_sum(std::span<double> values) = 0;
  // Begins to copy the root's bytes to all others.
  virtual Ticket start_broadcast(std::span<std::byte> bytes, int root) = 0;
  // Begins to wait for all ranks to come here.
  virtual Ticket start_barrier() = 0;
  virtual void wait(Ticket ticket) = 0;

  // This rank cannot go on: the others' calls fail from now on (under mpirun: all of them are ended, and this call
  // does not return; mpirun then exits with `code`). Called after the reason has been said.
  virtual void leave(int code) noexcept = 0;

  void sum(std::span<float> values) { wait(start_sum(values)); }
  void sum(std::span<double> values) { wait(start_sum(values)); }
  void broadcast(std::span<std::byte> bytes, int root = 0) { wait(start_broadcast(bytes, root)); }
  void barrier() { wait(start_barrier()); }
  // The sum of one number.
  double sum_of(double value);
  // Whether any rank says so: how all stop at the same step.
  bool any(bool mine) { return sum_of(mine ? 1 : 0) > 0; }
  // Whether all ranks hold the same 64 bits: a digest of what should be equal everywhere.
  bool agree(uint64_t digest);
};

// This process alone.
std::unique_ptr<Group> single_group();

// Members of one group, each to be used by a thread of its own. Sums go from rank 0 upwards. A member that is destroyed
// has left. Throws Error{usage} unless 1 ≤ count ≤ 256.
std::vector<std::unique_ptr<Group>> thread_groups(int count);

}  // namespace fovea
