// Source of the layout: APPNOTE.TXT 6.3 of PKWARE, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 4.3.16
// (ends), 4.5.3 (zip64).
#include "fovea/formats/zip_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "fovea/base/error.h"

namespace fovea {

namespace {

constexpr uint64_t kMasked = 0xFFFFFFFF;  // "stands in the zip64 field"
constexpr size_t kBuffer = size_t{1} << 20;

class Record {
 public:
  Record& number(uint64_t value, size_t bytes) {
    for (size_t k = 0; k < bytes; ++k, value >>= 8) bytes_.push_back(static_cast<std::byte>(value & 255));
    return *this;
  }
  Record& text(std::string_view text) {
    const auto* begin = reinterpret_cast<const std::byte*>(text.data());
    bytes_.insert(bytes_.end(), begin, begin + text.size());
    return *this;
  }
  Record& zeros(size_t count) {
    bytes_.insert(bytes_.end(), count, std::byte{0});
    return *this;
  }
  std::span<const std::byte> bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }

 private:
  std::vector<std::byte> bytes_;
};

// What a local header and a directory record share, up to the length of the name: version, flags (UTF-8 names), method
// (stored), time, date (1980-01-01), checksum, sizes.
void shared_fields(Record& record, uint32_t checksum, uint64_t size, size_t name) {
  const uint64_t shown = std::min(size, kMasked);
  record.number(size >= kMasked ? 45 : 20, 2).number(0x0800, 2).number(0, 2).number(0, 2).number(0x21, 2);
  record.number(checksum, 4).number(shown, 4).number(shown, 4).number(name, 2);
}

}  // namespace

ZipStream::ZipStream(std::filesystem::path path)
    : path_(std::move(path)), temporary_(fmt::format("{}.{}.tmp", path_.string(), ::getpid())) {
  file_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  require(file_ >= 0, ErrorKind::io, "cannot write {}: {}", path_.string(), std::strerror(errno));
  waiting_.reserve(kBuffer);
}

ZipStream::~ZipStream() {
  if (file_ < 0) return;
  ::close(file_);
  ::unlink(temporary_.c_str());
}

void ZipStream::flush() {
  for (size_t done = 0; done < waiting_.size();) {
    const ssize_t written = ::write(file_, waiting_.data() + done, waiting_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      fail(ErrorKind::io, "cannot write {}: {}", path_.string(), std::strerror(written == 0 ? ENOSPC : errno));
    done += static_cast<size_t>(written);
  }
  waiting_.clear();
}

void ZipStream::put(std::span<const std::byte> bytes) {
  at_ += bytes.size();
  while (!bytes.empty()) {
    const size_t now = std::min(bytes.size(), kBuffer - waiting_.size());
    waiting_.insert(waiting_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(now));
    bytes = bytes.subspan(now);
    if (waiting_.size() == kBuffer) flush();
  }
}

void ZipStream::begin(const std::string& name, uint64_t size, size_t alignment) {
  require(!open_ && file_ >= 0 && name.size() < 0x8000 && entries_.size() < 0xFFFE, ErrorKind::internal,
          "the archive {} does not take the entry \"{:.100}\" now", path_.string(), name);
  Record extra;
  if (size >= kMasked) extra.number(1, 2).number(16, 2).number(size, 8).number(size, 8);
  constexpr size_t kHeader = 30, kField = 4;
  const uint64_t plain = at_ + kHeader + name.size() + extra.size();
  if (plain % alignment != 0) {  // an extra field of its own pads the header, as PyTorch does it ("FB")
    const size_t padding = (alignment - (plain + kField) % alignment) % alignment;
    extra.text("FB").number(padding, 2).zeros(padding);
  }
  Record header;
  header.text("PK\x03\x04");
  shared_fields(header, 0, size, name.size());
  header.number(extra.size(), 2).text(name);
  entries_.push_back({name, size, at_, static_cast<uint32_t>(::crc32(0, nullptr, 0))});
  put(header.bytes());
  put(extra.bytes());
  left_ = size;
  open_ = true;
}

void ZipStream::write(std::span<const std::byte> bytes) {
  require(open_ && bytes.size() <= left_, ErrorKind::internal, "{}: more bytes than the entry has", path_.string());
  left_ -= bytes.size();
  uint32_t& checksum = entries_.back().checksum;
  for (size_t done = 0; done < bytes.size(); done += kBuffer) {
    const auto part = bytes.subspan(done, std::min(kBuffer, bytes.size() - done));
    checksum = static_cast<uint32_t>(
        ::crc32(checksum, reinterpret_cast<const Bytef*>(part.data()), static_cast<uInt>(part.size())));
  }
  put(bytes);
}

void ZipStream::end() {
  require(open_ && left_ == 0, ErrorKind::internal, "{}: {} bytes of an entry are missing", path_.string(), left_);
  flush();
  Record checksum;
  checksum.number(entries_.back().checksum, 4);
  const ssize_t written = ::pwrite(file_, checksum.bytes().data(), 4, static_cast<off_t>(entries_.back().offset + 14));
  require(written == 4, ErrorKind::io, "cannot write {}: {}", path_.string(), std::strerror(errno));
  open_ = false;
}

void ZipStream::add(const std::string& name, std::span<const std::byte> bytes, size_t alignment) {
  begin(name, bytes.size(), alignment);
  write(bytes);
  end();
}

void ZipStream::put_directory() {
  const uint64_t begin = at_;
  for (const Entry& entry : entries_) {
    Record extra;
    if (entry.size >= kMasked) extra.number(entry.size, 8).number(entry.size, 8);
    if (entry.offset >= kMasked) extra.number(entry.offset, 8);
    Record record;
    record.text("PK\x01\x02").number(extra.size() > 0 ? 45 : 20, 2);
    shared_fields(record, entry.checksum, entry.size, entry.name.size());
    record.number(extra.size() > 0 ? extra.size() + 4 : 0, 2).zeros(2 + 2 + 2 + 4);  // comment, disk, attributes
    record.number(std::min(entry.offset, kMasked), 4).text(entry.name);
    put(record.bytes());
    if (extra.size() == 0) continue;
    Record head;
    put(head.number(1, 2).number(extra.size(), 2).bytes());
    put(extra.bytes());
  }
  const uint64_t size = at_ - begin, count = entries_.size();
  Record end;
  if (begin >= kMasked || size >= kMasked) {
    end.text("PK\x06\x06").number(44, 8).number(45, 2).number(45, 2).number(0, 4).number(0, 4);
    end.number(count, 8).number(count, 8).number(size, 8).number(begin, 8);
    end.text("PK\x06\x07").number(0, 4).number(at_, 8).number(1, 4);
  }
  end.text("PK\x05\x06").number(0, 4).number(count, 2).number(count, 2);
  end.number(std::min(size, kMasked), 4).number(std::min(begin, kMasked), 4).number(0, 2);
  put(end.bytes());
}

void ZipStream::finish() {
  require(!open_ && file_ >= 0, ErrorKind::internal, "{}: an entry is not ended", path_.string());
  put_directory();
  flush();
  require(::fsync(file_) == 0 || errno == EINVAL || errno == EROFS, ErrorKind::io, "cannot write {}: {}",
          path_.string(), std::strerror(errno));
  require(::close(std::exchange(file_, -1)) == 0, ErrorKind::io, "cannot write {}: {}", path_.string(),
          std::strerror(errno));
  if (::rename(temporary_.c_str(), path_.c_str()) == 0) return;
  const int reason = errno;
  ::unlink(temporary_.c_str());
  fail(ErrorKind::io, "cannot write {}: {}", path_.string(), std::strerror(reason));
}

}  // namespace fovea
