// What the binary data sets share: their files may be compressed, and messages show how a file begins.
#pragma once

#include <string>

#include "fovea/base/bytes.h"

namespace fovea {

// No file of a data set may unpack to more: 4 GiB.
inline constexpr size_t kMaxUnpacked = size_t{4} << 30;

// The file unpacked, see `unpacked`, within kMaxUnpacked.
Bytes unpacked_part(const Bytes& file);

// "89 50 4e 47": up to four bytes in hexadecimal; "nothing" for an empty file.
std::string first_bytes(const Bytes& file);

}  // namespace fovea
