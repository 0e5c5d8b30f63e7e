// Whatever holds labelled pictures → Dataset: what it is, is seen from what is there.
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
};

// Opens the split of the set at a path:
//   a folder or archive   with IDX files of the split (t10k-images-idx3-ubyte[.gz], …), or
//                         with CIFAR's binary files (test_batch.bin, data_batch_*.bin; test.bin, train.bin), [.xz, .gz]
//   a folder              of sub-folders train, test, val; test falls back on val, and val on test
//                         with a list labels.csv or .txt, <split>.csv or .txt (also one folder above); else
//                         of sub-folders, one a class
//   a file                of IDX pictures, with its labels beside it; a CIFAR batch; a list of lines "file label"
// Sets without splits are the same whatever split is asked for. Throws Error{io} for what is missing (the path, the
// labels, a split), Error{format} for what is damaged or is no set, saying what was found and expected, and
// Error{usage} for an unknown split or when several sets are there.
std::unique_ptr<Dataset> open_dataset(const std::filesystem::path& path, const DatasetOptions& options = {});

// The same for the bytes of an archive (tar or zip, also compressed) that unpacks to at most `limit` bytes.
std::unique_ptr<Dataset> open_archive(const Bytes& archive, const DatasetOptions& options,
                                      size_t limit = size_t{4} << 30);

}  // namespace fovea
