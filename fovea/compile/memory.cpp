// Memory planning: sharing first, then lifetimes, then offsets in one arena.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "fovea/compile/plan.h"

namespace fovea {

namespace {

struct Lifetime {
  int first = -1, last = -1;  // steps
  void cover(int step) {
    if (first < 0 || step < first) first = step;
    if (step > last) last = step;
  }
};

Physical& at(Plan& plan, int value) { return plan.values[static_cast<size_t>(value)]; }
const Physical& at(const Plan& plan, int value) { return plan.values[static_cast<size_t>(value)]; }

// Lifetime of every value alone.
std::vector<Lifetime> value_lifetimes(const Plan& plan) {
  std::vector<Lifetime> life(plan.values.size());
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    for (const int v : plan.steps[s].in)
      if (v >= 0) life[static_cast<size_t>(v)].cover(static_cast<int>(s));
    for (const int v : plan.steps[s].out)
      if (v >= 0) life[static_cast<size_t>(v)].cover(static_cast<int>(s));
  }
  for (const int v : plan.wants) life[static_cast<size_t>(v)].cover(static_cast<int>(plan.steps.size()));
  return life;
}

// The last step that touches a root's storage through any of its values.
std::vector<int> last_uses(const Plan& plan, const std::vector<Lifetime>& life) {
  std::vector<int> last(plan.values.size(), -1);
  for (size_t v = 0; v < plan.values.size(); ++v) {
    const auto root = static_cast<size_t>(plan.root(static_cast<int>(v)).first);
    last[root] = std::max(last[root], life[v].last);
  }
  return last;
}

// Whether the zeros of a closed gate are never looked at: whoever takes them is left out itself, or passes its other
// operand on. Only then may an open gate's output be its input.
bool zeros_are_unread(const Plan& plan, const PlannedStep& gate) {
  const int out = gate.out[0];
  if (gate.gate < 0 || at(plan, gate.gate).residence != Residence::state) return false;
  if (std::count(plan.wants.begin(), plan.wants.end(), out) > 0) return false;
  for (const PlannedStep& step : plan.steps)
    for (size_t i = 0; i < step.in.size(); ++i) {
      if (step.in[i] != out) continue;
      const bool left_out = step.is_add || (i < 32 && (step.zero_in_zero_out >> i & 1) != 0);
      if (!left_out || !step.lowering.views.empty() || !step.lowering.places.empty()) return false;
    }
  return true;
}

// The step that makes a value, or -1.
int maker_of(const Plan& plan, int value) {
  for (size_t s = plan.steps.size(); s-- > 0;)
    if (std::count(plan.steps[s].out.begin(), plan.steps[s].out.end(), value) > 0) return static_cast<int>(s);
  return -1;
}

// Whether the step that makes `from` may write it over `to`: nothing reads `to` later, nor in that step, unless the
// step is made for it.
bool may_overwrite(const Plan& plan, int from, int to, const std::vector<Lifetime>& life) {
  const Physical &source = plan.values[static_cast<size_t>(from)], &target = plan.values[static_cast<size_t>(to)];
  if (source.parent >= 0 || source.residence != Residence::arena || source.layout.name != target.layout.name ||
      source.layout.bytes != target.layout.bytes)
    return false;
  const int maker = maker_of(plan, from), last = life[static_cast<size_t>(to)].last;
  if (maker < 0 || last > maker) return false;
  if (last < maker) return true;
  const PlannedStep& step = plan.steps[static_cast<size_t>(maker)];
  if (std::count(step.in.begin(), step.in.end(), to) > 1) return false;
  return std::any_of(step.lowering.in_place.begin(), step.lowering.in_place.end(), [&](const Lowering::InPlace& pair) {
    return step.in[static_cast<size_t>(pair.input)] == to && step.out[static_cast<size_t>(pair.output)] == from;
  });
}

void arrange_carries(Plan& plan, bool share) {
  const std::vector<Lifetime> life = value_lifetimes(plan);
  std::vector<std::pair<int, int>> copied;
  std::vector<bool> taken(plan.values.size(), false);
  for (const auto& [from, to] : plan.carries) {
    if (from == to) continue;
    if (share && !taken[static_cast<size_t>(to)] && may_overwrite(plan, from, to, life)) {
      at(plan, from).parent = to;
      at(plan, from).offset = 0;
      at(plan, from).residence = Residence::state;
      taken[static_cast<size_t>(to)] = true;
    } else {
      copied.emplace_back(from, to);
    }
  }
  for (const auto& [from, to] : copied) append_copy(plan, from, to, "carry of");
}

void arrange_views(Plan& plan) {
  for (PlannedStep& step : plan.steps) {
    if (step.op == "gate" && !zeros_are_unread(plan, step)) continue;
    for (const Lowering::View& view : step.lowering.views) {
      const int out = step.out[static_cast<size_t>(view.output)], in = step.in[static_cast<size_t>(view.input)];
      if (out < 0 || in < 0 || at(plan, out).parent >= 0 || at(plan, out).residence != Residence::arena) continue;
      if (at(plan, plan.root(in).first).carried) continue;  // the view would change when the carry overwrites the state
      at(plan, out).parent = in;
      at(plan, out).offset = view.offset;
      at(plan, out).residence = at(plan, in).residence;
    }
  }
}

// Concatenations in place, last one first: DenseNet's concatenations of concatenations then nest as prefixes of the
// largest.
void arrange_places(Plan& plan) {
  for (size_t s = plan.steps.size(); s-- > 0;) {
    PlannedStep& step = plan.steps[s];
    if (step.lowering.places.empty()) continue;
    const int out = step.out[0];
    // Do all inputs already lie in one storage, in the right order? Then the result is a window on it.
    int common = -1;
    size_t base = 0;
    bool nested = at(plan, out).parent < 0 && at(plan, out).residence == Residence::arena &&
                  step.lowering.places.size() == step.in.size();
    for (const auto& place : step.lowering.places) {
      const auto [root, offset] = plan.root(step.in[static_cast<size_t>(place.input)]);
      const bool placed = at(plan, step.in[static_cast<size_t>(place.input)]).parent >= 0;
      if (common < 0) {
        common = root;
        nested = nested && offset >= place.offset;
        base = offset - place.offset;
      }
      nested = nested && placed && root == common && offset == base + place.offset && root != plan.root(out).first;
    }
    if (nested) {
      at(plan, out).parent = common;
      at(plan, out).offset = base;
      continue;
    }
    for (const auto& place : step.lowering.places) {
      const int in = step.in[static_cast<size_t>(place.input)];
      // Only a value with a storage of its own can be moved; a view of something moves with its root if it is all of
      // it.
      const auto [root, offset] = plan.root(in);
      if (root == plan.root(out).first || at(plan, root).residence != Residence::arena || offset != 0 ||
          at(plan, root).layout.bytes != at(plan, in).layout.bytes)
        continue;
      at(plan, root).parent = out;
      at(plan, root).offset = place.offset;
    }
  }
}

void arrange_in_place(Plan& plan) {
  const std::vector<Lifetime> life = value_lifetimes(plan);
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    PlannedStep& step = plan.steps[s];
    std::vector<int> arranged;  // outputs and inputs that have their place
    for (const Lowering::InPlace& pair : step.lowering.in_place) {
      const int out = step.out[static_cast<size_t>(pair.output)], in = step.in[static_cast<size_t>(pair.input)];
      if (out < 0 || in < 0) continue;
      if (std::count(arranged.begin(), arranged.end(), out) + std::count(arranged.begin(), arranged.end(), in) > 0)
        continue;
      if (std::count(step.in.begin(), step.in.end(), in) > 1) continue;
      const auto [root, offset] = plan.root(in);
      const size_t bytes = at(plan, out).layout.bytes;
      if (at(plan, root).residence != Residence::arena || offset != 0 || at(plan, root).layout.bytes != bytes ||
          root == plan.root(out).first)
        continue;
      if (last_uses(plan, life)[static_cast<size_t>(root)] > static_cast<int>(s)) continue;
      if (at(plan, out).parent < 0 && at(plan, out).residence == Residence::arena) {
        at(plan, out).parent = root;  // the output moves to the input's storage
        at(plan, out).offset = 0;
      } else if (at(plan, plan.root(out).first).residence == Residence::arena && at(plan, root).parent < 0) {
        at(plan, root).parent = out;  // the output has its place (inside a concatenation): the input moves there
        at(plan, root).offset = 0;
      } else {
        continue;
      }
      arranged.insert(arranged.end(), {out, in});
    }
  }
}

void drop_shared(Plan& plan) {
  for (PlannedStep& step : plan.steps) {
    if (!step.lowering.free_if_shared) continue;
    bool shared = true;
    for (const auto& view : step.lowering.views) {
      const int out = step.out[static_cast<size_t>(view.output)], in = step.in[static_cast<size_t>(view.input)];
      if (out < 0) continue;
      const auto a = plan.root(out), b = plan.root(in);
      shared = shared && a.first == b.first && a.second == b.second + view.offset;
    }
    for (const auto& place : step.lowering.places) {
      const auto a = plan.root(step.in[static_cast<size_t>(place.input)]), b = plan.root(step.out[0]);
      shared = shared && a.first == b.first && a.second == b.second + place.offset;
    }
    step.dropped = shared;
  }
}

struct Piece {
  size_t size;
  Lifetime life;
  int value = -1, step = -1;  // whose storage, or whose scratch
  size_t offset = 0;
};

size_t place_pieces(std::vector<Piece>& pieces) {
  std::vector<size_t> order(pieces.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return pieces[a].size > pieces[b].size; });
  std::vector<size_t> placed;  // sorted by offset
  size_t total = 0;
  for (const size_t i : order) {
    Piece& piece = pieces[i];
    size_t offset = 0;
    for (const size_t j : placed) {
      const Piece& other = pieces[j];
      if (other.life.first > piece.life.last || other.life.last < piece.life.first) continue;
      if (other.offset >= offset + piece.size) break;
      offset = std::max(offset, other.offset + other.size);
    }
    piece.offset = offset;
    total = std::max(total, offset + piece.size);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](size_t a, size_t b) { return pieces[a].offset < pieces[b].offset; }),
                  i);
  }
  return total;
}

}  // namespace

void schedule_updates(Plan& plan) {
  const size_t count = plan.steps.size();
  std::vector<int> maker(plan.values.size(), -1);
  std::vector<std::vector<size_t>> readers(plan.values.size());
  for (size_t s = 0; s < count; ++s) {
    for (const int v : plan.steps[s].out)
      if (v >= 0) maker[static_cast<size_t>(v)] = static_cast<int>(s);
    for (const int v : plan.steps[s].in)
      if (v >= 0) readers[static_cast<size_t>(v)].push_back(s);
  }
  std::vector<size_t> after(count);  // the last step that has to come before, for updates; others keep their order
  const auto is_update = [&](size_t s) { return plan.steps[s].op == "update"; };
  for (size_t s = 0; s < count; ++s) {
    after[s] = s;
    if (!is_update(s)) continue;
    const PlannedStep& step = plan.steps[s];
    size_t last = 0;
    for (const int v : step.in)
      if (v >= 0 && maker[static_cast<size_t>(v)] >= 0)
        last = std::max(last, after[static_cast<size_t>(maker[static_cast<size_t>(v)])]);
    for (const Lowering::InPlace& pair : step.lowering.in_place) {
      const int overwritten = step.in[static_cast<size_t>(pair.input)];
      if (overwritten < 0) continue;
      for (const size_t reader : readers[static_cast<size_t>(overwritten)])
        if (reader < s) last = std::max(last, after[reader]);
    }
    after[s] = last;
  }
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return after[a] != after[b] ? after[a] < after[b] : is_update(a) < is_update(b);
  });
  std::vector<PlannedStep> steps;
  for (const size_t s : order) steps.push_back(std::move(plan.steps[s]));
  plan.steps = std::move(steps);
}

void append_copy(Plan& plan, int from, int to, std::string_view what) {
  PlannedStep step;
  step.name = fmt::format("{} {}", what, at(plan, to).name);
  step.op = "copy";
  const size_t bytes = at(plan, from).layout.bytes;
  step.lowering.implementation = "memcpy";
  step.lowering.inputs = {at(plan, from).layout};
  step.lowering.outputs = {at(plan, to).layout};
  step.lowering.run = [bytes](const Buffers& b) { std::memcpy(b.out[0], b.in[0], bytes); };
  step.in = {from};
  step.out = {to};
  plan.steps.push_back(std::move(step));
}

void plan_memory(Plan& plan, bool share) {
  arrange_carries(plan, share);
  if (share) {
    arrange_views(plan);
    arrange_places(plan);
    arrange_in_place(plan);
    drop_shared(plan);
  }
  const std::vector<Lifetime> life = value_lifetimes(plan);
  std::vector<Lifetime> storage(plan.values.size());
  for (size_t v = 0; v < plan.values.size(); ++v) {
    if (life[v].first < 0) continue;
    Lifetime& whole = storage[static_cast<size_t>(plan.root(static_cast<int>(v)).first)];
    whole.cover(life[v].first);
    whole.cover(life[v].last);
  }
  std::vector<Piece> pieces;
  const auto rounded = [](size_t size) { return (size + 127) / 128 * 128; };
  for (size_t v = 0; v < plan.values.size(); ++v)
    if (plan.values[v].parent < 0 && plan.values[v].residence == Residence::arena && storage[v].first >= 0)
      pieces.push_back({rounded(plan.values[v].layout.bytes), storage[v], static_cast<int>(v), -1});
  for (size_t s = 0; s < plan.steps.size(); ++s)
    if (plan.steps[s].lowering.scratch > 0 && !plan.steps[s].dropped)
      pieces.push_back({rounded(plan.steps[s].lowering.scratch),
                        {static_cast<int>(s), static_cast<int>(s)},
                        -1,
                        static_cast<int>(s)});
  plan.arena_size = place_pieces(pieces);
  for (const Piece& piece : pieces) {
    if (piece.value >= 0) plan.values[static_cast<size_t>(piece.value)].offset = piece.offset;
    else plan.steps[static_cast<size_t>(piece.step)].scratch_offset = piece.offset;
  }
}

}  // namespace fovea
