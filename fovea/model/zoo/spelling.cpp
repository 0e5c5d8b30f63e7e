#include "fovea/model/zoo/spelling.h"

#include <cctype>

namespace fovea {

namespace {

std::vector<std::string> parts_of(std::string_view name) {
  std::vector<std::string> parts(1);
  for (const char c : name) {
    if (c == '.') parts.emplace_back();
    else parts.back().push_back(c);
  }
  return parts;
}

bool is_number(const std::string& part) {
  return !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
}

const std::map<std::string, std::string, std::less<>>& synonyms() {
  static const std::map<std::string, std::string, std::less<>> words = {
      {"shortcut", "downsample"},    {"linear", "fc"},
      {"gamma", "weight"},           {"beta", "bias"},
      {"kernel", "weight"},          {"moving_mean", "running_mean"},
      {"moving_var", "running_var"}, {"moving_variance", "running_var"}};
  return words;
}

}  // namespace

std::string plain_spelling(std::string_view name) {
  // timm's VGG: its fully connected layers have names of their own.
  static const std::pair<std::string_view, std::string_view> kHeads[] = {
      {"pre_logits.fc1.", "classifier.0."}, {"pre_logits.fc2.", "classifier.3."}, {"head.fc.", "classifier.6."}};
  std::string whole(name);
  for (const auto& [other, own] : kHeads)
    if (name.starts_with(other)) whole = std::string(own) + std::string(name.substr(other.size()));
  std::string text;
  const std::vector<std::string> parts = parts_of(whole);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == "module") continue;  // DataParallel
    std::string part = parts[i];
    if (const auto found = synonyms().find(part); found != synonyms().end()) part = found->second;
    const bool split = i > 0 && is_number(part) && (parts[i - 1] == "norm" || parts[i - 1] == "conv");  // old DenseNets
    if (!text.empty() && !split) text += '.';
    text += part;
  }
  return text;
}

SpellingTable::SpellingTable(const Weights& weights, const std::vector<std::pair<std::string, std::string>>& aliases) {
  const std::map<std::string, std::string> node_of(aliases.begin(), aliases.end());
  for (const auto& [name, tensor] : weights) {
    exact_.emplace(name, name);
    plain_.emplace(plain_spelling(name), name);
    const size_t dot = name.rfind('.');
    if (dot == std::string::npos) continue;
    if (const auto node = node_of.find(name.substr(0, dot)); node != node_of.end())
      plain_.emplace(plain_spelling(node->second + name.substr(dot)), name);
  }
}

const std::string* SpellingTable::find(const std::string& parameter) const {
  if (const auto found = exact_.find(parameter); found != exact_.end()) return &found->second;
  const auto found = plain_.find(plain_spelling(parameter));
  return found == plain_.end() ? nullptr : &found->second;
}

}  // namespace fovea
