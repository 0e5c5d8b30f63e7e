// MATLAB's .mat files of level 5 (also called version 7 and before): named arrays of numbers.
#pragma once

#include <string>
#include <vector>

#include "fovea/base/bytes.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

struct MatArray {
  std::string name;
  DType dtype = DType::f64;
  std::vector<int64_t> sizes;  // as MATLAB has them, at least two
  Bytes values;                // in the machine's byte order, the FIRST index running fastest
  // The same values with the last index running fastest, in a tensor of the same sizes.
  Tensor tensor() const;
};

struct MatFile {
  std::vector<MatArray> arrays;    // in the order of the file
  std::vector<std::string> notes;  // what was passed over, a sentence each: "variable s is a struct"
  // Null when there is none.
  const MatArray* find(std::string_view name) const;
};

// Whether the first bytes are those of a level 5 file.
bool is_mat(const Bytes& file);

// Real arrays of numbers (also logical ones and texts), plain or compressed by zlib, in either byte order; cells,
// structs, objects, sparse and complex arrays are passed over with a note. At most `limit` bytes are unpacked. Throws
// Error{format} naming the file and the byte for damage, sizes that do not fit, and more; Error{unsupported} for the
// HDF5 files of version 7.3.
MatFile read_mat(const Bytes& file, size_t limit = size_t{4} << 30);

}  // namespace fovea
