// The binary files of CIFAR-10 and CIFAR-100: colour pictures of 32x32.
#pragma once

#include "fovea/base/bytes.h"
#include "fovea/data/dataset.h"

namespace fovea {

enum class CifarKind { cifar10, cifar100 };

// Which of the two the records in a plain file are: by their size, and by their labels where both sizes fit. Throws
// Error{format} naming the file when neither fits.
CifarKind cifar_kind(const Bytes& records);

// The classes in the order of the files: 10, or 100 fine ones.
const std::vector<std::string>& cifar_classes(CifarKind kind);

// The pictures of one or several files, one after the other. The bytes are held once, or mapped where a file is plain.
// Labels of CIFAR-100 are the fine ones.
class Cifar : public Dataset {
 public:
  // Plain or compressed files of the same kind; several are unpacked at once. `classes` replaces the usual names.
  // Throws Error{format} naming the file, and the record whose label is out of range; Error{usage} for no files.
  Cifar(const std::vector<Bytes>& files, std::string description, std::vector<std::string> classes = {});

  int64_t size() const override { return starts_.back(); }
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override;
  const std::vector<std::string>& classes() const override { return classes_; }
  std::string description() const override { return description_; }
  CifarKind kind() const { return kind_; }

 private:
  // Its first byte. Throws Error{usage} for an index outside [0, size()).
  const uint8_t* record(int64_t index) const;
  CifarKind kind_ = CifarKind::cifar10;
  std::vector<Bytes> files_;
  std::vector<int64_t> starts_ = {0};  // index of each file's first record, then the number of all
  std::vector<std::string> classes_;
  std::string description_;
};

}  // namespace fovea
