// A network compiled for as many pictures at once as a memory limit allows.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/base/context.h"
#include "fovea/compile/program.h"
#include "fovea/model/model.h"

namespace fovea {

struct BatchLimits {
  int64_t most = 8;                    // pictures at once
  size_t memory = size_t{1024} << 20;  // bytes of activations and prepared weights together
};

class BatchedProgram {
 public:
  // Appends nodes to the network's graph, in which `picture` is [B,C,H,W] and `scores` the class scores before a
  // softmax (not given where the network has none), and returns what is wanted, values whose first axis is B. Called
  // once for each B that is compiled.
  using Build = std::function<std::vector<Value>(Graph& graph, Value picture, Value scores)>;

  // Compiles for one picture, which tells the memory of each; for several at once when a run first has as many. The
  // model and the backend outlive this object. Throws Error{usage} saying how much is needed when even one picture is
  // too much for the limit, and what building and compiling throw.
  BatchedProgram(const Model& model, Build build, const BatchLimits& limits, Backend& backend,
                 const CompileOptions& options = {});

  // Pictures at once in runs of so many: as many as the limits allow, 1 where the network's shapes take no batch.
  int64_t batch(int64_t count);
  // Bytes that activations and weights take, of all that is compiled.
  size_t memory() const;
  const Type& type(std::string_view input) const;  // of an input for one picture; throws Error{internal} for others

  // Runs `count` pictures in order, several at once. `prepare` fills in picture i, [C,H,W]; `receive` gets the wants of
  // a run, whose row `slot` belongs to picture i. `feed` gives other inputs for picture i, their first axis 1; those of
  // rank 0 are taken as they are. Throws Error{usage} when the context is cancelled.
  using Prepare = std::function<void(int64_t i, std::span<float> picture)>;
  using Receive = std::function<void(int64_t i, int64_t slot, const std::vector<Tensor>& wants)>;
  using Feeds = std::map<std::string, Tensor>;
  using Feed = std::function<Feeds(int64_t i)>;
  void run(const Context& context, int64_t count, const Prepare& prepare, const Receive& receive, const Feed& feed);
  // The same feeds for every picture.
  void run(const Context& context, int64_t count, const Prepare& prepare, const Receive& receive,
           const Feeds& feeds = {});

 private:
  Program compiled(int64_t batch);
  int64_t planned() const;  // by the memory of one
  void compile_several();
  void run_once(Program& program, int64_t batch, int64_t first, int64_t count, const Prepare& prepare,
                const Receive& receive, const Feed& feed);

  const Model& model_;
  Build build_;
  Backend& backend_;
  CompileOptions options_;
  BatchLimits limits_;
  Program one_, several_;
  int64_t batch_ = 0;  // of several_; 0: not compiled yet, 1: there is none
  std::string picture_;
  std::map<std::string, Type, std::less<>> inputs_;
};

// A row of a value whose first axis is the batch.
std::span<const float> row_of(const Tensor& value, int64_t slot);

// Bytes of a program's activations, prepared weights and states.
size_t bytes_of(const Program& program);

// Throws Error{usage} saying how much is needed when a program for one picture takes more than `limit` bytes.
void require_memory(const Program& one, size_t limit);

}  // namespace fovea
