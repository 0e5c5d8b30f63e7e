// compile: walks the optimised graph once, asks the backend how to compute each node, and inserts the reorders between
// layouts.
#include <set>
#include <unordered_map>

#include "fovea/base/group.h"
#include "fovea/compile/optimise.h"
#include "fovea/compile/plan.h"
#include "fovea/compile/program_impl.h"
#include "fovea/ops/add.h"
#include "fovea/ops/all_reduce.h"
#include "fovea/ops/gate.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

class Compiler {
 public:
  Compiler(Optimised work, Backend& backend, const CompileOptions& options)
      : work_(std::move(work)), graph_(work_.graph), backend_(backend), options_(options) {
    physical_.resize(static_cast<size_t>(graph_.size()));
    constant_.resize(static_cast<size_t>(graph_.size()));
    for (int i = 0; i < graph_.size(); ++i) {
      physical_[static_cast<size_t>(i)].resize(graph_.node(i).outputs.size());
      constant_[static_cast<size_t>(i)].resize(graph_.node(i).outputs.size());
    }
    impl_ = std::make_unique<ProgramImpl>();
  }

  std::unique_ptr<ProgramImpl> compile() {
    all_uses_ = uses(graph_);
    std::set<Value> wanted(work_.wants.begin(), work_.wants.end());
    for (const Carry& carry : work_.carry) wanted.insert(carry.from);
    for (int i = 0; i < graph_.size(); ++i) {
      const Node& node = graph_.node(i);
      if (node.op == &ops::input) add_input(i);
      else if (node.op == &ops::parameter) add_parameter(i);
      else if (is_known(node, i)) add_known(i);
      else lower(i, wanted);
    }
    for (const Value want : work_.wants) plan_.wants.push_back(in_layout(want, plain_layout(graph_.type(want))));
    add_carries();
    while (!unfinished_.empty()) wait_for(unfinished_.begin()->first);
    plan_memory(plan_, options_.level >= 3);
    finish();
    return std::move(impl_);
  }

 private:
  // A value as it is first made: index of its Physical, or -1 when it is a constant.
  int& made(Value v) { return first_[v]; }

  bool is_known(const Node& node, int index) const {
    for (size_t k = 0; k < node.outputs.size(); ++k)
      if (!graph_.known({index, static_cast<int>(k)})) return false;
    return !node.outputs.empty();
  }

  int new_value(std::string name, const Type& type, const Layout& layout, Residence residence) {
    Physical value;
    value.name = std::move(name);
    value.type = type;
    value.layout = layout;
    value.residence = residence;
    plan_.values.push_back(std::move(value));
    return static_cast<int>(plan_.values.size()) - 1;
  }

  void remember(Value v, int physical) {
    physical_[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)]
             [plan_.values[static_cast<size_t>(physical)].layout.name] = physical;
  }

  void add_state(int index, const Type& type) {
    const Value v{index, 0};
    const int p = new_value(graph_.node(index).name, type, plain_layout(type), Residence::state);
    plan_.values[static_cast<size_t>(p)].memory = impl_->states.take(type.bytes());
    remember(v, p);
    first_[v] = p;
  }

  void add_input(int index) {
    const Node& node = graph_.node(index);
    add_state(index, node.outputs[0]);
    const int p = first_[{index, 0}];
    if (const Tensor* value = graph_.known({index, 0})) {
      std::memcpy(plan_.values[static_cast<size_t>(p)].memory, value->raw(), value->bytes());
      impl_->inputs[node.name] = {p, true};
    } else {
      impl_->inputs[node.name] = {p, false};
    }
  }

  bool is_carried(int index) const {
    for (const Carry& carry : work_.carry)
      if (carry.to.node == index) return true;
    return false;
  }

  // The weight of a parameter; checked.
  const Tensor& weight(int index) const {
    const Node& node = graph_.node(index);
    const auto found = work_.weights.find(node.name);
    require(found != work_.weights.end(), ErrorKind::usage, "parameter \"{}\" has no weight", node.name);
    require(found->second.dtype() == node.outputs[0].dtype && found->second.shape() == node.outputs[0].shape,
            ErrorKind::usage, "parameter \"{}\": the weight is {}[{}], expected {}", node.name,
            to_string(found->second.dtype()), to_string(found->second.shape()), to_string(node.outputs[0]));
    return found->second;
  }

  void add_parameter(int index) {
    const Tensor& tensor = weight(index);
    if (!is_carried(index)) {
      constant_[static_cast<size_t>(index)][0] = &tensor;
      return;
    }
    add_state(index, graph_.node(index).outputs[0]);
    std::memcpy(plan_.values[static_cast<size_t>(first_[{index, 0}])].memory, tensor.raw(), tensor.bytes());
  }

  void add_known(int index) {
    for (size_t k = 0; k < graph_.node(index).outputs.size(); ++k)
      constant_[static_cast<size_t>(index)][k] = graph_.known({index, static_cast<int>(k)});
  }

  const Tensor* constant_of(Value v) const {
    return constant_[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)];
  }

  // The Physical that holds v in the given layout, made by a reorder if there is none yet. Constants are prepared now.
  int in_layout(Value v, const Layout& layout) {
    wait_for(v.node);
    auto& have = physical_[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)];
    if (const auto found = have.find(layout.name); found != have.end()) return found->second;
    const Type& type = graph_.type(v);
    const std::string& name = graph_.node(v).name;
    if (const Tensor* tensor = constant_of(v)) {
      const int p = new_value(name, type, layout, Residence::constant);
      Physical& prepared = plan_.values[static_cast<size_t>(p)];
      prepared.memory = impl_->weights.take(layout.bytes);
      if (layout.is_plain()) {
        // In pieces, so that a mapped file's pages and their copy are never in memory together.
        constexpr size_t piece = size_t{8} << 20;
        for (size_t done = 0; done < tensor->bytes(); done += piece) {
          const size_t size = std::min(piece, tensor->bytes() - done);
          std::memcpy(prepared.memory + done, tensor->raw() + done, size);
          tensor->release_pages(done, size);
        }
      } else {
        const Lowering reorder = backend_.reorder(type, plain_layout(type), layout);
        const Block scratch(reorder.scratch);
        std::byte* const from[] = {const_cast<std::byte*>(tensor->raw())};
        std::byte* const to[] = {prepared.memory};
        reorder.run({from, to, scratch.data()});
      }
      tensor->release_pages(0, tensor->bytes());
      remember(v, p);
      return p;
    }
    const int from = first_.at(v);
    PlannedStep step;
    step.name = "reorder of " + name;
    step.op = "reorder";
    step.lowering = backend_.reorder(type, plan_.values[static_cast<size_t>(from)].layout, layout);
    const int to = new_value(name, type, layout, Residence::arena);
    step.in = {from};
    step.out = {to};
    step.zero_in_zero_out = 1;
    plan_.steps.push_back(std::move(step));
    remember(v, to);
    return to;
  }

  void lower(int index, const std::set<Value>& wanted) {
    const Node& node = graph_.node(index);
    std::vector<Layout> layouts;
    std::vector<const Tensor*> values;
    std::unique_ptr<bool[]> constant(new bool[node.inputs.size() + 1]), used(new bool[node.outputs.size() + 1]);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Value input = node.inputs[i];
      values.push_back(input ? constant_of(input) : nullptr);
      constant[i] = values.back() != nullptr;
      if (!input) layouts.push_back({});
      else
        layouts.push_back(constant[i] ? plain_layout(graph_.type(input))
                                      : plan_.values[static_cast<size_t>(first_.at(input))].layout);
    }
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      const Value v{index, static_cast<int>(k)};
      used[k] = !all_uses_[static_cast<size_t>(index)][k].empty() || wanted.contains(v);
    }
    check_group(node);
    const Request request{
        graph_,        index, layouts, {constant.get(), node.inputs.size()}, values, {used.get(), node.outputs.size()},
        options_.group};
    Answer answer = backend_.lower(request);
    require(!answer.choices.empty(), ErrorKind::internal, "no implementation for {} \"{}\"", node.op->name, node.name);
    size_t choice = 0;
    if (answer.choices.size() > 1 && options_.tune) choice = choose_fastest(answer, input_types(node), key(node));
    PlannedStep step;
    step.node = index;
    step.name = node.name;
    step.op = node.op->name;
    step.lowering = std::move(answer.choices[choice]);
    step.refusals = std::move(answer.refusals);
    for (size_t i = 0; i < node.inputs.size(); ++i)
      step.in.push_back(node.inputs[i] ? in_layout(node.inputs[i], step.lowering.inputs[i]) : -1);
    for (const Value input : node.inputs)
      if (input) let_go(input, wanted);
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      if (!used[k]) {
        step.out.push_back(-1);
        continue;
      }
      const Value v{index, static_cast<int>(k)};
      const int p = new_value(node.name, node.outputs[k], step.lowering.outputs[k], Residence::arena);
      remember(v, p);
      first_[v] = p;
      step.out.push_back(p);
    }
    const std::vector<Type> types = input_types(node);
    if (node.op->cost) step.flops = node.op->cost(node, types).flops;
    else if (!node.outputs.empty()) step.flops = static_cast<double>(node.outputs[0].shape.count());
    step.zero_in_zero_out = node.op->zero_in_zero_out;
    step.is_add = node.op == &ops::add && graph_.shape(node.inputs[0]) == graph_.shape(node.inputs[1]);
    if (node.op == &ops::gate && first_.contains(node.inputs[1])) step.gate = first_.at(node.inputs[1]);
    if (step.lowering.finish) unfinished_[index] = finish_of(step);
    plan_.steps.push_back(std::move(step));
  }

  void check_group(const Node& node) const {
    if (node.op != &ops::all_reduce) return;
    const int64_t ranks = node.attributes.as<AllReduceAttributes>().ranks,
                  size = options_.group ? options_.group->size() : 1;
    require(ranks == size, ErrorKind::usage, "all_reduce \"{}\" is built for {} ranks, the program is compiled for {}",
            node.name, ranks, size);
  }

  // The step that waits for what another only starts.
  PlannedStep finish_of(const PlannedStep& started) const {
    PlannedStep step;
    step.name = "wait for " + started.name;
    step.op = started.op;
    step.lowering.implementation = "wait";
    step.lowering.inputs = step.lowering.outputs = started.lowering.outputs;
    step.lowering.run = started.lowering.finish;
    step.in = step.out = started.out;
    return step;
  }

  // Plans the wait for a node's outputs, if it is started and not waited for: before their first use.
  void wait_for(int node) {
    const auto found = unfinished_.find(node);
    if (found == unfinished_.end()) return;
    plan_.steps.push_back(std::move(found->second));
    unfinished_.erase(found);
  }

  std::vector<Type> input_types(const Node& node) const {
    std::vector<Type> types;
    for (const Value input : node.inputs) types.push_back(input ? graph_.type(input) : Type{DType::f32, {0}});
    return types;
  }

  std::string key(const Node& node) const {
    std::string text = fmt::format("{} {} {}", backend_.fingerprint(), node.op->name, node.attributes.text(true));
    for (const Value input : node.inputs) text += input ? " " + to_string(graph_.type(input)) : " -";
    return text;
  }

  // Drops a bound weight after its last use: from then on only its prepared form is needed.
  void let_go(Value v, const std::set<Value>& wanted) {
    const Node& node = graph_.node(v);
    if (node.op != &ops::parameter || !constant_of(v) || wanted.contains(v)) return;
    if (++finished_uses_[v.node] < all_uses_[static_cast<size_t>(v.node)][0].size()) return;
    constant_[static_cast<size_t>(v.node)][0] = nullptr;
    work_.weights.erase(node.name);
  }

  // Copies at the very end: from → the memory of to. A source that is itself overwritten by a carry is saved first.
  void add_carries() {
    std::vector<std::pair<int, int>> pairs;
    for (const Carry& carry : work_.carry) {
      const Type& type = graph_.type(carry.to);
      require(graph_.type(carry.from) == type, ErrorKind::usage, "cannot carry {} into {} \"{}\"",
              to_string(graph_.type(carry.from)), to_string(type), graph_.node(carry.to).name);
      const int to = first_.at(carry.to);
      plan_.values[static_cast<size_t>(to)].carried = true;
      impl_->states_by_name[graph_.node(carry.to).name] = to;
      int from = in_layout(carry.from, plain_layout(type));
      if (plan_.values[static_cast<size_t>(from)].residence == Residence::state && from != to) {
        const int saved = new_value("saved " + plan_.values[static_cast<size_t>(from)].name, type, plain_layout(type),
                                    Residence::arena);
        add_copy(from, saved, "save of");
        from = saved;
      }
      pairs.emplace_back(from, to);
    }
    for (const auto& [from, to] : pairs)
      if (from != to) add_copy(from, to, "carry of");
  }

  void add_copy(int from, int to, std::string_view what) {
    PlannedStep step;
    step.name = fmt::format("{} {}", what, plan_.values[static_cast<size_t>(to)].name);
    step.op = "copy";
    const size_t bytes = plan_.values[static_cast<size_t>(from)].layout.bytes;
    step.lowering.implementation = "memcpy";
    step.lowering.inputs = {plan_.values[static_cast<size_t>(from)].layout};
    step.lowering.outputs = {plan_.values[static_cast<size_t>(to)].layout};
    step.lowering.run = [bytes](const Buffers& b) { std::memcpy(b.out[0], b.in[0], bytes); };
    step.in = {from};
    step.out = {to};
    plan_.steps.push_back(std::move(step));
  }

  void finish() {
    impl_->arena = Block(plan_.arena_size);
    for (size_t v = 0; v < plan_.values.size(); ++v) {
      Physical& value = plan_.values[v];
      if (value.parent < 0 && value.residence == Residence::arena) value.memory = impl_->arena.data() + value.offset;
    }
    for (size_t v = 0; v < plan_.values.size(); ++v) {
      const auto [root, offset] = plan_.root(static_cast<int>(v));
      if (plan_.values[v].parent >= 0) plan_.values[v].memory = plan_.values[static_cast<size_t>(root)].memory + offset;
    }
    impl_->build(std::move(plan_));
  }

  Optimised work_;
  const Graph& graph_;
  Backend& backend_;
  const CompileOptions& options_;
  Plan plan_;
  std::unique_ptr<ProgramImpl> impl_;
  std::vector<std::vector<std::map<std::string, int>>> physical_;  // [node][output][layout name]
  std::vector<std::vector<const Tensor*>> constant_;
  std::map<Value, int> first_;
  std::vector<std::vector<std::vector<Use>>> all_uses_;
  std::map<int, size_t> finished_uses_;
  std::map<int, PlannedStep> unfinished_;  // by node: waits that nobody has needed yet
};

}  // namespace

Program compile(const Graph& graph, std::span<const Value> wants, Weights weights, Backend& backend,
                const CompileOptions& options) {
  Program program;
  program.impl_ = Compiler(optimise(graph, wants, std::move(weights), options), backend, options).compile();
  return program;
}

}  // namespace fovea
