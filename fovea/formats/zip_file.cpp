// Source of the layout: APPNOTE.TXT 6.3 of PKWARE, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.16 (end).
#include "fovea/formats/zip_file.h"

#include <zip.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "fovea/base/error.h"

namespace fovea {

namespace {

// Deflate cannot shrink anything further: a match of 258 bytes takes at least 2 bits.
constexpr size_t kMostDeflateRatio = 1032;
constexpr size_t kUnpackedFloor = size_t{1} << 30;
constexpr size_t kUnpackedRatio = 64;

bool leads_outside(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.find('\\') != name.npos || name.find('\0') != name.npos) return true;
  if (name.size() >= 2 && name[1] == ':') return true;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    if (name.substr(begin, end - begin) == "..") return true;
    begin = end + 1;
  }
  return false;
}

std::shared_ptr<zip_t> opened(const Bytes& file) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(file.data(), file.size(), 0, &error);
  zip_t* archive = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : nullptr;
  if (!archive) {
    if (source) zip_source_free(source);
    const std::string why = zip_error_strerror(&error);
    zip_error_fini(&error);
    fail(ErrorKind::format, "{}: not a readable zip archive: {}", file.label(), why);
  }
  zip_error_fini(&error);
  return {archive, [](zip_t* a) { zip_discard(a); }};
}

constexpr size_t kEnd = 22, kEnd64 = 56, kLocator = 20, kRecord = 46, kLocal = 30, kLongestComment = 65535;

// A little-endian number within the text, which must hold it.
uint64_t number(std::string_view text, size_t at, size_t bytes) {
  uint64_t value = 0;
  for (size_t k = 0; k < bytes; ++k) value |= uint64_t{static_cast<unsigned char>(text[at + k])} << (8 * k);
  return value;
}

// Where the record at `at` of the directory says that the entry's own header stands: in its last field or, from 4 GiB
// on, in the extra field of zip64, behind the sizes that do not fit either.
std::optional<uint64_t> offset_of(std::string_view file, uint64_t at, size_t name, size_t extra) {
  constexpr uint64_t kMasked = 0xFFFFFFFF;
  const uint64_t plain = number(file, at + 42, 4);
  if (plain != kMasked) return plain;
  const size_t before = 8 * ((number(file, at + 24, 4) == kMasked) + (number(file, at + 20, 4) == kMasked));
  const size_t begin = at + kRecord + name, end = begin + extra;
  for (size_t field = begin; field + 4 <= end; field += 4 + number(file, field + 2, 2)) {
    const size_t size = number(file, field + 2, 2);
    if (number(file, field, 2) != 1) continue;
    if (size < before + 8 || field + 4 + size > end) return std::nullopt;
    return number(file, field + 4 + before, 8);
  }
  return std::nullopt;
}

// Where the directory's records say that the entries' own headers stand, in the directory's order; which libzip checks
// but does not tell. Empty when the file is not laid out plainly: then entries are read through libzip.
std::vector<uint64_t> header_offsets(std::string_view file) {
  const size_t tail = file.size() - std::min(file.size(), kEnd + kLongestComment);
  const size_t end = file.rfind("PK\x05\x06");
  if (end == file.npos || end < tail || file.size() - end < kEnd) return {};
  uint64_t count = number(file, end + 10, 2), at = number(file, end + 16, 4);
  if (end >= kLocator && file.substr(end - kLocator, 4) == "PK\x06\x07") {
    const uint64_t end64 = number(file, end - kLocator + 8, 8);
    if (end64 > file.size() || file.size() - end64 < kEnd64 || file.substr(end64, 4) != "PK\x06\x06") return {};
    count = number(file, end64 + 32, 8);
    at = number(file, end64 + 48, 8);
  }
  std::vector<uint64_t> offsets;
  for (uint64_t i = 0; i < count; ++i) {
    if (at > file.size() || file.size() - at < kRecord || file.substr(at, 4) != "PK\x01\x02") return {};
    const size_t name = number(file, at + 28, 2), extra = number(file, at + 30, 2), comment = number(file, at + 32, 2);
    if (kRecord + name + extra + comment > file.size() - at) return {};
    const std::optional<uint64_t> offset = offset_of(file, at, name, extra);
    if (!offset) return {};
    offsets.push_back(*offset);
    at += kRecord + name + extra + comment;
  }
  return offsets;
}

// Where a stored entry's bytes lie; nothing when its header is not the one that the directory describes.
std::optional<size_t> data_offset(std::string_view file, uint64_t header, const ZipFile::Entry& entry) {
  if (header > file.size() || file.size() - header < kLocal || file.substr(header, 4) != "PK\x03\x04") return {};
  const size_t name = number(file, header + 26, 2), extra = number(file, header + 28, 2);
  const size_t data = header + kLocal + name + extra;
  if (data > file.size() || entry.size > file.size() - data) return {};
  if (number(file, header + 8, 2) != 0 || file.substr(header + kLocal, name) != entry.name) return {};
  return data;
}

}  // namespace

ZipFile::ZipFile(const Bytes& file) : file_(file), archive_(opened(file)) {
  const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
  size_t packed = 0;
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t status;
    zip_stat_init(&status);
    const auto index = static_cast<zip_uint64_t>(i);
    constexpr zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_CRC | ZIP_STAT_COMP_SIZE |
                                    ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    require(zip_stat_index(archive_.get(), index, ZIP_FL_ENC_RAW, &status) == 0 && (status.valid & needed) == needed,
            ErrorKind::format, "{}: entry {} of the zip archive is damaged", file.label(), i);
    Entry entry{status.name, status.size, status.comp_size, status.comp_method == ZIP_CM_STORE, index, status.crc};
    require(!leads_outside(entry.name), ErrorKind::format,
            "{}: refuses the entry \"{}\", a path that leads outside of the archive", file.label(), entry.name);
    require(status.encryption_method == ZIP_EM_NONE, ErrorKind::unsupported, "{}: the entry \"{}\" is encrypted",
            file.label(), entry.name);
    require(entry.stored || status.comp_method == ZIP_CM_DEFLATE, ErrorKind::unsupported,
            "{}: the entry \"{}\" is compressed by method {}; stored and deflated entries are read", file.label(),
            entry.name, status.comp_method);
    packed += std::min(entry.packed, file.size() + 1);
    require(packed <= file.size(), ErrorKind::format,
            "{}: its entries up to \"{}\" take more bytes than the {} of the file: they overlap or are cut short",
            file.label(), entry.name, file.size());
    require(entry.stored ? entry.size == entry.packed : entry.size / kMostDeflateRatio <= entry.packed,
            ErrorKind::format, "{}: the entry \"{}\" cannot unpack from {} to {} bytes", file.label(), entry.name,
            entry.packed, entry.size);
    require(index_.emplace(entry.name, entries_.size()).second, ErrorKind::format, "{}: two entries are named \"{}\"",
            file.label(), entry.name);
    entries_.push_back(std::move(entry));
  }
  headers_ = header_offsets(file.view());
  if (headers_.size() != entries_.size()) headers_.clear();
}

const ZipFile::Entry* ZipFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

Bytes ZipFile::read(const Entry& entry) {
  const std::optional<size_t> data = entry.stored && entry.index < headers_.size()
                                         ? data_offset(file_.view(), headers_[entry.index], entry)
                                         : std::nullopt;
  if (!data) return unpack(entry);
  const Bytes bytes = file_.slice(*data, entry.size);
  require(crc32(bytes.span()) == entry.checksum, ErrorKind::format,
          "{}: the entry \"{}\" is damaged: its checksum differs", file_.label(), entry.name);
  // Its pages come back when they are read; meanwhile a large file is not in memory as a whole.
  if (bytes.is_mapped()) release_mapped_pages(bytes.data(), bytes.size());
  return bytes;
}

Bytes ZipFile::unpack(const Entry& entry) {
  if (!entry.stored) {
    const size_t limit = kUnpackedFloor + kUnpackedRatio * file_.size();
    require(entry.size <= limit - std::min(limit, unpacked_), ErrorKind::format,
            "{}: the entry \"{}\" unpacks to {} bytes, too much for a file of {}", file_.label(), entry.name,
            entry.size, file_.size());
    unpacked_ += entry.size;
  }
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> source(zip_fopen_index(archive_.get(), entry.index, 0),
                                                                 zip_fclose);
  require(source != nullptr, ErrorKind::format, "{}: the entry \"{}\" cannot be read: {}", file_.label(), entry.name,
          zip_strerror(archive_.get()));
  // Memory follows what really comes out, not what the directory promises.
  std::vector<std::byte> data;
  if (entry.stored) data.reserve(entry.size);
  std::byte past{};
  for (;;) {
    const size_t done = data.size(), room = std::min(entry.size - done, std::max<size_t>(done, size_t{1} << 20));
    data.resize(done + room);
    const zip_int64_t n = zip_fread(source.get(), room ? data.data() + done : &past, room ? room : 1);
    require(n >= 0, ErrorKind::format, "{}: the entry \"{}\" is damaged: {}", file_.label(), entry.name,
            zip_error_strerror(zip_file_get_error(source.get())));
    if (room) data.resize(done + static_cast<size_t>(n));
    require(room || n == 0, ErrorKind::format, "{}: the entry \"{}\" is longer than its {} bytes", file_.label(),
            entry.name, entry.size);
    if (n == 0) break;  // the checksum is compared here
  }
  require(data.size() == entry.size, ErrorKind::format, "{}: the entry \"{}\" holds {} bytes instead of {}",
          file_.label(), entry.name, data.size(), entry.size);
  return Bytes::own(std::move(data), fmt::format("{}:{}", file_.label(), entry.name));
}

uint32_t crc32(std::span<const std::byte> data) {
  // Eight tables: table[k][b] is the effect of byte b followed by k zero bytes ("slicing by 8").
  static const auto tables = [] {
    std::array<std::array<uint32_t, 256>, 8> t{};
    for (uint32_t b = 0; b < 256; ++b) {
      uint32_t value = b;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0xEDB88320u : 0u);
      t[0][b] = value;
    }
    for (size_t k = 1; k < 8; ++k)
      for (size_t b = 0; b < 256; ++b) t[k][b] = (t[k - 1][b] >> 8) ^ t[0][t[k - 1][b] & 255];
    return t;
  }();
  uint32_t crc = ~0u;
  size_t i = 0;
  const auto byte = [&](size_t at) { return static_cast<uint32_t>(data[at]); };
  for (; i + 8 <= data.size(); i += 8) {
    const uint32_t low = crc ^ (byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24);
    crc = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^ tables[4][low >> 24] ^
          tables[3][byte(i + 4)] ^ tables[2][byte(i + 5)] ^ tables[1][byte(i + 6)] ^ tables[0][byte(i + 7)];
  }
  for (; i < data.size(); ++i) crc = (crc >> 8) ^ tables[0][(crc ^ byte(i)) & 255];
  return ~crc;
}

void ZipWriter::put(uint64_t value, size_t bytes) {
  for (size_t k = 0; k < bytes; ++k, value >>= 8) out_.push_back(static_cast<std::byte>(value));
}

void ZipWriter::put(std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  out_.insert(out_.end(), begin, begin + text.size());
}

// The fields that a local header and a directory record share: version, flags (UTF-8 names), method (stored), time,
// date (1980-01-01), checksum, sizes, length of the name.
void ZipWriter::put_fields(const Entry& entry) {
  put(20, 2);
  put(0x0800, 2);
  put(0, 2);
  put(0, 2);
  put(0x21, 2);
  put(entry.checksum, 4);
  put(entry.size, 4);
  put(entry.size, 4);
  put(entry.name.size(), 2);
}

void ZipWriter::add(const std::string& name, std::span<const std::byte> data, size_t alignment) {
  constexpr size_t kLimit = 0xFFFFFFFF, kHeader = 30, kExtra = 4;
  require(name.size() < 0x8000 && entries_.size() < 0xFFFE, ErrorKind::unsupported,
          "a zip archive cannot hold the entry \"{:.100}\": the name is too long or there are too many", name);
  const size_t room = kHeader + name.size() + kExtra + alignment;
  require(data.size() < kLimit && out_.size() + room + data.size() < kLimit, ErrorKind::unsupported,
          "the archive passes 4 GiB at \"{}\"; write .safetensors instead", name);
  Entry entry{name, crc32(data), static_cast<uint32_t>(data.size()), static_cast<uint32_t>(out_.size())};
  const size_t plain = out_.size() + kHeader + name.size();
  // An extra field of its own pads the header, as PyTorch does it ("FB").
  const size_t padding = plain % alignment == 0 ? 0 : kExtra + (alignment - (plain + kExtra) % alignment) % alignment;
  put("PK\x03\x04");
  put_fields(entry);
  put(padding, 2);
  put(name);
  if (padding > 0) {
    put("FB");
    put(padding - kExtra, 2);
    out_.insert(out_.end(), padding - kExtra, std::byte{'Z'});
  }
  out_.insert(out_.end(), data.begin(), data.end());
  entries_.push_back(std::move(entry));
}

std::vector<std::byte> ZipWriter::finish() {
  const size_t begin = out_.size();
  for (const Entry& entry : entries_) {
    put("PK\x01\x02");
    put(20, 2);  // made by
    put_fields(entry);
    put(0, 2 + 2 + 2 + 2 + 4);  // extra, comment, disk, attributes
    put(entry.offset, 4);
    put(entry.name);
  }
  const size_t size = out_.size() - begin;
  require(out_.size() < 0xFFFFFFFF, ErrorKind::unsupported, "the archive passes 4 GiB; write .safetensors instead");
  put("PK\x05\x06");
  put(0, 4);
  put(entries_.size(), 2);
  put(entries_.size(), 2);
  put(size, 4);
  put(begin, 4);
  put(0, 2);
  return std::move(out_);
}

}  // namespace fovea
