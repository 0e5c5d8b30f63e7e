// Which files of a folder or archive are the binary files of a data set, by their names.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace fovea {

struct BinaryFiles {
  bool cifar = false;                 // else IDX
  std::vector<std::string> pictures;  // CIFAR: with their labels, in order
  std::string labels;                 // IDX
  std::string class_names;            // CIFAR: the file of their names, may be empty
};

// Whether a name (without folders) is one of the files of any split.
bool is_binary_file_name(std::string_view name);

// The file of labels that belongs to IDX pictures: t10k-labels-idx1-ubyte for t10k-images-idx3-ubyte.gz. Empty when the
// name is not that of pictures.
std::string label_file_name(const std::string& pictures);

// A name without .gz, .xz, .bz2 or .zst.
std::string_view without_packing(std::string_view name);

// The files of a split among names without folders; nothing when none is a binary file. Of a file that is there plain
// and packed, the plain one is taken. `where` begins messages. Throws Error{io} when the split, a batch between others,
// or the labels are missing, Error{usage} when several sets are there.
std::optional<BinaryFiles> binary_files(const std::vector<std::string>& names, const std::string& split,
                                        const std::string& where);

}  // namespace fovea
