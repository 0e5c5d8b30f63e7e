#include "fovea/insight/batched_program.h"

#include <algorithm>

#include "fovea/insight/class_scores.h"
#include "fovea/model/conventions.h"
#include "fovea/ops/input.h"
#include "fovea/transform/respecialise.h"

namespace fovea {

namespace {

std::string mebibytes(size_t bytes) { return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20)); }

size_t bytes_of(const Program& program) {
  const MemoryInfo memory = program.memory();
  return memory.arena + memory.weights + memory.states;
}

}  // namespace

std::span<const float> row_of(const Tensor& value, int64_t slot) {
  const auto size = static_cast<size_t>(value.shape().count(1, value.rank()));
  return value.data<float>().subspan(static_cast<size_t>(slot) * size, size);
}

Model for_pictures(const Model& model, int64_t batch) {
  Model result = model;
  std::map<std::string, Type> types;
  for (const Value v : model.graph.inputs()) {
    const Node& node = model.graph.node(v);
    Type type = node.outputs[0];
    if (node.attributes.as<InputAttributes>().bound || type.shape.rank() < 2 || type.shape[0] == batch) continue;
    type.shape[0] = batch;
    types[node.name] = type;
  }
  if (types.empty()) return result;
  try {
    result.graph = respecialise(model.graph, types);
    if (!model.meaning.scores.empty()) {
      const Shape& scores = result.graph.shape(scores_output(result));
      require(scores.rank() >= 1 && scores[0] == batch, ErrorKind::usage, "its scores are {}", to_string(scores));
    }
  } catch (const Error& e) {
    fail(ErrorKind::usage, "the network does not take {} pictures at once: {}", batch, e.message());
  }
  return result;
}

Program BatchedProgram::compiled(const Model& model, const Build& build, int64_t batch, Backend& backend,
                                 const CompileOptions& options) {
  Model own = for_pictures(model, batch);
  const Value picture = picture_input(own);
  picture_ = own.graph.node(picture).name;
  const Value scores = own.meaning.scores.empty() ? Value{} : scores_before_softmax(own.graph, scores_output(own));
  const std::vector<Value> wants = build(own.graph, picture, scores);
  inputs_.clear();
  for (const Value v : own.graph.inputs()) inputs_[own.graph.node(v).name] = own.graph.type(v);
  batch_ = batch;
  return compile(own.graph, wants, std::move(own.weights), backend, options);
}

BatchedProgram::BatchedProgram(const Model& model, const Build& build, const BatchLimits& limits, Backend& backend,
                               const CompileOptions& options) {
  program_ = compiled(model, build, 1, backend, options);
  const size_t one = bytes_of(program_), each = program_.memory().arena;
  require(one <= limits.memory, ErrorKind::usage,
          "one picture needs {} (activations {}, weights {}) and the limit is {}; allow more memory, or use a smaller "
          "input",
          mebibytes(one), mebibytes(each), mebibytes(one - each), mebibytes(limits.memory));
  const auto more = static_cast<int64_t>((limits.memory - one) / std::max<size_t>(1, each));
  for (int64_t batch = std::min(limits.most, 1 + more); batch > 1; batch /= 2) {
    try {
      Program several = compiled(model, build, batch, backend, options);
      if (bytes_of(several) > limits.memory) continue;
      program_ = std::move(several);
      return;
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::usage && e.kind() != ErrorKind::shape) throw;
      break;  // a network for one picture
    }
  }
  if (batch_ != 1) program_ = compiled(model, build, 1, backend, options);
}

size_t BatchedProgram::memory() const { return bytes_of(program_); }

const Type& BatchedProgram::type(std::string_view input) const {
  const auto found = inputs_.find(input);
  require(found != inputs_.end(), ErrorKind::internal, "no input {}", input);
  return found->second;
}

void BatchedProgram::run(const Context& context, int64_t count, const Prepare& prepare, const Receive& receive,
                         const std::map<std::string, Tensor>& feeds) {
  run(context, count, prepare, receive, [&](int64_t, int64_t) { return feeds; });
}

void BatchedProgram::run(const Context& context, int64_t count, const Prepare& prepare, const Receive& receive,
                         const Feed& feed) {
  Tensor pictures(DType::f32, type(picture_).shape);
  const auto size = static_cast<size_t>(pictures.count() / batch_);
  for (int64_t first = 0; first < count; first += batch_) {
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    const int64_t now = std::min(batch_, count - first);
    {
      const auto data = pictures.data<float>();
      for (int64_t k = 0; k < now; ++k) prepare(first + k, data.subspan(static_cast<size_t>(k) * size, size));
    }
    std::map<std::string, Tensor> all = feed(first, now);
    all[picture_] = pictures;
    const std::vector<Tensor> wants = program_.run(all);
    for (int64_t k = 0; k < now; ++k) receive(first + k, k, wants);
  }
}

}  // namespace fovea
