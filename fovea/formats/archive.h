// Compressed files and archives (gzip, xz, bzip2, zstd; tar, zip) → Bytes, by libarchive.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "fovea/base/bytes.h"

namespace fovea {

// Whether the first bytes are those of a compressed stream: gzip, xz, bzip2 or zstd.
bool is_compressed(const Bytes& file);

// The stream unpacked; the file itself when it is not compressed. At most `limit` bytes: throws Error{format} naming
// the file when it is damaged, cut short, or larger.
Bytes unpacked(const Bytes& file, size_t limit = size_t{8} << 30);

// The first bytes of what the stream unpacks to, at most `size`, fewer when it is shorter or damaged.
Bytes unpacked_head(const Bytes& file, size_t size);

struct ArchiveEntry {
  std::string path;  // as it stands in the archive; never used as a path on this machine
  Bytes data;
};

// Whether the file is a tar archive, plain or compressed, or a zip archive.
bool is_archive(const Bytes& file);

// The regular files in an archive for which `wanted(path)` holds, in their order; links and devices are passed over.
// Throws Error{format} naming the archive when it is damaged or holds more than `limit` wanted bytes.
std::vector<ArchiveEntry> read_archive(const Bytes& file, const std::function<bool(std::string_view path)>& wanted,
                                       size_t limit = size_t{8} << 30);

}  // namespace fovea
