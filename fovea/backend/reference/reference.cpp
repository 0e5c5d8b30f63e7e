// The reference backend: each operator's reference function on windows over the arena.
#include <cstring>

#include "fovea/backend/backend.h"
#include "fovea/ops/all_reduce.h"

namespace fovea {

Layout plain_layout(const Type& type) { return {"plain", type.bytes(), nullptr}; }

Lowering reference_lowering(const Request& request) {
  const Node& node = request.op_node();
  if (node.op == &ops::all_reduce && request.group) return all_reduce_lowering(request);
  Lowering lowering;
  lowering.implementation = "reference";
  std::vector<Type> input_types;
  for (const Value input : node.inputs) {
    input_types.push_back(input ? request.graph.type(input) : Type{DType::f32, {0}});
    lowering.inputs.push_back(plain_layout(input_types.back()));
  }
  for (const Type& type : node.outputs) lowering.outputs.push_back(plain_layout(type));
  // Outputs that nobody uses are written all the same: into scratch.
  std::vector<size_t> unused_at;
  for (size_t k = 0; k < node.outputs.size(); ++k) {
    unused_at.push_back(lowering.scratch);
    if (!request.used[k]) lowering.scratch += (node.outputs[k].bytes() + 63) / 64 * 64;
  }
  require(node.op->reference != nullptr, ErrorKind::internal, "{} has no reference", node.op->name);
  lowering.run = [node, input_types, unused_at](const Buffers& buffers) {
    std::vector<Tensor> inputs, outputs;
    for (size_t i = 0; i < input_types.size(); ++i)
      inputs.push_back(Tensor::window(buffers.in[i], input_types[i].dtype, input_types[i].shape));
    for (size_t k = 0; k < node.outputs.size(); ++k)
      outputs.push_back(Tensor::window(buffers.out[k] ? buffers.out[k] : buffers.scratch + unused_at[k],
                                       node.outputs[k].dtype, node.outputs[k].shape));
    node.op->reference({node, inputs, outputs});
  };
  if (node.op->name == "reshape" || node.op->name == "identity" || node.op->name == "flatten" ||
      node.op->name == "squeeze" || node.op->name == "unsqueeze") {
    lowering.views = {{0, 0, 0}};
    lowering.free_if_shared = true;
    lowering.implementation = "view";
  }
  return lowering;
}

namespace {

class ReferenceBackend : public Backend {
 public:
  std::string_view name() const override { return "reference"; }
  std::string fingerprint() const override { return "reference"; }
  Answer lower(const Request& request) override { return {{reference_lowering(request)}, {}}; }
  Lowering reorder(const Type& type, const Layout& from, const Layout& to) override {
    fail(ErrorKind::internal, "the reference backend knows only plain layouts, not {} to {} of {}", from.name, to.name,
         to_string(type));
  }
};

}  // namespace

Backend& reference_backend() {
  static ReferenceBackend backend;
  return backend;
}

}  // namespace fovea
