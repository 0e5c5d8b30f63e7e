// A set of pictures under other labels: where a network numbers the same classes in another order.
#pragma once

#include <memory>
#include <optional>

#include "fovea/data/dataset.h"

namespace fovea {

// For each of `from` the index of the one class of `to` with the same name (its first synonym, either case, '_' for a
// space). Nothing when any has none or several, or when there are no names.
std::optional<std::vector<int64_t>> matching_classes(const std::vector<std::string>& from,
                                                     const std::vector<std::string>& to);

class Relabelled : public Dataset {
 public:
  // Label i of the set becomes labels[i]; `labels` has an entry for each of its classes.
  Relabelled(std::shared_ptr<const Dataset> set, std::vector<int64_t> labels, std::vector<std::string> classes)
      : set_(std::move(set)), labels_(std::move(labels)), classes_(std::move(classes)) {}

  int64_t size() const override { return set_->size(); }
  // Throws Error{usage} for a label without an entry.
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override { return relabelled(index, set_->label(index)); }
  const std::vector<std::string>& classes() const override { return classes_; }
  std::vector<std::string> features() const override { return set_->features(); }
  std::string name(int64_t index) const override { return set_->name(index); }
  std::string description() const override { return set_->description(); }

 private:
  int64_t relabelled(int64_t index, int64_t label) const;
  std::shared_ptr<const Dataset> set_;
  std::vector<int64_t> labels_;
  std::vector<std::string> classes_;
};

}  // namespace fovea
