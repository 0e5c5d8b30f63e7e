// FILE.part: "FOVCODE1", the lengths of two texts (u64 each), the texts (the run, what is remembered), and records:
// label (i64), whether it is broken (i64), the code (D × f32), the thumbnail (H·W·C bytes); in the machine's byte
// order.
#include "fovea/features/codes_writer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fovea/base/counted.h"
#include "fovea/base/error.h"
#include "fovea/formats/npy_write.h"
#include "fovea/formats/zip_stream.h"

namespace fovea {

namespace {

constexpr char kMagic[] = "FOVCODE1";
constexpr size_t kMagicSize = 8, kFields = 16;  // of a record: label and broken

[[noreturn]] void cannot_write(const std::filesystem::path& path, int reason) {
  fail(ErrorKind::io, "cannot write {}: {}", path.string(), std::strerror(reason));
}

void write_all(int file, const std::filesystem::path& path, const void* data, size_t size, off_t at) {
  for (size_t done = 0; done < size;) {
    const ssize_t written =
        ::pwrite(file, static_cast<const char*>(data) + done, size - done, at + static_cast<off_t>(done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) cannot_write(path, written == 0 ? ENOSPC : errno);
    done += static_cast<size_t>(written);
  }
}

bool read_all(int file, void* data, size_t size, off_t at) {
  for (size_t done = 0; done < size;) {
    const ssize_t got = ::pread(file, static_cast<char*>(data) + done, size - done, at + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<size_t>(got);
  }
  return true;
}

// The two texts of a head; false when there is none.
bool read_head(int file, off_t size, std::string& run, std::string& remembered) {
  char magic[kMagicSize];
  uint64_t lengths[2];
  if (size < static_cast<off_t>(kMagicSize + sizeof lengths) || !read_all(file, magic, kMagicSize, 0) ||
      std::memcmp(magic, kMagic, kMagicSize) != 0 || !read_all(file, lengths, sizeof lengths, kMagicSize))
    return false;
  const auto most = static_cast<uint64_t>(size);
  if (lengths[0] > most || lengths[1] > most || kMagicSize + sizeof lengths + lengths[0] + lengths[1] > most)
    return false;
  run.resize(lengths[0]);
  remembered.resize(lengths[1]);
  const auto at = static_cast<off_t>(kMagicSize + sizeof lengths);
  return read_all(file, run.data(), run.size(), at) &&
         read_all(file, remembered.data(), remembered.size(), at + static_cast<off_t>(run.size()));
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

CodesWriter::CodesWriter(std::filesystem::path path, const Layout& layout, const std::string& run)
    : path_(std::move(path)), part_(path_.string() + ".part"), layout_(layout), run_(run) {
  record_ = kFields + static_cast<size_t>(layout.dimensions) * sizeof(float) +
            static_cast<size_t>(layout.height * layout.width * layout.channels);
  file_ = ::open(part_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0) cannot_write(part_, errno);
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(file_);
    fail(ErrorKind::io, "{}: another process is writing this file; wait for it, or stop it", part_.string());
  }
  try {
    const off_t size = ::lseek(file_, 0, SEEK_END);
    std::string before;
    if (size > 0 && read_head(file_, size, before, remembered_) && before == run_) {
      head_ = kMagicSize + 16 + run_.size() + remembered_.size();
      done_ = static_cast<int64_t>((static_cast<size_t>(size) - head_) / record_);
    } else {
      replaced_ = size > 0;
      remembered_.clear();
      write_head();
    }
  } catch (...) {
    ::close(file_);
    throw;
  }
}

CodesWriter::~CodesWriter() {
  if (file_ >= 0) ::close(file_);
}

void CodesWriter::write_head() {
  if (::ftruncate(file_, 0) != 0) cannot_write(part_, errno);
  std::string head(kMagic, kMagicSize);
  for (const uint64_t length : {run_.size(), remembered_.size()})
    head.append(reinterpret_cast<const char*>(&length), sizeof length);
  head += run_ + remembered_;
  write_all(file_, part_, head.data(), head.size(), 0);
  head_ = head.size();
  done_ = 0;
}

void CodesWriter::remember(const std::string& text) {
  require(done_ == 0, ErrorKind::internal, "the head of {} is written", part_.string());
  remembered_ = text;
  write_head();
}

void CodesWriter::keep(int64_t count) {
  if (count >= done_) return;
  if (::ftruncate(file_, static_cast<off_t>(head_ + static_cast<size_t>(count) * record_)) != 0)
    cannot_write(part_, errno);
  done_ = count;
}

void CodesWriter::append(const std::vector<CodeRecord>& records) {
  std::vector<char> bytes(records.size() * record_);
  const size_t code = static_cast<size_t>(layout_.dimensions) * sizeof(float), picture = record_ - kFields - code;
  for (size_t i = 0; i < records.size(); ++i) {
    char* to = bytes.data() + i * record_;
    const int64_t fields[2] = {records[i].label, records[i].broken};
    std::memcpy(to, fields, kFields);
    if (records[i].broken) continue;
    std::memcpy(to + kFields, records[i].code, code);
    require(records[i].thumbnail.size() == picture, ErrorKind::internal, "a thumbnail of {} bytes, expected {}",
            records[i].thumbnail.size(), picture);
    if (picture > 0) std::memcpy(to + kFields + code, records[i].thumbnail.data(), picture);
  }
  write_all(file_, part_, bytes.data(), bytes.size(), static_cast<off_t>(head_ + static_cast<size_t>(done_) * record_));
  done_ += static_cast<int64_t>(records.size());
}

void CodesWriter::read(int64_t record, size_t offset, void* to, size_t size) const {
  const size_t at = head_ + static_cast<size_t>(record) * record_ + offset;
  require(read_all(file_, to, size, static_cast<off_t>(at)), ErrorKind::io, "{}: cannot be read: {}", part_.string(),
          std::strerror(errno));
}

std::vector<CodesWriter::Row> CodesWriter::rows(bool broken) const {
  std::vector<Row> result;
  for (int64_t i = 0; i < done_; ++i) {
    int64_t fields[2];
    read(i, 0, fields, sizeof fields);
    if ((fields[1] != 0) == broken) result.push_back({i, fields[0]});
  }
  return result;
}

std::vector<int64_t> CodesWriter::broken() const {
  std::vector<int64_t> result;
  for (const Row& row : rows(true)) result.push_back(row.index);
  return result;
}

template <class Each>
void CodesWriter::for_records(const std::vector<Row>& rows, size_t offset, size_t size, const Each& each) const {
  std::vector<std::byte> bytes(size);
  for (const Row& row : rows) {
    read(row.index, offset, bytes.data(), size);
    each(std::span<const std::byte>(bytes));
  }
}

void CodesWriter::finish(const CodesOrigin& origin, const std::vector<std::string>& classes,
                         const std::function<std::string(int64_t index)>& name) {
  Codes head;  // everything but the codes and the pictures
  const std::vector<Row> good = rows(false);
  const auto count = static_cast<int64_t>(good.size());
  require(count > 0, ErrorKind::format, "0 of {} can be read, so there is nothing to write to {}",
          counted(done_, "picture"), path_.string());
  for (const Row& row : good) {
    head.labels.push_back(row.label);
    head.indices.push_back(row.index);
    head.names.push_back(name(row.index));
  }
  head.classes = classes;
  head.origin = origin;
  head.values = Tensor(DType::f32, {count, 0});
  ZipStream zip(path_);
  add_codes_entries(zip, head);
  const size_t code = static_cast<size_t>(layout_.dimensions) * sizeof(float), picture = record_ - kFields - code;
  const auto add = [&](const char* entry, DType dtype, const Shape& shape, size_t offset, size_t size) {
    const std::string npy = npy_head(dtype, shape);
    zip.begin(entry, npy.size() + good.size() * size);
    zip.write(bytes_of(npy));
    for_records(good, offset, size, [&](std::span<const std::byte> bytes) { zip.write(bytes); });
    zip.end();
  };
  if (picture > 0)
    add("thumbnails.npy", DType::u8, {count, layout_.height, layout_.width, layout_.channels}, kFields + code, picture);
  add("codes.npy", DType::f32, {count, layout_.dimensions}, kFields, code);
  zip.finish();
  ::unlink(part_.c_str());
}

}  // namespace fovea
