#include "fovea/compile/program.h"

#include <algorithm>
#include <chrono>

#include "fovea/compile/program_impl.h"

namespace fovea {

void ProgramImpl::build(Plan finished) {
  plan = std::move(finished);
  const auto memory = [&](int value) { return value < 0 ? nullptr : plan.values[static_cast<size_t>(value)].memory; };
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const PlannedStep& step = plan.steps[s];
    Bound bound;
    for (const int v : step.in) bound.in.push_back(memory(v));
    for (const int v : step.out) bound.out.push_back(memory(v));
    bound.scratch = step.lowering.scratch > 0 ? arena.data() + step.scratch_offset : nullptr;
    bound_.push_back(std::move(bound));
    if (step.gate >= 0 && plan.values[static_cast<size_t>(step.gate)].residence == Residence::state &&
        std::find(gate_values_.begin(), gate_values_.end(), step.gate) == gate_values_.end())
      gate_values_.push_back(step.gate);
    if (step.dropped) continue;
    order_.push_back(s);
    StepInfo info{.name = step.name,
                  .op = step.op,
                  .implementation = step.lowering.implementation,
                  .layouts = {},
                  .output = {},
                  .flops = step.flops,
                  .bytes = 0,
                  .seconds = 0,
                  .refusals = step.refusals};
    std::vector<std::string> from, to;
    for (const int v : step.in)
      if (v >= 0) {
        from.push_back(plan.values[static_cast<size_t>(v)].layout.name);
        info.bytes += static_cast<double>(plan.values[static_cast<size_t>(v)].layout.bytes);
      }
    for (const int v : step.out)
      if (v >= 0) {
        to.push_back(plan.values[static_cast<size_t>(v)].layout.name);
        info.bytes += static_cast<double>(plan.values[static_cast<size_t>(v)].layout.bytes);
      }
    if (!step.out.empty() && step.out[0] >= 0) info.output = plan.values[static_cast<size_t>(step.out[0])].type;
    info.layouts = fmt::format("{} → {}", fmt::join(from, ", "), fmt::join(to, ", "));
    infos.push_back(std::move(info));
  }
}

void ProgramImpl::perform(size_t s, const Pattern* pattern) const {
  const Bound& bound = bound_[s];
  const PlannedStep& step = plan.steps[s];
  const Action action = pattern ? pattern->actions[s] : Action::run;
  if (action == Action::run) {
    step.lowering.run({bound.in, bound.out, bound.scratch});
  } else if (action == Action::zero) {
    for (size_t k = 0; k < step.out.size(); ++k)
      if (step.out[k] >= 0) std::memset(bound.out[k], 0, plan.values[static_cast<size_t>(step.out[k])].layout.bytes);
  } else if (action == Action::copy) {
    const std::byte* from = bound.in[static_cast<size_t>(pattern->copied[s])];
    if (from != bound.out[0])
      std::memcpy(bound.out[0], from, plan.values[static_cast<size_t>(step.out[0])].layout.bytes);
  }
}

void ProgramImpl::execute() {
  const Pattern* pattern = current_pattern();
  skipped = pattern ? pattern->skipped : 0;
  for (const size_t s : order_) perform(s, pattern);
}

const ProgramImpl::Pattern* ProgramImpl::current_pattern() {
  if (gate_values_.empty()) return nullptr;
  std::vector<bool> open;
  for (const int gate : gate_values_)
    open.push_back(*reinterpret_cast<const bool*>(plan.values[static_cast<size_t>(gate)].memory));
  if (std::all_of(open.begin(), open.end(), [](bool o) { return o; })) return nullptr;
  auto found = patterns_.find(open);
  // Paths dropped at random seldom meet again, and making a pattern costs a glance at each step.
  constexpr size_t kMost = 256;
  if (found == patterns_.end() && patterns_.size() >= kMost) patterns_.clear();
  if (found == patterns_.end()) found = patterns_.emplace(open, make_pattern(open)).first;
  return &found->second;
}

// Forward: which values are absent (zero because of a closed gate). Backward: which steps anything still needs.
ProgramImpl::Pattern ProgramImpl::make_pattern(const std::vector<bool>& open) const {
  Pattern pattern;
  const size_t count = plan.steps.size();
  pattern.actions.assign(count, Action::run);
  pattern.copied.assign(count, -1);
  std::vector<bool> absent(plan.values.size(), false), needed(plan.values.size(), false);
  for (size_t s = 0; s < count; ++s) {
    const PlannedStep& step = plan.steps[s];
    bool nothing = false;
    if (step.gate >= 0)
      for (size_t g = 0; g < gate_values_.size(); ++g) nothing = nothing || (gate_values_[g] == step.gate && !open[g]);
    for (size_t i = 0; i < step.in.size() && i < 32; ++i)
      if (step.in[i] >= 0 && absent[static_cast<size_t>(step.in[i])] && (step.zero_in_zero_out >> i & 1))
        nothing = true;
    if (step.is_add && !nothing) {
      const bool a = absent[static_cast<size_t>(step.in[0])], b = absent[static_cast<size_t>(step.in[1])];
      if (a && b) nothing = true;
      else if (a || b) {
        pattern.actions[s] = Action::copy;
        pattern.copied[s] = a ? 1 : 0;
      }
    }
    if (nothing) {
      pattern.actions[s] = Action::zero;
      for (const int v : step.out)
        if (v >= 0) absent[static_cast<size_t>(v)] = true;
    }
  }
  for (const int v : plan.wants) needed[static_cast<size_t>(v)] = true;
  for (size_t s = count; s-- > 0;) {
    const PlannedStep& step = plan.steps[s];
    bool live = false;
    for (const int v : step.out)
      live = live || (v >= 0 && (needed[static_cast<size_t>(v)] ||
                                 plan.values[static_cast<size_t>(v)].residence == Residence::state));
    // A zero is written only where something reads the memory itself.
    if (!live) {
      pattern.actions[s] = Action::skip;
      continue;
    }
    if (pattern.actions[s] == Action::zero) {
      // A view that was arranged away writes nothing: the zeros must already lie in its input.
      if (step.dropped)
        for (const int v : step.in)
          if (v >= 0) needed[static_cast<size_t>(v)] = true;
      continue;
    }
    if (pattern.actions[s] == Action::copy) {
      needed[static_cast<size_t>(step.in[static_cast<size_t>(pattern.copied[s])])] = true;
      continue;
    }
    for (const int v : step.in)
      if (v >= 0) needed[static_cast<size_t>(v)] = true;
  }
  for (const size_t s : order_) pattern.skipped += pattern.actions[s] == Action::skip;
  return pattern;
}

void ProgramImpl::profile(int runs) {
  using Clock = std::chrono::steady_clock;
  const Pattern* pattern = current_pattern();
  std::vector<std::vector<double>> times(order_.size());
  for (int run = 0; run < runs; ++run)
    for (size_t i = 0; i < order_.size(); ++i) {
      const auto start = Clock::now();
      perform(order_[i], pattern);
      times[i].push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
  for (size_t i = 0; i < order_.size(); ++i) {
    if (times[i].empty()) continue;
    std::nth_element(times[i].begin(), times[i].begin() + static_cast<int64_t>(times[i].size() / 2), times[i].end());
    infos[i].seconds = times[i][times[i].size() / 2];
  }
}

Tensor ProgramImpl::window(int value) const {
  const Physical& p = plan.values[static_cast<size_t>(value)];
  return Tensor::window(p.memory, p.type.dtype, p.type.shape);
}

Tensor ProgramImpl::read_state(int value) const {
  const Physical& p = plan.values[static_cast<size_t>(value)];
  Tensor result(p.type.dtype, p.type.shape);
  if (result.bytes() == 0) return result;
  if (const auto found = conversions.find(value); found != conversions.end()) {
    const Block scratch(found->second.to_plain.scratch);
    std::byte* const from[] = {p.memory};
    std::byte* const to[] = {result.raw()};
    found->second.to_plain.run({from, to, scratch.data()});
  } else {
    std::memcpy(result.raw(), p.memory, result.bytes());
  }
  return result;
}

void ProgramImpl::write_state(int value, const Tensor& tensor) const {
  const Physical& p = plan.values[static_cast<size_t>(value)];
  if (tensor.bytes() == 0) return;
  if (const auto found = conversions.find(value); found != conversions.end()) {
    const Block scratch(found->second.from_plain.scratch);
    std::byte* const from[] = {const_cast<std::byte*>(tensor.raw())};
    std::byte* const to[] = {p.memory};
    found->second.from_plain.run({from, to, scratch.data()});
  } else {
    std::memcpy(p.memory, tensor.raw(), tensor.bytes());
  }
}

namespace {

Tensor owned(const Tensor& window) {
  Tensor result(window.dtype(), window.shape());
  if (window.bytes() > 0) std::memcpy(result.raw(), window.raw(), window.bytes());
  return result;
}

void check(const Type& type, const Tensor& value, std::string_view name) {
  require(value.dtype() == type.dtype && value.shape() == type.shape, ErrorKind::usage,
          "\"{}\" is fed {}[{}], expected {}", name, to_string(value.dtype()), to_string(value.shape()),
          to_string(type));
}

}  // namespace

Program::Program() = default;
Program::~Program() = default;
Program::Program(Program&&) noexcept = default;
Program& Program::operator=(Program&&) noexcept = default;

namespace {

ProgramImpl::Input& find_input(ProgramImpl& impl, std::string_view name) {
  const auto found = impl.inputs.find(name);
  if (found == impl.inputs.end()) {
    std::vector<std::string> names;
    for (const auto& [known, entry] : impl.inputs) names.push_back(known);
    fail(ErrorKind::usage, "the program has no input \"{}\"; it has: {}", name, fmt::join(names, ", "));
  }
  return found->second;
}

}  // namespace

Tensor Program::input(std::string_view name) {
  ProgramImpl::Input& found = find_input(*impl_, name);
  require(impl_->is_plain(found.value), ErrorKind::usage,
          "\"{}\" is carried in the backend's own layout; feed it by run() or set_state()", name);
  found.fed = true;
  return impl_->window(found.value);
}

void Program::execute() { impl_->execute(); }

Tensor Program::want(size_t index) const { return impl_->window(impl_->plan.wants[index]); }

std::vector<Tensor> Program::run(const std::map<std::string, Tensor>& feeds) {
  for (const auto& [name, value] : feeds) {
    ProgramImpl::Input& found = find_input(*impl_, name);
    check(impl_->plan.values[static_cast<size_t>(found.value)].type, value, name);
    impl_->write_state(found.value, value);
    found.fed = true;
  }
  for (const auto& [name, entry] : impl_->inputs)
    require(entry.fed || impl_->states_by_name.contains(name), ErrorKind::usage, "input \"{}\" is not fed", name);
  impl_->execute();
  std::vector<Tensor> results;
  for (size_t i = 0; i < impl_->plan.wants.size(); ++i) results.push_back(owned(want(i)));
  return results;
}

Tensor Program::state(std::string_view name) const {
  const auto found = impl_->states_by_name.find(name);
  require(found != impl_->states_by_name.end(), ErrorKind::usage, "nothing named \"{}\" is carried", name);
  return impl_->read_state(found->second);
}

void Program::set_state(std::string_view name, const Tensor& value) {
  const auto found = impl_->states_by_name.find(name);
  require(found != impl_->states_by_name.end(), ErrorKind::usage, "nothing named \"{}\" is carried", name);
  check(impl_->plan.values[static_cast<size_t>(found->second)].type, value, name);
  impl_->write_state(found->second, value);
}

std::vector<std::string> Program::state_names() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : impl_->states_by_name) names.push_back(name);
  return names;
}

const std::vector<StepInfo>& Program::steps() const { return impl_->infos; }
MemoryInfo Program::memory() const { return {impl_->arena.size(), impl_->weights.size(), impl_->states.size()}; }
void Program::profile(int runs) { impl_->profile(runs); }
const std::string& Program::plan() const { return impl_->plan_text; }
int Program::skipped() const { return impl_->skipped; }

}  // namespace fovea
