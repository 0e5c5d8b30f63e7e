// What compile asks of a backend: how a node would be computed, in which memory layouts, and how layouts are converted.
// Layouts are private to the backend; compile only compares their names, and asks for a reorder where two differ.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fovea/graph/op.h"

namespace fovea {

class Group;

// How a value lies in memory. "plain" is contiguous row-major. Two layouts with one name (for one type) are the same.
struct Layout {
  std::string name = "plain";
  size_t bytes = 0;
  std::shared_ptr<const void> details;  // the backend's own description
  bool is_plain() const { return name == "plain"; }
};
Layout plain_layout(const Type& type);

// Memory of one execution of a step. Not-given inputs and unused outputs are null.
struct Buffers {
  std::span<std::byte* const> in;
  std::span<std::byte* const> out;
  std::byte* scratch = nullptr;
};

// One way to compute a node, decided and prepared: everything that can be made once has been made.
struct Lowering {
  std::string implementation;   // as `explain` shows it: "onednn jit_wino_4x3:avx512_core", "fovea gemv avx512"
  std::vector<Layout> inputs;   // required; compile reorders what differs. One entry an input (ignored where not given)
  std::vector<Layout> outputs;  // what it writes; one entry an output
  size_t scratch = 0;           // bytes of private memory, alive during the step only
  std::function<void(const Buffers&)> run;  // does not throw; uses the process's threads
  // Where `run` only starts the work (a sum over other machines): waits for it and completes the outputs, which are all
  // that it is given (as `in` and as `out`; no scratch). Compile makes it a step of its own, just before the first use
  // of an output; until then nobody else touches the outputs' memory. Throws Error{io} when another rank has gone.
  std::function<void(const Buffers&)> finish;

  // Memory sharing that compile may arrange. `run` must work whether or not it does.
  struct InPlace {
    int input, output;
  };  // the output may overwrite the input if that dies here (same number of bytes)
  std::vector<InPlace> in_place;
  struct View {
    int output, input;
    size_t offset;
  };  // the output is the input's memory from a byte offset on (reshape, split): no copy if arranged
  std::vector<View> views;
  struct Place {
    int input, output;
    size_t offset;
  };  // the input may be produced right inside the output (concat): no copy if arranged
  std::vector<Place> places;
  // True when the step does nothing once every view and place has been arranged: compile then drops it.
  bool free_if_shared = false;
};

// A node as the backend sees it.
struct Request {
  const Graph& graph;
  int node;
  std::span<const Layout> inputs;  // current layout of each input (plain for parameters and constants until prepared)
  std::span<const bool> constant;  // input is a constant or a bound parameter: reordering it costs nothing at run time
  std::span<const Tensor* const> values;  // its tensor where constant, else null
  std::span<const bool> used;             // which outputs anything depends on
  Group* group = nullptr;                 // who all_reduce goes over; null: this process alone
  // The nodes that read output 0, where they are all that it is for; else empty.
  std::span<const Use> readers = {};
  const Node& op_node() const { return graph.node(node); }
  const Type& type(size_t i) const { return graph.type(graph.node(node).inputs[i]); }
};

struct Refusal {
  std::string candidate, reason;
};

struct Answer {
  std::vector<Lowering> choices;  // best guess first; several where only a measurement can tell. Never empty
  std::vector<Refusal> refusals;  // candidates that said no, and why
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  // Versions and instruction sets that decide speed and rounding: part of every tuning key and plan.
  virtual std::string fingerprint() const = 0;
  // How the node can be computed. The reference is always the last resort, so this does not fail for any node that
  // infers.
  virtual Answer lower(const Request& request) = 0;
  // A conversion between two layouts of one type.
  virtual Lowering reorder(const Type& type, const Layout& from, const Layout& to) = 0;
  // Whether a value that is carried from run to run can live in this layout: it can be converted to and from plain and
  // is read from it by whatever else the backend prepares. Plain always can.
  virtual bool can_live_in(const Type&, const Layout& layout) const { return layout.is_plain(); }
};

// Plain loops: every operator through its reference function, in plain layout. Never fails.
Backend& reference_backend();
// The reference lowering of one node: the last candidate of every backend.
Lowering reference_lowering(const Request& request);
// all_reduce over request.group, of every backend on this side of a device: started by `run`, waited for by `finish`.
Lowering all_reduce_lowering(const Request& request);

}  // namespace fovea
