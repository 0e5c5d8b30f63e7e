// The plan of a program while it is being made: physical values (a value in one layout), steps, and where everything
// lies.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/compile/program.h"

namespace fovea {

enum class Residence { arena, state, constant };

// A value of the graph in one layout.
struct Physical {
  std::string name;  // of the node that makes it
  Type type;
  Layout layout;
  Residence residence = Residence::arena;
  std::byte* memory = nullptr;  // final address; for constants and states known early
  bool carried = false;         // a state that a carry overwrites at the end of each run
  // Sharing: this value lies inside `parent` from `offset` on. A root has parent -1.
  int parent = -1;
  size_t offset = 0;
};

struct PlannedStep {
  int node = -1;  // in the optimised graph; -1 for reorders and copies
  std::string name, op;
  Lowering lowering;
  std::vector<int> in, out;  // indices of Physicals, -1 where not given or unused
  std::vector<Refusal> refusals;
  double flops = 0;
  uint32_t zero_in_zero_out = 0;
  bool is_add = false;        // a closed gate's zero lets the other operand through
  bool dropped = false;       // nothing to do: its outputs alias its inputs
  int gate = -1;              // Physical of the gate's boolean, for gate steps
  size_t scratch_offset = 0;  // in the arena
};

struct Plan {
  std::vector<Physical> values;
  std::vector<PlannedStep> steps;
  std::vector<int> wants;
  std::vector<std::pair<int, int>> carries;  // from → to, a state: at the end of a run, `to` holds what `from` holds
  size_t arena_size = 0;

  // The root of a value's storage, and the value's byte offset in it.
  std::pair<int, size_t> root(int value) const {
    size_t offset = 0;
    while (values[static_cast<size_t>(value)].parent >= 0) {
      offset += values[static_cast<size_t>(value)].offset;
      value = values[static_cast<size_t>(value)].parent;
    }
    return {value, offset};
  }
};

// Moves each update of weights to right after its gradient is there and nothing else reads the weights' old values, so
// that gradients die early and carries can be in place.
void schedule_updates(Plan& plan);

// Copies one value into another at the end of the plan: "carry of conv1.weight".
void append_copy(Plan& plan, int from, int to, std::string_view what);

// Lets carried values be produced right where they are kept, or appends copies; then arranges views, concatenations in
// place and in-place steps (`share` false: none of them), plans the arena, and writes every arena value's offset into
// Physical.offset of its root. Source of the placement: greedy by size, as in Pisarchyk & Lee, "Efficient memory
// management for deep neural net inference", 2020.
void plan_memory(Plan& plan, bool share);

// Which implementation is fastest: measured once, remembered in a small file keyed by machine, operation, shapes and
// choices. `types` are those of the inputs.
size_t choose_fastest(const Answer& answer, std::span<const Type> types, const std::string& key);

}  // namespace fovea
