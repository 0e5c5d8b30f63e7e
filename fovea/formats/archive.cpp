#include "fovea/formats/archive.h"

#include <archive.h>
#include <archive_entry.h>

#include <memory>

#include "fovea/base/error.h"

namespace fovea {

namespace {

struct Close {
  void operator()(struct archive* a) const { archive_read_free(a); }
};
using Reader = std::unique_ptr<struct archive, Close>;

[[noreturn]] void damaged(const Bytes& file, struct archive* a) {
  const char* why = archive_error_string(a);
  fail(ErrorKind::format, "{}: damaged or cut short: {}", file.label(), why ? why : "unknown reason");
}

Reader opened(const Bytes& file, bool raw) {
  Reader reader(archive_read_new());
  struct archive* a = reader.get();
  archive_read_support_filter_gzip(a);
  archive_read_support_filter_xz(a);
  archive_read_support_filter_bzip2(a);
  archive_read_support_filter_zstd(a);
  if (raw) {
    archive_read_support_format_raw(a);
  } else {
    archive_read_support_format_tar(a);
    archive_read_support_format_zip(a);
  }
  if (archive_read_open_memory(a, file.data(), file.size()) != ARCHIVE_OK) damaged(file, a);
  return reader;
}

// The whole of the current entry.
Bytes content(const Bytes& file, struct archive* a, size_t limit, std::string label) {
  std::vector<std::byte> data;
  for (;;) {
    const size_t before = data.size(), piece = std::max<size_t>(size_t{1} << 16, before);
    require(before <= limit, ErrorKind::format, "{}: unpacks to more than {} bytes", file.label(), limit);
    data.resize(before + piece);
    const la_ssize_t n = archive_read_data(a, data.data() + before, piece);
    if (n < 0) damaged(file, a);
    data.resize(before + static_cast<size_t>(n));
    if (n == 0) break;
  }
  data.shrink_to_fit();
  return Bytes::own(std::move(data), std::move(label));
}

bool starts_with(const Bytes& file, std::string_view magic) { return file.view().starts_with(magic); }

bool is_tar(const Bytes& file) { return file.size() >= 512 && file.view().substr(257, 5) == "ustar"; }

}  // namespace

bool is_compressed(const Bytes& file) {
  using namespace std::string_view_literals;
  return starts_with(file, "\x1f\x8b"sv) ||
         starts_with(file,
                     "\xfd"
                     "7zXZ\0"sv) ||
         starts_with(file, "BZh"sv) || starts_with(file, "\x28\xb5\x2f\xfd"sv);
}

Bytes unpacked(const Bytes& file, size_t limit) {
  if (!is_compressed(file)) return file;
  const Reader reader = opened(file, true);
  archive_entry* entry = nullptr;
  if (archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) damaged(file, reader.get());
  return content(file, reader.get(), limit, file.label());
}

Bytes unpacked_head(const Bytes& file, size_t size) {
  if (!is_compressed(file)) return file.slice(0, std::min(size, file.size()));
  const Reader reader = opened(file, true);
  archive_entry* entry = nullptr;
  if (archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) return {};
  std::vector<std::byte> head(size);
  size_t have = 0;
  while (have < head.size()) {
    const la_ssize_t n = archive_read_data(reader.get(), head.data() + have, head.size() - have);
    if (n <= 0) break;
    have += static_cast<size_t>(n);
  }
  head.resize(have);
  return Bytes::own(std::move(head), file.label());
}

bool is_archive(const Bytes& file) {
  if (is_tar(file) || starts_with(file, "PK\x03\x04")) return true;
  return is_compressed(file) && is_tar(unpacked_head(file, 512));
}

std::vector<ArchiveEntry> read_archive(const Bytes& file, const std::function<bool(std::string_view)>& wanted,
                                       size_t limit) {
  const Reader reader = opened(file, false);
  std::vector<ArchiveEntry> result;
  size_t total = 0;
  for (;;) {
    archive_entry* entry = nullptr;
    const int state = archive_read_next_header(reader.get(), &entry);
    if (state == ARCHIVE_EOF) return result;
    if (state < ARCHIVE_WARN) damaged(file, reader.get());
    const char* path = archive_entry_pathname(entry);
    if (!path || archive_entry_filetype(entry) != AE_IFREG || !wanted(path)) continue;
    Bytes data = content(file, reader.get(), limit - total, file.label() + ":" + path);
    total += data.size();
    result.push_back({path, std::move(data)});
  }
}

}  // namespace fovea
