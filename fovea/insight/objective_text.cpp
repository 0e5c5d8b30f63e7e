// Objectives as text: sum = product {(+|−) product}, product = factor {* factor}, factor = [−] number | name(arguments)
// | LAYER:UNIT | (sum).
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/insight/class_scores.h"
#include "fovea/insight/objective.h"
#include "fovea/model/labels.h"

namespace fovea {

namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](unsigned char c) { return std::tolower(c); });
  return result;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

std::optional<int64_t> whole_number(std::string_view text) {
  text = trimmed(text);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return {};
  return value;
}

std::optional<double> real_number(std::string_view text) {
  text = trimmed(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty() || !std::isfinite(value)) return {};
  return value;
}

struct Argument {
  std::string text;
  size_t at = 0;  // where it begins
};

const std::vector<std::string>& functions() {
  static const std::vector<std::string> names = {"channel",   "neuron",        "direction", "class",           "logit",
                                                 "layer",     "deepdream",     "tv",        "total_variation", "l2",
                                                 "diversity", "interpolation", "alpha_norm"};
  return names;
}

constexpr int kDeepest = 64;

class Parser {
 public:
  Parser(const Model& model, std::string_view text, size_t offset, int depth)
      : model_(model), text_(text), offset_(offset), depth_(depth) {
    require(depth < kDeepest, ErrorKind::usage, "nested more than {} deep", kDeepest);
  }

  PictureObjective whole() {
    const PictureObjective result = sum();
    if (!at_end()) wrong(fmt::format("\"{}\" is not expected here", text_.substr(at_, 12)));
    return result;
  }

 private:
  template <class F>
  auto located(size_t at, F&& f) const {
    try {
      return f();
    } catch (const Error& e) {
      if (e.message().starts_with("character ")) throw;
      throw e.within(fmt::format("character {}", offset_ + at + 1));
    }
  }

  [[noreturn]] void wrong(const std::string& what) const { wrong_at(at_, what); }
  [[noreturn]] void wrong_at(size_t at, const std::string& what) const {
    fail(ErrorKind::usage, "character {}: {}", offset_ + at + 1, what);
  }
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool at_end() {
    skip();
    return at_ == text_.size();
  }
  bool take(char c) {
    skip();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  PictureObjective sum() {
    PictureObjective result = product();
    for (;;) {
      if (take('+')) result = result + product();
      else if (take('-')) result = result - product();
      else return result;
    }
  }

  PictureObjective product() {
    PictureObjective result = factor();
    while (take('*')) result = result * factor();
    return result;
  }

  PictureObjective factor() {
    if (++depth_ > kDeepest) wrong(fmt::format("nested more than {} deep", kDeepest));
    struct Leave {
      int& depth;
      ~Leave() { --depth; }
    } leave{depth_};
    if (take('-')) return -factor();
    if (take('(')) {
      const PictureObjective inside = sum();
      if (!take(')')) wrong("expected )");
      return inside;
    }
    if (at_end()) wrong("expected an objective such as channel(LAYER, UNIT)");
    if (std::isdigit(static_cast<unsigned char>(text_[at_])) || text_[at_] == '.') return number();
    return named();
  }

  PictureObjective number() {
    double value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc() || !std::isfinite(value)) wrong("expected a number");
    at_ = static_cast<size_t>(end - text_.data());
    return constant_objective(value);
  }

  // A name up to what cannot be part of a layer's.
  PictureObjective named() {
    const size_t begin = at_;
    std::string name;
    if (text_[at_] == '"') name = quoted_text();
    else
      while (at_ < text_.size() && std::string_view(" \t\n+*(),\"").find(text_[at_]) == std::string_view::npos)
        name += text_[at_++];
    if (name.empty()) wrong(fmt::format("\"{}\" is not expected here", text_.substr(at_, 1)));
    if (take('(')) return call(lower(name), begin, arguments());
    if (at_ < text_.size() && text_[at_] == ':') name += text_[at_++] + digits();  // "layer":3
    const size_t colon = name.rfind(':');
    const auto unit = colon == std::string::npos ? std::nullopt : whole_number(name.substr(colon + 1));
    if (!unit)
      wrong_at(begin,
               fmt::format("\"{}\" is no objective; expected one such as channel({}, 0) or {}:0", name, name, name));
    return located(begin, [&] { return channel(unit_layer(model_, name.substr(0, colon)), *unit); });
  }

  std::string digits() {
    std::string result;
    while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) result += text_[at_++];
    return result;
  }

  std::string quoted_text() {
    const size_t begin = at_++;
    const size_t end = text_.find('"', at_);
    if (end == std::string_view::npos) wrong_at(begin, "the quotes are not closed");
    std::string result(text_.substr(at_, end - at_));
    at_ = end + 1;
    return result;
  }

  // Up to the closing parenthesis; commas inside of parentheses and quotes do not separate.
  std::vector<Argument> arguments() {
    std::vector<Argument> result;
    if (take(')')) return result;
    skip();
    Argument now{"", at_};
    int depth = 0;
    bool quotes = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') quotes = !quotes;
      if (!quotes && depth == 0 && (c == ',' || c == ')')) {
        now.text = trimmed(now.text);
        result.push_back(std::move(now));
        if (c == ')') {
          ++at_;
          return result;
        }
        ++at_;
        skip();
        now = {"", at_--};
        continue;
      }
      if (!quotes) depth += (c == '(') - (c == ')');
      now.text += c;
    }
    wrong("expected )");
  }

  static std::string unquoted(const std::string& text) {
    return text.size() >= 2 && text.front() == '"' && text.back() == '"' ? text.substr(1, text.size() - 2) : text;
  }
  int64_t whole_of(const Argument& a, std::string_view what) const {
    const auto value = whole_number(a.text);
    if (!value) wrong_at(a.at, fmt::format("\"{}\" is no {}: expected a whole number", a.text, what));
    return *value;
  }
  double real_of(const Argument& a, std::string_view what) const {
    const auto value = real_number(a.text);
    if (!value) wrong_at(a.at, fmt::format("\"{}\" is no {}: expected a number", a.text, what));
    return *value;
  }
  void expect(const std::string& name, size_t at, const std::vector<Argument>& a, size_t least, size_t most,
              std::string_view form) const {
    if (a.size() < least || a.size() > most) wrong_at(at, fmt::format("{} takes {}", name, form));
  }

  PictureObjective call(const std::string& name, size_t at, const std::vector<Argument>& a) {
    if (name == "interpolation") {
      expect(name, at, a, 2, 2, "two objectives");
      return interpolation(nested(a[0]), nested(a[1]));
    }
    return located(at, [&] { return leaf(name, at, a); });
  }
  PictureObjective nested(const Argument& a) const {
    return Parser(model_, a.text, offset_ + a.at, depth_ + 1).whole();
  }

  UnitLayer layer_of(const Argument& a) const {
    return located(a.at, [&] { return unit_layer(model_, unquoted(a.text)); });
  }

  PictureObjective leaf(const std::string& name, size_t at, const std::vector<Argument>& a) const {
    if (name == "channel") {
      expect(name, at, a, 2, 2, "a layer and a unit: channel(LAYER, UNIT)");
      return channel(layer_of(a[0]), whole_of(a[1], "unit"));
    }
    if (name == "neuron") {
      expect(name, at, a, 2, 4, "a layer, a unit and perhaps a position: neuron(LAYER, UNIT, Y, X)");
      if (a.size() == 3) wrong_at(at, "neuron takes both Y and X, or none of them for the middle");
      const int64_t y = a.size() > 2 ? whole_of(a[2], "position") : -1,
                    x = a.size() > 3 ? whole_of(a[3], "position") : -1;
      if (a.size() > 2 && (y < 0 || x < 0)) wrong_at(a[2].at, "positions are counted from 0");
      return neuron(layer_of(a[0]), whole_of(a[1], "unit"), y, x);
    }
    if (name == "class" || name == "logit") {
      expect(name, at, a, 1, 1000, "the name or number of a class: class(goose)");
      std::string text = unquoted(a[0].text);  // names may hold commas
      for (size_t i = 1; i < a.size(); ++i) text += ", " + a[i].text;
      return class_score(model_, find_class(model_, text));
    }
    if (name == "direction") {
      expect(name, at, a, 2, 100000, "a layer and weights: direction(LAYER, UNIT:WEIGHT, UNIT:WEIGHT)");
      return direction_of(a);
    }
    return penalty(name, at, a);
  }

  PictureObjective direction_of(const std::vector<Argument>& a) const {
    std::vector<std::pair<int64_t, double>> weights;
    for (size_t i = 1; i < a.size(); ++i) {
      const size_t colon = a[i].text.find(':');
      const auto unit = whole_number(a[i].text.substr(0, colon));
      const auto weight = colon == std::string::npos ? std::nullopt : real_number(a[i].text.substr(colon + 1));
      if (!unit || !weight) wrong_at(a[i].at, fmt::format("\"{}\": expected UNIT:WEIGHT, such as 12:0.5", a[i].text));
      weights.emplace_back(*unit, *weight);
    }
    return direction(layer_of(a[0]), weights);
  }

  PictureObjective penalty(const std::string& name, size_t at, const std::vector<Argument>& a) const {
    if (name == "layer" || name == "deepdream") {
      expect(name, at, a, 1, 1, "a layer: layer(LAYER)");
      return layer_energy(model_, layer_of(a[0]).node);
    }
    if (name == "diversity") {
      expect(name, at, a, 1, 1, "a layer: diversity(LAYER)");
      return diversity(model_, layer_of(a[0]).node);
    }
    if (name == "l2") {
      expect(name, at, a, 0, 0, "nothing: l2()");
      return l2();
    }
    const std::string form = a.size() > 1 ? lower(unquoted(a[1].text)) : "sum";
    if (name == "tv" || name == "total_variation") {
      expect(name, at, a, 0, 2, "at most an exponent and a form: tv(2, mean)");
      const TotalVariation settings{a.empty() ? 2 : real_of(a[0], "exponent"), form};
      check_form(a, total_variation_forms(), form);
      return total_variation(settings);
    }
    if (name == "alpha_norm") {
      expect(name, at, a, 0, 2, "at most an exponent and a form: alpha_norm(6, pixel)");
      const AlphaNorm settings{a.empty() ? 6 : real_of(a[0], "exponent"), form};
      check_form(a, alpha_norm_forms(), form);
      return alpha_norm(settings);
    }
    wrong_at(at, fmt::format("there is no objective \"{}\"; known: {}{}", name,
                             "channel, neuron, direction, class, layer, tv, alpha_norm, l2, diversity, interpolation",
                             did_you_mean(name, functions())));
  }

  void check_form(const std::vector<Argument>& a, const std::vector<std::string>& forms,
                  const std::string& form) const {
    if (std::find(forms.begin(), forms.end(), form) != forms.end()) return;
    std::string known;
    for (const std::string& f : forms) known += (known.empty() ? "" : ", ") + f;
    wrong_at(a[1].at, fmt::format("there is no form \"{}\"; known: {}{}", form, known, did_you_mean(form, forms)));
  }

  const Model& model_;
  std::string_view text_;
  size_t offset_, at_ = 0;
  int depth_;
};

}  // namespace

PictureObjective parse_objective(const Model& model, std::string_view text) {
  try {
    return Parser(model, text, 0, 0).whole();
  } catch (const Error& e) { throw e.within(fmt::format("objective \"{}\"", text)); }
}

}  // namespace fovea
