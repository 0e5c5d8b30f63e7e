#include "fovea/formats/torch_state.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "fovea/base/error.h"
#include "fovea/formats/tensor_bytes.h"

namespace fovea {

namespace {

// Under these keys training scripts keep the weights, the likeliest first.
constexpr std::string_view kNested[] = {"state_dict", "model_state_dict", "model_state",    "model",
                                        "net",        "network",          "net_state_dict", "params",
                                        "weights",    "module",           "params_ema",     "state_dict_ema",
                                        "model_ema",  "ema_model",        "ema_state_dict", "ema"};
constexpr size_t kDeepest = 64;
constexpr size_t kLongestName = 4096;
constexpr size_t kMostText = size_t{256} << 20;  // all names and values together

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  return result;
}

class StateReader {
 public:
  StateReader(const PickleHeap& heap, const std::function<Tensor(PickleRef)>& make, WeightsFile& result)
      : heap_(heap), make_(make), result_(result) {}

  void read(PickleRef root) {
    find_tensors(root);
    PickleRef found = root;
    for (size_t depth = 0; depth < kDeepest; ++depth) {
      const std::optional<PickleRef> inner = nested(found);
      if (!inner) break;
      found = *inner;
    }
    collect(found, "", 0);
    require(!result_.weights.empty(), ErrorKind::format, "{}: there is no tensor in it", heap_.file().label());
    for (const std::string_view prefix : {"module.", "_orig_mod.", "module."}) strip(prefix);
  }

 private:
  const PickleValue& at(PickleRef ref) const { return heap_[ref]; }
  bool holds(PickleRef ref) const { return holds_[ref]; }

  // What a value is a container of: an object's attributes are a dictionary.
  PickleRef opened(PickleRef ref) const {
    for (int depth = 0; depth < 4; ++depth) {
      const PickleValue& value = at(ref);
      if (value.kind == PickleKind::object && value.items.size() == 3) ref = value.items[2];
      else break;
    }
    return ref;
  }

  // Marks every value from which a tensor can be reached; one visit each, without recursion.
  void find_tensors(PickleRef root) {
    holds_.assign(heap_.size(), false);
    std::vector<bool> seen(heap_.size(), false);
    struct Visit {
      PickleRef ref;
      size_t next;
    };
    std::vector<Visit> path{{root, 0}};
    seen[root] = true;
    while (!path.empty()) {
      Visit& visit = path.back();
      const PickleRef ref = visit.ref;
      const PickleValue& value = at(ref);
      if (value.kind == PickleKind::tensor || value.kind == PickleKind::array) holds_[ref] = true;
      if (visit.next < value.items.size()) {
        const PickleRef item = value.items[visit.next++];
        if (!seen[item]) {
          seen[item] = true;
          path.push_back({item, 0});
        } else if (holds_[item]) {
          holds_[ref] = true;
        }
        continue;
      }
      path.pop_back();
      if (!path.empty() && holds_[ref]) holds_[path.back().ref] = true;
    }
  }

  // Keys are texts in weights; elsewhere in a checkpoint they may be numbers and tuples.
  std::string key_text(PickleRef ref) const {
    const PickleValue& key = at(ref);
    require(key.text.size() <= kLongestName, ErrorKind::format, "{}: a key has {} characters", heap_.file().label(),
            key.text.size());
    if (const auto text = scalar_text(key)) return *text;
    if (key.kind == PickleKind::bytes) return std::string(key.text);
    return (key.kind == PickleKind::tuple ? list_text(key) : std::nullopt).value_or("?");
  }

  // The entry of a checkpoint that is its state dict: one with a known key, or the only one that holds tensors.
  std::optional<size_t> state_entry(const PickleValue& outer) const {
    const auto is_state = [&](size_t i) {
      return at(outer.items[i + 1]).kind == PickleKind::dict && holds(outer.items[i + 1]);
    };
    for (const std::string_view name : kNested)
      for (size_t i = 0; i + 1 < outer.items.size(); i += 2)
        if (at(outer.items[i]).text == name && is_state(i)) return i;
    std::optional<size_t> only;
    for (size_t i = 0; i + 1 < outer.items.size(); i += 2) {
      if (!holds(outer.items[i + 1]) || is_optimiser(key_text(outer.items[i]), outer.items[i + 1])) continue;
      if (only || !is_state(i)) return {};
      only = i;
    }
    return only;
  }

  // Steps from a checkpoint into its state dict, if this is a checkpoint; what stands beside it becomes metadata or a
  // note.
  std::optional<PickleRef> nested(PickleRef ref) {
    const PickleValue& outer = at(ref);
    if (outer.kind != PickleKind::dict) return {};
    const std::optional<size_t> chosen = state_entry(outer);
    if (!chosen || !entered_.insert(ref).second) return {};
    for (size_t i = 0; i + 1 < outer.items.size(); i += 2)
      if (i != *chosen) left_out(key_text(outer.items[i]), outer.items[i + 1]);
    const std::string key = key_text(outer.items[*chosen]);
    if (key != "state_dict") result_.notes.push_back(fmt::format("the weights are those under \"{}\"", shown(key)));
    return outer.items[*chosen + 1];
  }

  bool is_optimiser(const std::string& key, PickleRef ref) const {
    const PickleKind kind = at(ref).kind;
    if (kind != PickleKind::dict && kind != PickleKind::list && kind != PickleKind::tensor) return false;
    constexpr size_t kLook = 64;  // it is among the first
    const std::string name = lower(key);
    for (const std::string_view part : {"optim", "scheduler", "scaler", "rng_state"})
      if (name.find(part) != name.npos) return true;
    const PickleValue& value = at(ref);
    if (value.kind == PickleKind::dict)
      for (size_t i = 0; i + 1 < std::min(value.items.size(), kLook); i += 2)
        if (at(value.items[i]).text == "param_groups") return true;
    return false;
  }

  // What stands beside the state dict: a note or metadata.
  void left_out(const std::string& key, PickleRef ref) {
    if (is_optimiser(key, ref))
      result_.notes.push_back(fmt::format("the optimiser's state (\"{}\") is left out", shown(key)));
    else if (at(ref).kind == PickleKind::tensor && heap_.tensor(ref).shape.size() <= 1 && is_single(ref))
      add_number(key, ref);
    else if (holds(ref)) result_.notes.push_back(fmt::format("\"{}\" holds tensors too; it is left out", shown(key)));
    else collect(ref, key, 1);
  }

  bool is_single(PickleRef ref) const {
    const std::vector<int64_t>& shape = heap_.tensor(ref).shape;
    return shape.empty() || shape[0] == 1;
  }

  // A tensor of one value beside the state dict, such as best_acc1.
  void add_number(const std::string& key, PickleRef ref) {
    try {
      add_metadata(key, fmt::format("{}", make_(ref).at(0)));
    } catch (const Error&) {
      result_.notes.push_back(fmt::format("\"{}\" cannot be read; it is left out", shown(key)));
    }
  }

  void count_text(size_t size) {
    text_ += size;
    require(text_ <= kMostText, ErrorKind::format, "{}: its names and texts unpack to more than {} MiB",
            heap_.file().label(), kMostText >> 20);
  }

  void add_metadata(const std::string& name, std::string value) {
    count_text(name.size() + value.size());
    result_.metadata.insert_or_assign(name, std::move(value));
  }

  std::optional<std::string> scalar_text(const PickleValue& value) const {
    switch (value.kind) {
      case PickleKind::none: return "None";
      case PickleKind::boolean: return value.integer ? "true" : "false";
      case PickleKind::integer: return std::to_string(value.integer);
      case PickleKind::real: return fmt::format("{}", value.real);
      case PickleKind::text: return std::string(value.text);
      default: return {};
    }
  }

  // "[30, 60]" for a short list of scalars.
  std::optional<std::string> list_text(const PickleValue& value) const {
    constexpr size_t kMostItems = 64;
    if (value.items.size() > kMostItems) return {};
    std::string text;
    for (const PickleRef item : value.items) {
      if (at(item).text.size() > kLongestName) return {};
      const std::optional<std::string> part = scalar_text(at(item));
      if (!part || text.size() > kLongestName) return {};
      text += (text.empty() ? "" : ", ") + *part;
    }
    return "[" + text + "]";
  }

  void add_tensor(PickleRef ref, const std::string& name) {
    const std::string known = name.empty() ? "tensor" : name;
    count_text(2 * known.size());
    require(!result_.weights.contains(known), ErrorKind::format, "{}: the tensor \"{}\" is there twice",
            heap_.file().label(), shown(known));
    try {
      result_.weights.emplace(known, make_(ref));
    } catch (const Error& error) {
      throw error.within(fmt::format("{}: tensor \"{}\"", heap_.file().label(), shown(known)));
    }
    result_.order.push_back(known);
  }

  // Tensors from here on become weights, and scalars metadata, by their path.
  void collect(PickleRef ref, const std::string& name, size_t depth) {
    require(depth <= kDeepest && name.size() <= kLongestName, ErrorKind::format,
            "{}: \"{}\" is nested deeper than {} levels or its name is too long", heap_.file().label(), shown(name),
            kDeepest);
    ref = opened(ref);
    const PickleValue& value = at(ref);
    if (value.kind == PickleKind::tensor || value.kind == PickleKind::array) return add_tensor(ref, name);
    if (const auto text = scalar_text(value)) return add_metadata(name.empty() ? "value" : name, *text);
    const bool list = value.kind == PickleKind::list || value.kind == PickleKind::tuple;
    if (!list && value.kind != PickleKind::dict) return;
    if (list && !holds(ref)) {
      if (const auto text = list_text(value)) add_metadata(name, *text);
      else result_.notes.push_back(fmt::format("\"{}\", a list of {}, is left out", shown(name), value.items.size()));
      return;
    }
    if (!visited_.insert(ref).second) {  // shared or a cycle: never expanded twice
      if (holds(ref)) result_.notes.push_back(fmt::format("\"{}\" repeats another part; it is left out", shown(name)));
      return;
    }
    const auto join = [&](const std::string& key) { return name.empty() ? key : name + "." + key; };
    for (size_t i = 0; list && i < value.items.size(); ++i) collect(value.items[i], join(std::to_string(i)), depth + 1);
    for (size_t i = 0; !list && i + 1 < value.items.size(); i += 2) {
      const std::string key = key_text(value.items[i]);
      const PickleRef item = value.items[i + 1];
      const PickleKind kind = at(item).kind;
      if (kind == PickleKind::dict && holds(item) && is_optimiser(key, item)) left_out(key, item);
      else collect(item, join(key), depth + 1);
    }
  }

  void strip(std::string_view prefix) {
    const bool all = std::ranges::all_of(
        result_.order, [&](const std::string& n) { return n.size() > prefix.size() && n.starts_with(prefix); });
    if (!all || result_.order.empty()) return;
    Weights renamed;
    for (std::string& name : result_.order) {
      auto node = result_.weights.extract(name);
      name = name.substr(prefix.size());
      node.key() = name;
      renamed.insert(std::move(node));
    }
    result_.weights = std::move(renamed);
    result_.notes.push_back(fmt::format("the prefix \"{}\" is removed from every name", prefix));
  }

  const PickleHeap& heap_;
  const std::function<Tensor(PickleRef)>& make_;
  WeightsFile& result_;
  std::vector<bool> holds_;
  std::unordered_set<PickleRef> visited_, entered_;
  size_t text_ = 0;
};

}  // namespace

void read_torch_state(const PickleHeap& heap, PickleRef root, const std::function<Tensor(PickleRef)>& make,
                      WeightsFile& result) {
  StateReader(heap, make, result).read(root);
}

}  // namespace fovea
