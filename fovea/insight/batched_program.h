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
  // softmax (not given where the network has none), and returns what is wanted, values whose first axis is B.
  using Build = std::function<std::vector<Value>(Graph& graph, Value picture, Value scores)>;

  // Compiles for one picture first, which tells the memory of each, then for as many as the limits allow; one where
  // the network's shapes take no batch. Throws Error{usage} saying how much is needed when even one picture is too much
  // for the limit, and what building and compiling throw.
  BatchedProgram(const Model& model, const Build& build, const BatchLimits& limits, Backend& backend,
                 const CompileOptions& options = {});

  int64_t batch() const { return batch_; }
  // Bytes that activations and weights take.
  size_t memory() const;
  const Type& type(std::string_view input) const;  // of an input, batch first; throws Error{internal} for others

  // Runs `count` pictures in order, several at once. `prepare` fills in picture i, [C,H,W]; `receive` gets the wants of
  // a run, whose row `slot` belongs to picture i. `feeds` are other inputs, of the batch's size. Throws Error{usage}
  // when the context is cancelled.
  using Prepare = std::function<void(int64_t i, std::span<float> picture)>;
  using Receive = std::function<void(int64_t i, int64_t slot, const std::vector<Tensor>& wants)>;
  void run(const Context& context, int64_t count, const Prepare& prepare, const Receive& receive,
           const std::map<std::string, Tensor>& feeds = {});
  // The same with other feeds for each run: `feed` is asked with the first picture's number and the count of pictures.
  using Feed = std::function<std::map<std::string, Tensor>(int64_t first, int64_t count)>;
  void run(const Context& context, int64_t count, const Prepare& prepare, const Receive& receive, const Feed& feed);

 private:
  Program compiled(const Model& model, const Build& build, int64_t batch, Backend& backend,
                   const CompileOptions& options);

  Program program_;
  int64_t batch_ = 1;
  std::string picture_;
  std::map<std::string, Type, std::less<>> inputs_;
};

// A row of a value whose first axis is the batch.
std::span<const float> row_of(const Tensor& value, int64_t slot);

// The model for `batch` pictures at once. Throws Error{usage} when its shapes are fixed to another number.
Model for_pictures(const Model& model, int64_t batch);

}  // namespace fovea
