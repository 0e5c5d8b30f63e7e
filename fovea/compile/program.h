// Program: a compiled graph. Steps in order, one arena, prepared weights, for fixed shapes.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/tensor/weights.h"

namespace fovea {

class Group;

// After each run, the memory of `to` (an input or a parameter) holds the value of `from`: weights, momenta, an image
// being optimised.
struct Carry {
  Value from, to;
};

struct CompileOptions {
  std::vector<Carry> carry;
  // Winograd and other algorithms that round differently are forbidden.
  bool exact = false;
  // Convolutions and matrix products may round their operands to bf16.
  bool bf16 = false;
  // Large weights whose prepared form takes more than twice their own memory are prepared anew in every run: some per
  // cent slower where the maps are large, and much slower where they are small.
  bool lean = false;
  // Choose between implementations by measuring (and remember); false: the backend's first choice.
  bool tune = true;
  // Who all_reduce goes over; its size is the ranks that the graph was built for. It outlives the program, and nobody
  // else makes calls on it while steps run. Null: this process alone.
  Group* group = nullptr;
  // 0: nothing but what correctness needs; 1: simplify; 2: and fuse; 3: and share memory. For finding a miscompilation.
  int level = 3;
  // What Program::plan() said: exactly these implementations and layouts are used again, whatever a measurement would
  // choose now, so that the same bits are computed. Empty: choose.
  std::string plan;
};

// One step of a program, as `explain`, `bench` and `inspect` show it.
struct StepInfo {
  std::string name;  // of the node ("conv1"), or "reorder of conv1"
  std::string op;
  std::string implementation;
  std::string layouts;  // "nChw16c → nChw16c"
  Type output;
  double flops = 0, bytes = 0;
  double seconds = 0;  // median of profile(); 0 before
  std::vector<Refusal> refusals;
};

// Whether `lean` concerns weights of so many bytes that take `prepared` bytes in their prepared form.
inline bool prepared_anew(size_t bytes, size_t prepared) { return bytes >= size_t{1} << 20 && prepared > 2 * bytes; }

struct MemoryInfo {
  size_t arena = 0;    // activations and scratch, planned together
  size_t weights = 0;  // prepared weights
  size_t states = 0;   // carried values
};

class ProgramImpl;

class Program {
 public:
  Program();
  ~Program();
  Program(Program&&) noexcept;
  Program& operator=(Program&&) noexcept;

  // Feeds inputs by name and runs all steps. Wants come back in the order given to compile, as tensors of their own.
  // Gates (boolean scalar inputs) that are fed false skip the work behind them; an input fed before keeps its value if
  // it is left out. Throws Error{usage} for an unknown name, a missing input, or a wrong type; nothing is thrown once
  // steps run, but Error{io} when another rank of the group is gone (the carried values are then of no use).
  std::vector<Tensor> run(const std::map<std::string, Tensor>& feeds = {});

  // The same without copies: write into input(name), execute(), read want(i). The spans stay valid as long as the
  // Program. A carried weight's or momentum's memory may be in an order of the backend's own: input() throws
  // Error{usage} for it, feed it by run() or set_state().
  Tensor input(std::string_view name);
  void execute();
  Tensor want(size_t index) const;

  // The carried value of an input or parameter, by its name; a copy. set_state replaces it. Throw Error{usage} for an
  // unknown name.
  Tensor state(std::string_view name) const;
  void set_state(std::string_view name, const Tensor& value);
  std::vector<std::string> state_names() const;

  const std::vector<StepInfo>& steps() const;
  MemoryInfo memory() const;
  // Runs `runs` times and fills in the median time of each step.
  void profile(int runs);
  // The implementation and layouts of every node, and the backend with its threads, as text for CompileOptions::plan.
  const std::string& plan() const;
  // How many steps the last execute() skipped because of closed gates.
  int skipped() const;

 private:
  friend Program compile(const Graph&, std::span<const Value>, Weights, Backend&, const CompileOptions&);
  std::unique_ptr<ProgramImpl> impl_;
};

// Compiles what `wants` (and the carried values) need. Parameters that are not carried are bound to `weights` by name
// and prepared now; afterwards neither graph nor weights are needed. A caller who moves its weights in saves their
// memory: each is let go once prepared. Carried parameters start from `weights` too, carried inputs from zero or
// set_state. Throws Error{usage} when a parameter has no weight or one of another type, and
// naming the node or the setting when options.plan cannot be followed with this graph on this machine.
Program compile(const Graph& graph, std::span<const Value> wants, Weights weights, Backend& backend,
                const CompileOptions& options = {});

}  // namespace fovea
