// Whatever holds labelled pictures or rows → Dataset: what it is, is seen from what is there.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "fovea/base/bytes.h"
#include "fovea/data/dataset.h"

namespace fovea {

struct DatasetOptions {
  std::string split = "test";  // train, test or val
  // Pictures that a list names and that are not there are found out when they are got, not when the set is opened.
  bool missing_allowed = false;
  // Tables in text only; see TextTableOptions.
  std::string label = {};
  std::string header = "auto";
};

// Opens the split of the set at a path:
//   a folder or archive   with IDX files of the split (t10k-images-idx3-ubyte[.gz], …), or
//                         with CIFAR's binary files (test_batch.bin, data_batch_*.bin; test.bin, train.bin), [.xz, .gz]
//   a folder              with SVHN's train_32x32.mat, test_32x32.mat
//                         of sub-folders train, test, val; test falls back on val, and val on test; the classes are
//                         numbered as in the training set where it is there
//                         with a list labels.csv or .txt, <split>.csv or .txt (also one folder above); else
//                         with arrays x_<split>.npy and y_<split>.npy, or images.npy and labels.npy; else
//                         of sub-folders, one a class
//   a file                of IDX pictures, with its labels beside it; a CIFAR batch; SVHN's .mat; a list of lines
//                         "file label"; a table (see read_text_table); arrays .npy (their labels beside them) or .npz
// Sets without splits are the same whatever split is asked for. Throws Error{io} for what is missing (the path, the
// labels, a split), Error{format} for what is damaged or is no set, saying what was found and expected, and
// Error{usage} for an unknown split or when several sets are there.
std::unique_ptr<Dataset> open_dataset(const std::filesystem::path& path, const DatasetOptions& options = {});

// The same for the bytes of an archive (tar or zip, also compressed) that unpacks to at most `limit` bytes.
std::unique_ptr<Dataset> open_archive(const Bytes& archive, const DatasetOptions& options,
                                      size_t limit = size_t{4} << 30);

}  // namespace fovea
