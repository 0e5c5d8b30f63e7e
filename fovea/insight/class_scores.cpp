#include "fovea/insight/class_scores.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/graph/op.h"
#include "fovea/model/conventions.h"
#include "fovea/model/labels.h"

namespace fovea {

namespace {

// Lower case, words apart by single blanks.
std::string plain(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool letter = std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80;
    if (letter) result.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    else if (!result.empty() && result.back() != ' ') result.push_back(' ');
  }
  while (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

std::vector<std::string> synonyms(std::string_view full) {
  std::vector<std::string> result = {plain(full)};
  while (!full.empty()) {
    const size_t end = std::min(full.find(','), full.size());
    result.push_back(plain(full.substr(0, end)));
    full.remove_prefix(std::min(end + 1, full.size()));
  }
  return result;
}

bool has_words(const std::string& text, const std::string& words) {
  return (" " + text + " ").find(" " + words + " ") != std::string::npos;
}

[[noreturn]] void ambiguous(const Model& model, std::string_view name, const std::vector<int64_t>& found) {
  constexpr size_t kListed = 12;
  std::string list;
  for (size_t i = 0; i < std::min(found.size(), kListed); ++i)
    list += fmt::format("{}{} ({})", i ? ", " : "", found[i], model.meaning.classes[static_cast<size_t>(found[i])]);
  if (found.size() > kListed) list += fmt::format(" and {} more", found.size() - kListed);
  fail(ErrorKind::usage, "\"{}\" may be any of {} classes: {}; say which by its number", name, found.size(), list);
}

}  // namespace

Value scores_before_softmax(const Graph& graph, Value scores) {
  Value v = scores;
  while (v) {
    const Node& node = graph.node(v);
    const bool softmax = node.op->name == "softmax" || node.op->name == "log_softmax";
    if (softmax && graph.shape(node.inputs[0]).count() == graph.shape(scores).count()) return node.inputs[0];
    const bool passes = node.op->name == "reshape" || node.op->name == "flatten" || node.op->name == "squeeze" ||
                        node.op->name == "identity" || node.op->name == "cast";
    if (!passes || node.inputs.empty()) break;
    v = node.inputs[0];
  }
  return scores;
}

int64_t class_count(const Model& model) {
  const Shape& s = model.graph.shape(scores_output(model));
  return s.rank() > 1 ? s.count(1, s.rank()) : s.count();
}

int64_t find_class(const Model& model, std::string_view name) {
  const int64_t count = class_count(model);
  int64_t number = 0;
  if (const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
      !name.empty() && end == name.data() + name.size()) {
    require(error == std::errc() && number >= 0 && number < count, ErrorKind::usage,
            "there is no class {}: the network has classes 0 to {}", name, count - 1);
    return number;
  }
  require(!model.meaning.classes.empty(), ErrorKind::usage,
          "the network's classes have no names, so \"{}\" cannot be looked up; give a number from 0 to {}, or names by "
          "--labels",
          name, count - 1);
  const std::string wanted = plain(name);
  require(!wanted.empty(), ErrorKind::usage, "\"{}\" is no name of a class", name);
  std::vector<int64_t> exact, holding;
  std::vector<std::string> names;
  for (int64_t i = 0; i < std::min(count, static_cast<int64_t>(model.meaning.classes.size())); ++i) {
    const std::vector<std::string> all = synonyms(model.meaning.classes[static_cast<size_t>(i)]);
    if (std::find(all.begin(), all.end(), wanted) != all.end()) exact.push_back(i);
    if (has_words(all[0], wanted)) holding.push_back(i);
    names.insert(names.end(), all.begin() + 1, all.end());
  }
  const std::vector<int64_t>& found = exact.empty() ? holding : exact;
  if (found.size() == 1) return found[0];
  if (found.size() > 1) ambiguous(model, name, found);
  constexpr int64_t kFew = 20;
  std::string hint = did_you_mean(wanted, names);
  if (hint.empty() && count <= kFew) hint = fmt::format("; the classes are {}", fmt::join(model.meaning.classes, ", "));
  fail(ErrorKind::usage, "there is no class \"{}\"{}", name, hint);
}

}  // namespace fovea
