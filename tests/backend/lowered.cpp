#include "tests/backend/lowered.h"

#include <cstring>
#include <memory>

#include "fovea/graph/graph.h"

namespace fovea::testing {

namespace {

// 64-byte aligned, filled with NaN (0xff), with a guard behind.
class Memory {
 public:
  explicit Memory(size_t bytes) : bytes_(bytes), storage_(new std::byte[bytes + 128 + kGuard]) {
    const auto address = reinterpret_cast<uintptr_t>(storage_.get());
    data_ = storage_.get() + ((address + 63) / 64 * 64 - address);
    std::memset(data_, 0xff, bytes + kGuard);
  }
  std::byte* data() const { return data_; }
  bool guard_is_whole() const {
    for (size_t i = 0; i < kGuard; ++i)
      if (data_[bytes_ + i] != std::byte{0xff}) return false;
    return true;
  }

 private:
  static constexpr size_t kGuard = 64;
  size_t bytes_;
  std::unique_ptr<std::byte[]> storage_;
  std::byte* data_;
};

void convert(Backend& backend, const Type& type, const Layout& from, const std::byte* x, const Layout& to,
             std::byte* y) {
  if (from.name == to.name) {
    if (from.bytes > 0) std::memcpy(y, x, from.bytes);
    return;
  }
  const Lowering reorder = backend.reorder(type, from, to);
  const Memory scratch(reorder.scratch);
  std::byte* const in[] = {const_cast<std::byte*>(x)};
  std::byte* const out[] = {y};
  reorder.run({in, out, scratch.data()});
}

}  // namespace

Lowered run_lowered(Backend& backend, const Built& built, const LoweredOptions& options) {
  const int index = built.outputs[0].node;
  const Node& node = built.graph.node(index);
  const size_t n = node.inputs.size();
  std::vector<Layout> layouts(n);
  std::vector<Tensor> tensors(n);
  std::vector<const Tensor*> values(n, nullptr);
  std::unique_ptr<bool[]> constant(new bool[n + 1]()), used(new bool[node.outputs.size()]);
  for (size_t i = 0; i < n; ++i) {
    if (!node.inputs[i]) continue;
    const Type& type = built.graph.type(node.inputs[i]);
    const Tensor* known = built.graph.known(node.inputs[i]);
    tensors[i] = known ? *known : built.feeds.at(built.graph.node(node.inputs[i]).name);
    constant[i] = known || (options.constant && i > 0);
    if (constant[i]) values[i] = &tensors[i];
    layouts[i] = !constant[i] && options.offer ? options.offer(type) : plain_layout(type);
  }
  std::fill_n(used.get(), node.outputs.size(), true);
  const Request request{built.graph, index, layouts, {constant.get(), n}, values, {used.get(), node.outputs.size()}};
  Lowered result{backend.lower(request), {}};
  for (const Lowering& lowering : result.answer.choices) {
    std::vector<std::unique_ptr<Memory>> memories;
    std::vector<std::byte*> in(n, nullptr), out;
    for (size_t i = 0; i < n; ++i) {
      if (!node.inputs[i]) continue;
      const Type& type = built.graph.type(node.inputs[i]);
      in[i] = memories.emplace_back(std::make_unique<Memory>(lowering.inputs[i].bytes))->data();
      convert(backend, type, plain_layout(type), tensors[i].raw(), lowering.inputs[i], in[i]);
    }
    for (const Layout& layout : lowering.outputs)
      out.push_back(memories.emplace_back(std::make_unique<Memory>(layout.bytes))->data());
    std::byte* scratch = memories.emplace_back(std::make_unique<Memory>(lowering.scratch))->data();
    for (int run = 0; run <= (options.repeat ? 1 : 0); ++run) lowering.run({in, out, scratch});
    for (const auto& memory : memories)
      require(memory->guard_is_whole(), ErrorKind::internal, "{} wrote behind its memory", lowering.implementation);
    auto& outputs = result.outputs.emplace_back();
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      Tensor y(node.outputs[k].dtype, node.outputs[k].shape);
      if (y.bytes() > 0)
        convert(backend, node.outputs[k], lowering.outputs[k], out[k], plain_layout(node.outputs[k]), y.raw());
      outputs.push_back(std::move(y));
    }
  }
  return result;
}

}  // namespace fovea::testing
