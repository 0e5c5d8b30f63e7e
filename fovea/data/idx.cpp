// IDX: two zero bytes, a byte for the element type (8: unsigned byte), a byte for the number of sizes, the sizes as
// big-endian u32, then the elements, the last index fastest. Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST
// database of handwritten digits", section "file formats".
#include "fovea/data/idx.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/data/packed.h"

namespace fovea {

namespace {

constexpr uint64_t kMostElements = uint64_t{1} << 40;

std::string_view type_name(int code) {
  switch (code) {
    case 0x08: return "unsigned byte";
    case 0x09: return "signed byte";
    case 0x0B: return "i16";
    case 0x0C: return "i32";
    case 0x0D: return "f32";
    case 0x0E: return "f64";
    default: return "";
  }
}

int byte_at(const Bytes& file, size_t offset) { return std::to_integer<int>(file.data()[offset]); }

std::string sizes_text(const std::vector<int64_t>& sizes) { return fmt::format("{}", fmt::join(sizes, "x")); }

}  // namespace

bool is_idx(const Bytes& file) {
  return file.size() >= 8 && byte_at(file, 0) == 0 && byte_at(file, 1) == 0 && !type_name(byte_at(file, 2)).empty() &&
         byte_at(file, 3) >= 1 && byte_at(file, 3) <= 4;
}

IdxArray parse_idx(const Bytes& file) {
  require(is_idx(file), ErrorKind::format,
          "{}: not an IDX file: its {} bytes begin with {}, expected 00 00 08 and the number of sizes", file.label(),
          file.size(), first_bytes(file));
  const int type = byte_at(file, 2), rank = byte_at(file, 3);
  require(type == 0x08, ErrorKind::format, "{}: an IDX file of elements 0x{:02x} ({}), expected 0x08 (unsigned byte)",
          file.label(), type, type_name(type));
  const size_t header = 4 + 4 * static_cast<size_t>(rank);
  require(file.size() >= header, ErrorKind::format, "{}: cut short: {} bytes, the header alone takes {}", file.label(),
          file.size(), header);
  IdxArray array;
  uint64_t count = 1;
  for (size_t at = 4; at < header; at += 4) {
    uint64_t size = 0;
    for (size_t k = 0; k < 4; ++k) size = size << 8 | static_cast<uint64_t>(byte_at(file, at + k));
    array.sizes.push_back(static_cast<int64_t>(size));
    require(size == 0 || count <= kMostElements / size, ErrorKind::format, "{}: its sizes {} are beyond any file",
            file.label(), sizes_text(array.sizes));
    count *= size;
  }
  require(file.size() - header == count, ErrorKind::format,
          "{}: its header says {} bytes of {}, the file holds {} after the header", file.label(), count,
          sizes_text(array.sizes), file.size() - header);
  array.values = file.slice(header, count);
  return array;
}

IdxDataset::IdxDataset(const Bytes& pictures, const Bytes& labels, std::string description)
    : description_(std::move(description)) {
  pictures_ = parse_idx(unpacked_part(pictures));
  require(pictures_.sizes.size() == 3, ErrorKind::format,
          "{}: an IDX array of {}, expected pictures x height x width{}", pictures.label(), sizes_text(pictures_.sizes),
          pictures_.sizes.size() == 1 ? " (these are labels: give the file of pictures)" : "");
  labels_ = parse_idx(unpacked_part(labels));
  require(labels_.sizes.size() == 1, ErrorKind::format, "{}: an IDX array of {}, expected one label a picture",
          labels.label(), sizes_text(labels_.sizes));
  require(labels_.sizes[0] == pictures_.sizes[0], ErrorKind::format, "{}: {} labels for the {} pictures in {}",
          labels.label(), labels_.sizes[0], pictures_.sizes[0], pictures.label());
  const uint64_t pixels = static_cast<uint64_t>(pictures_.sizes[1]) * static_cast<uint64_t>(pictures_.sizes[2]);
  require(size() == 0 || (pixels > 0 && pixels <= kMaxPixels), ErrorKind::format, "{}: pictures of {}x{} pixels",
          pictures.label(), pictures_.sizes[2], pictures_.sizes[1]);
  int highest = -1;
  for (size_t i = 0; i < labels_.values.size(); ++i) highest = std::max(highest, byte_at(labels_.values, i));
  for (int i = 0; i <= highest; ++i) classes_.push_back(std::to_string(i));
}

int64_t IdxDataset::label(int64_t index) const {
  require(index >= 0 && index < size(), ErrorKind::usage, "there is no picture {} of {}", index, size());
  return byte_at(labels_.values, static_cast<size_t>(index));
}

Sample IdxDataset::get(int64_t index) const {
  const int64_t label = this->label(index);
  const int64_t height = pictures_.sizes[1], width = pictures_.sizes[2];
  const size_t each = static_cast<size_t>(height) * static_cast<size_t>(width), i = static_cast<size_t>(index);
  const auto* first = reinterpret_cast<const uint8_t*>(pictures_.values.data()) + i * each;
  return {Image::own(static_cast<int>(width), static_cast<int>(height), 1, std::vector<uint8_t>(first, first + each)),
          label};
}

}  // namespace fovea
