// compile: walks the optimised graph once, asks the backend how to compute each node, and inserts the reorders between
// layouts.
#include <set>
#include <unordered_map>

#include "fovea/base/group.h"
#include "fovea/compile/choices.h"
#include "fovea/compile/optimise.h"
#include "fovea/compile/plan.h"
#include "fovea/compile/plan_book.h"
#include "fovea/compile/program_impl.h"
#include "fovea/ops/add.h"
#include "fovea/ops/all_reduce.h"
#include "fovea/ops/gate.h"
#include "fovea/ops/input.h"
#include "fovea/ops/update.h"

namespace fovea {

namespace {

class Compiler {
 public:
  // `given`: a plan to follow, or null. `states`: where carried values live, by node, if not in plain layout.
  Compiler(Optimised work, Backend& backend, const CompileOptions& options, const Choices* given,
           std::map<int, Layout> states = {})
      : work_(std::move(work)),
        graph_(work_.graph),
        backend_(backend),
        options_(options),
        given_(given),
        state_layouts_(std::move(states)) {
    physical_.resize(static_cast<size_t>(graph_.size()));
    constant_.resize(static_cast<size_t>(graph_.size()));
    for (int i = 0; i < graph_.size(); ++i) {
      physical_[static_cast<size_t>(i)].resize(graph_.node(i).outputs.size());
      constant_[static_cast<size_t>(i)].resize(graph_.node(i).outputs.size());
    }
    impl_ = std::make_unique<ProgramImpl>();
  }

  // The layouts in which carried weights and what belongs to them need the fewest reorders, by node. Goes through the
  // whole graph once without keeping anything of it.
  std::map<int, Layout> survey() {
    survey_ = true;
    walk();
    std::map<int, Layout> chosen;
    std::map<Value, Layout> next;  // of updated values
    for (int i = 0; i < graph_.size(); ++i)
      if (graph_.node(i).op == &ops::update) choose_states(i, chosen, next);
    return chosen;
  }

  std::unique_ptr<ProgramImpl> compile() {
    walk();
    require(!given_ || given_->steps.size() == choices_.steps.size(), ErrorKind::usage,
            "the plan has {} nodes, the graph {}: it was made for another graph", given_ ? given_->steps.size() : 0,
            choices_.steps.size());
    for (const Value want : work_.wants) plan_.wants.push_back(in_layout(want, plain_layout(graph_.type(want))));
    add_carries();
    while (!unfinished_.empty()) wait_for(unfinished_.begin()->first);
    if (options_.level >= 3) schedule_updates(plan_);
    plan_memory(plan_, options_.level >= 3);
    finish();
    return std::move(impl_);
  }

 private:
  void walk() {
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
  }

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
    const auto found = state_layouts_.find(index);
    const Layout layout = found == state_layouts_.end() ? plain_layout(type) : found->second;
    const int p = new_value(graph_.node(index).name, type, layout, Residence::state);
    if (!survey_) plan_.values[static_cast<size_t>(p)].memory = impl_->states.take(layout.bytes);
    remember(v, p);
    first_[v] = p;
    if (layout.is_plain()) return;
    choices_.states[graph_.node(index).name] = layout.name;
    impl_->conversions[p] = {backend_.reorder(type, layout, plain_layout(type)),
                             backend_.reorder(type, plain_layout(type), layout)};
  }

  // Of one update: each weight where its gradient comes from, or where the others that read it want it.
  void choose_states(int index, std::map<int, Layout>& chosen, std::map<Value, Layout>& next) {
    const Node& node = graph_.node(index);
    const size_t states = update_state_count(node.attributes.as<UpdateAttributes>()), width = 2 + states;
    int output = 0;
    for (size_t first = kUpdateScalars; first < node.inputs.size();
         first += width, output += 1 + static_cast<int>(states)) {
      const Value w = node.inputs[first], g = node.inputs[first + 1];
      const Type& type = graph_.type(w);
      std::vector<Layout> candidates;
      if (const auto found = next.find(g); found != next.end()) candidates.push_back(found->second);
      else if (!constant_of(g)) candidates.push_back(plan_.values[static_cast<size_t>(first_.at(g))].layout);
      candidates.push_back(plain_layout(type));
      candidates.insert(candidates.end(), asked_[w].begin(), asked_[w].end());
      std::erase_if(candidates, [&](const Layout& l) { return !backend_.can_live_in(type, l); });
      const Layout best = choose_layout(w, candidates);
      next[{index, output}] = best;
      if (best.is_plain()) continue;
      for (size_t i = first; i < first + width; ++i)
        if (i != first + 1 && is_carried(node.inputs[i].node)) chosen[node.inputs[i].node] = best;
    }
  }

  // The first of those from which the fewest others have to be made.
  Layout choose_layout(Value w, const std::vector<Layout>& candidates) const {
    if (given_) {
      const auto found = given_->states.find(graph_.node(w).name);
      const std::string name = found == given_->states.end() ? "plain" : found->second;
      for (const Layout& layout : candidates)
        if (layout.name == name) return layout;
      fail(ErrorKind::usage, "the plan keeps \"{}\" in layout {}, which this machine has no use for",
           graph_.node(w).name, name);
    }
    size_t best = 0, fewest = candidates.size();
    for (size_t i = 0; i < candidates.size(); ++i) {
      std::set<std::string> made;
      for (const Layout& other : candidates)
        if (other.name != candidates[i].name && (!other.is_plain() || plain_is_asked(w))) made.insert(other.name);
      if (made.size() >= fewest) continue;
      fewest = made.size();
      best = i;
    }
    return candidates[best];
  }

  bool plain_is_asked(Value w) const {
    const auto found = asked_.find(w);
    if (found == asked_.end()) return false;
    return std::any_of(found->second.begin(), found->second.end(), [](const Layout& l) { return l.is_plain(); });
  }

  void add_input(int index) {
    const Node& node = graph_.node(index);
    add_state(index, node.outputs[0]);
    const int p = first_[{index, 0}];
    if (const Tensor* value = graph_.known({index, 0}); value && !survey_) {
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
    if (!survey_) starts_.emplace_back(first_[{index, 0}], &tensor);
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
    if (survey_) asked_[v].push_back(layout);
    if (const auto found = have.find(layout.name); found != have.end()) return found->second;
    const Type& type = graph_.type(v);
    const std::string& name = graph_.node(v).name;
    const Tensor* tensor = constant_of(v);
    const bool anew = tensor && options_.lean && prepared_anew(tensor->bytes(), layout.bytes);
    if (tensor && !anew) {
      const int p = new_value(name, type, layout, Residence::constant);
      if (survey_) {
        remember(v, p);
        return p;
      }
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
    const int from = anew ? in_layout(v, plain_layout(type)) : first_.at(v);
    PlannedStep step;
    step.name = "reorder of " + name;
    step.op = "reorder";
    if (!survey_) step.lowering = backend_.reorder(type, plan_.values[static_cast<size_t>(from)].layout, layout);
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
    Request request{
        graph_,        index, layouts, {constant.get(), node.inputs.size()}, values, {used.get(), node.outputs.size()},
        options_.group};
    if (!node.outputs.empty() && !wanted.contains({index, 0}))
      request.readers = all_uses_[static_cast<size_t>(index)][0];
    Answer answer = backend_.lower(request);
    require(!answer.choices.empty(), ErrorKind::internal, "no implementation for {} \"{}\"", node.op->name, node.name);
    const size_t choice = choose(node, answer);
    PlannedStep step;
    step.node = index;
    step.name = node.name;
    step.op = node.op->name;
    step.lowering = std::move(answer.choices[choice]);
    step.refusals = std::move(answer.refusals);
    if (!survey_) choices_.steps[node.name] = {step.lowering.implementation, layouts_text(step.lowering)};
    // While surveying, what an update asks for says nothing: it takes whatever its weights live in.
    const bool silent = survey_ && node.op == &ops::update;
    for (size_t i = 0; i < node.inputs.size() && !silent; ++i)
      step.in.push_back(node.inputs[i] ? in_layout(node.inputs[i], step.lowering.inputs[i]) : -1);
    for (const Value input : node.inputs)
      if (input && !survey_) let_go(input, wanted);
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

  // Which of the choices: what the plan says, what is fastest, or the first.
  size_t choose(const Node& node, const Answer& answer) const {
    const auto& choices = answer.choices;
    if (!given_) {
      if (choices.size() == 1 || !options_.tune) return 0;
      return choose_fastest(answer, input_types(node), key(node));
    }
    const auto found = given_->steps.find(node.name);
    require(found != given_->steps.end(), ErrorKind::usage, "the plan has no {} \"{}\": it was made for another graph",
            node.op->name, node.name);
    const auto [implementation, layouts] = std::pair(found->second.implementation, found->second.layouts);
    for (size_t i = 0; i < choices.size(); ++i)
      if (choices[i].implementation == implementation && layouts_text(choices[i]) == layouts) return i;
    // While surveying, what carried values live in is not known yet.
    for (size_t i = 0; survey_ && i < choices.size(); ++i)
      if (choices[i].implementation == implementation) return i;
    std::vector<std::string> offered;
    for (const Lowering& choice : choices)
      offered.push_back(fmt::format("{} ({})", choice.implementation, layouts_text(choice)));
    fail(ErrorKind::usage, "{} \"{}\": the plan says {} ({}), this machine offers {}", node.op->name, node.name,
         implementation, layouts, fmt::join(offered, "; "));
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

  // At the end of a run, from → the memory of to. A source that is itself overwritten by a carry is saved first.
  void add_carries() {
    for (const Carry& carry : work_.carry) {
      const Type& type = graph_.type(carry.to);
      require(graph_.type(carry.from) == type, ErrorKind::usage, "cannot carry {} into {} \"{}\"",
              to_string(graph_.type(carry.from)), to_string(type), graph_.node(carry.to).name);
      const int to = first_.at(carry.to);
      plan_.values[static_cast<size_t>(to)].carried = true;
      impl_->states_by_name[graph_.node(carry.to).name] = to;
      const Layout layout = plan_.values[static_cast<size_t>(to)].layout;
      int from = in_layout(carry.from, layout);
      if (plan_.values[static_cast<size_t>(from)].residence == Residence::state && from != to) {
        const int saved =
            new_value("saved " + plan_.values[static_cast<size_t>(from)].name, type, layout, Residence::arena);
        append_copy(plan_, from, saved, "save of");
        from = saved;
      }
      plan_.carries.emplace_back(from, to);
    }
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
    choices_.backend = backend_.fingerprint();
    impl_->plan_text = to_text(choices_);
    impl_->build(std::move(plan_));
    for (const auto& [value, tensor] : starts_) impl_->write_state(value, *tensor);
  }

  Optimised work_;
  const Graph& graph_;
  Backend& backend_;
  const CompileOptions& options_;
  const Choices* given_;
  std::map<int, Layout> state_layouts_;
  bool survey_ = false;
  std::map<Value, std::vector<Layout>> asked_;         // while surveying
  std::vector<std::pair<int, const Tensor*>> starts_;  // what carried parameters begin with
  Choices choices_;
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
  std::optional<Choices> given;
  PlanBook* book = PlanBook::current();
  const std::string follow = options.plan.empty() && book ? book->next() : options.plan;
  if (!follow.empty()) {
    given = parse_choices(follow);
    require(given->backend == backend.fingerprint(), ErrorKind::usage,
            "the plan was made by \"{}\", this is \"{}\": the same bits cannot be promised", given->backend,
            backend.fingerprint());
  }
  const Choices* plan = given ? &*given : nullptr;
  Optimised work = optimise(graph, wants, std::move(weights), options);
  std::map<int, Layout> states;
  const bool updates = std::any_of(work.graph.nodes().begin(), work.graph.nodes().end(),
                                   [](const Node& node) { return node.op == &ops::update; });
  if (updates && options.level >= 3) states = Compiler(work, backend, options, plan).survey();
  Program program;
  program.impl_ = Compiler(std::move(work), backend, options, plan, std::move(states)).compile();
  if (book) book->add(program.plan());
  return program;
}

}  // namespace fovea
