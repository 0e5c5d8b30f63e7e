#include "fovea/insight/batched_program.h"

#include <algorithm>
#include <cstring>

#include "fovea/insight/class_scores.h"
#include "fovea/model/conventions.h"
#include "fovea/model/for_pictures.h"

namespace fovea {

namespace {

std::string mebibytes(size_t bytes) { return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20)); }

}  // namespace

size_t bytes_of(const Program& program) {
  const MemoryInfo memory = program.memory();
  return memory.arena + memory.weights + memory.states;
}

void require_memory(const Program& one, size_t limit) {
  const size_t all = bytes_of(one), activations = one.memory().arena;
  require(all <= limit, ErrorKind::usage,
          "one picture needs {} (activations {}, weights {}) and the limit is {}; allow more memory, or use a smaller "
          "input",
          mebibytes(all), mebibytes(activations), mebibytes(all - activations), mebibytes(limit));
}

std::span<const float> row_of(const Tensor& value, int64_t slot) {
  const auto size = static_cast<size_t>(value.shape().count(1, value.rank()));
  return value.data<float>().subspan(static_cast<size_t>(slot) * size, size);
}

Program BatchedProgram::compiled(int64_t batch) {
  Model own = for_pictures(model_, batch);
  const Value picture = picture_input(own);
  const Value scores = own.meaning.scores.empty() ? Value{} : scores_before_softmax(own.graph, scores_output(own));
  const std::vector<Value> wants = build_(own.graph, picture, scores);
  if (batch == 1) {
    picture_ = own.graph.node(picture).name;
    for (const Value v : own.graph.inputs()) inputs_[own.graph.node(v).name] = own.graph.type(v);
  }
  return compile(own.graph, wants, std::move(own.weights), backend_, options_);
}

BatchedProgram::BatchedProgram(const Model& model, Build build, const BatchLimits& limits, Backend& backend,
                               const CompileOptions& options)
    : model_(model), build_(std::move(build)), backend_(backend), options_(options), limits_(limits) {
  one_ = compiled(1);
  require_memory(one_, limits.memory);
}

int64_t BatchedProgram::planned() const {
  const size_t all = bytes_of(one_), each = std::max<size_t>(1, one_.memory().arena), weights = all - each;
  // Beside the program for one: the weights again, and the activations of each.
  const size_t left = limits_.memory - all;
  return std::min(limits_.most, left > weights ? static_cast<int64_t>((left - weights) / each) : 1);
}

void BatchedProgram::compile_several() {
  for (batch_ = planned(); batch_ > 1; batch_ /= 2) {
    try {
      several_ = compiled(batch_);
      if (memory() <= limits_.memory) return;
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::usage && e.kind() != ErrorKind::shape) throw;
      break;  // a network for one picture
    }
  }
  several_ = Program();
  batch_ = 1;
}

int64_t BatchedProgram::batch(int64_t count) {
  if (batch_ == 0 && count > 1 && count >= planned()) compile_several();
  return batch_ > 1 && batch_ <= count ? batch_ : 1;
}

size_t BatchedProgram::memory() const { return bytes_of(one_) + (batch_ > 1 ? bytes_of(several_) : 0); }

const Type& BatchedProgram::type(std::string_view input) const {
  const auto found = inputs_.find(input);
  require(found != inputs_.end(), ErrorKind::internal, "no input {}", input);
  return found->second;
}

void BatchedProgram::run(const Context& context, int64_t count, const Prepare& prepare, const Receive& receive,
                         const Feeds& feeds) {
  run(context, count, prepare, receive, [&](int64_t) { return feeds; });
}

void BatchedProgram::run(const Context& context, int64_t count, const Prepare& prepare, const Receive& receive,
                         const Feed& feed) {
  for (int64_t first = 0; first < count;) {
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    // The rest of the pictures goes one by one, or as a batch that is not full where that is less work.
    const int64_t left = count - first, at_once = batch(count);
    const bool several = at_once > 1 && 2 * left > at_once;
    const int64_t now = several ? std::min(at_once, left) : 1;
    run_once(several ? several_ : one_, several ? at_once : 1, first, now, prepare, receive, feed);
    first += now;
  }
}

void BatchedProgram::run_once(Program& program, int64_t batch, int64_t first, int64_t count, const Prepare& prepare,
                              const Receive& receive, const Feed& feed) {
  const auto stacked = [&](const Tensor& one) {
    Shape shape = one.shape();
    shape[0] = batch;
    return Tensor(one.dtype(), shape);
  };
  Tensor pictures = stacked(Tensor(DType::f32, type(picture_).shape));
  Feeds all;
  {
    const auto data = pictures.data<float>();
    const size_t size = data.size() / static_cast<size_t>(batch);
    for (int64_t k = 0; k < count; ++k) {
      prepare(first + k, data.subspan(static_cast<size_t>(k) * size, size));
      for (const auto& [name, value] : feed(first + k)) {
        if (value.rank() == 0 || batch == 1) {
          all[name] = value;
          continue;
        }
        Tensor& stack = all.try_emplace(name, stacked(value)).first->second;
        std::memcpy(stack.raw() + static_cast<size_t>(k) * value.bytes(), value.raw(), value.bytes());
      }
    }
  }
  all[picture_] = pictures;
  const std::vector<Tensor> wants = program.run(all);
  for (int64_t k = 0; k < count; ++k) receive(first + k, k, wants);
}

}  // namespace fovea
