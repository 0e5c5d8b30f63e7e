#include "fovea/data/relabelled.h"

#include <map>

#include "fovea/base/error.h"

namespace fovea {

namespace {

std::string plain_name(const std::string& name) {
  std::string plain = name.substr(0, name.find(','));
  for (char& c : plain) c = c == '_' ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return plain;
}

}  // namespace

std::optional<std::vector<int64_t>> matching_classes(const std::vector<std::string>& from,
                                                     const std::vector<std::string>& to) {
  std::map<std::string, std::vector<int64_t>> known;
  for (size_t i = 0; i < to.size(); ++i) known[plain_name(to[i])].push_back(static_cast<int64_t>(i));
  std::vector<int64_t> labels;
  for (const std::string& name : from) {
    const auto found = known.find(plain_name(name));
    if (found == known.end() || found->second.size() != 1) return std::nullopt;
    labels.push_back(found->second[0]);
  }
  if (labels.empty()) return std::nullopt;
  return labels;
}

int64_t Relabelled::relabelled(int64_t index, int64_t label) const {
  require(label >= 0 && label < static_cast<int64_t>(labels_.size()), ErrorKind::usage, "{}: label {} of {} classes",
          name(index), label, labels_.size());
  return labels_[static_cast<size_t>(label)];
}

Sample Relabelled::get(int64_t index) const {
  Sample sample = set_->get(index);
  sample.label = relabelled(index, sample.label);
  return sample;
}

}  // namespace fovea
