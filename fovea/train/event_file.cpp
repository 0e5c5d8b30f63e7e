// A record is framed as length (u64), masked CRC of these 8 bytes (u32), that many bytes, masked CRC of them (u32), all
// little-endian; masked(c) = rotate_right(c, 15) + 0xa282ead8 with c = CRC-32C. The bytes are a protobuf message Event.
// Sources: the formats of TFRecord, event.proto and summary.proto as TensorFlow documents them.
#include "fovea/train/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>

#include "fovea/base/error.h"
#include "fovea/image/codec.h"

namespace fovea {

namespace {

constexpr size_t kHeader = 12, kFrame = 16;  // bytes before a record; before and behind it

uint32_t masked_crc(std::span<const std::byte> bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8u; }
uint32_t masked_crc(std::string_view text) { return masked_crc(std::as_bytes(std::span(text.data(), text.size()))); }

// ---- writing protobuf --------------------------------------------------------------------------------------------

template <class T>
void put_little(std::string& out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>(value >> (8 * i) & 255);
}

class Message {
 public:
  Message& varint(uint32_t field, uint64_t value) {
    key(field, 0);
    put_varint(value);
    return *this;
  }
  Message& real(uint32_t field, double value) {
    key(field, 1);
    put_little(text_, std::bit_cast<uint64_t>(value));
    return *this;
  }
  Message& single(uint32_t field, float value) {
    key(field, 5);
    put_little(text_, std::bit_cast<uint32_t>(value));
    return *this;
  }
  Message& bytes(uint32_t field, std::string_view value) {
    key(field, 2);
    put_varint(value.size());
    text_.append(value);
    return *this;
  }
  Message& reals(uint32_t field, const std::vector<double>& values) {
    std::string packed;
    for (const double v : values) put_little(packed, std::bit_cast<uint64_t>(v));
    return bytes(field, packed);
  }
  const std::string& text() const { return text_; }

 private:
  void key(uint32_t field, uint32_t type) { put_varint(field << 3 | type); }
  void put_varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) text_ += static_cast<char>(value | 0x80);
    text_ += static_cast<char>(value);
  }
  std::string text_;
};

// Field numbers of event.proto and summary.proto.
namespace event {
constexpr uint32_t kTime = 1, kStep = 2, kVersion = 3, kSummary = 5, kSession = 7;
}
namespace session {
constexpr uint32_t kStatus = 1, kStart = 1;
}
namespace summary {
constexpr uint32_t kValue = 1, kTag = 1, kScalar = 2, kImage = 4, kHistogram = 5;
}

// ---- reading protobuf --------------------------------------------------------------------------------------------

template <class T>
T little(std::string_view text, size_t at) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(static_cast<uint8_t>(text[at + i])) << (8 * i);
  return value;
}

// A field of a message: a number (varint, fixed) or bytes.
struct Field {
  uint64_t number = 0, type = 0, value = 0;
  std::string_view bytes;
};

class Fields {
 public:
  // `start` is where the text begins in the file, for messages.
  Fields(std::string_view text, size_t start, const std::string& label) : text_(text), start_(start), label_(label) {}

  bool next(Field& field) {
    if (at_ >= text_.size()) return false;
    const uint64_t key = varint();
    field = {key >> 3, key & 7, 0, {}};
    switch (field.type) {
      case 0: field.value = varint(); break;
      case 1: field.value = fixed<uint64_t>(); break;
      case 2: {
        const uint64_t size = varint();
        if (size > text_.size() - at_) bad("a field runs past the end of its record");
        field.bytes = text_.substr(at_, static_cast<size_t>(size));
        at_ += static_cast<size_t>(size);
        break;
      }
      case 5: field.value = fixed<uint32_t>(); break;
      default: bad("a field of an unknown type");
    }
    return true;
  }

 private:
  [[noreturn]] void bad(const char* what) const {
    fail(ErrorKind::format, "{}: byte {}: expected an event, found {}", label_, start_ + at_, what);
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ >= text_.size()) bad("a number that runs past the end of its record");
      const auto byte = static_cast<uint8_t>(text_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    bad("a number of more than ten bytes");
  }
  template <class T>
  uint64_t fixed() {
    if (text_.size() - at_ < sizeof(T)) bad("a number that runs past the end of its record");
    const T value = little<T>(text_, at_);
    at_ += sizeof(T);
    return value;
  }

  std::string_view text_;
  size_t start_, at_ = 0;
  const std::string& label_;
};

EventRecord event_of(std::string_view text, size_t offset, const std::string& label) {
  EventRecord record;
  record.offset = offset;
  record.size = text.size() + kFrame;
  Field field;
  for (Fields fields(text, offset + kHeader, label); fields.next(field);) {
    if (field.number == event::kTime && field.type == 1) record.time = std::bit_cast<double>(field.value);
    if (field.number == event::kStep && field.type == 0) record.step = static_cast<int64_t>(field.value);
    if (field.number == event::kVersion && field.type == 2) record.version = field.bytes;
    if (field.number == event::kSummary && field.type == 2) record.summary = field.bytes;
    if (field.number == event::kSession && field.type == 2) {
      Field inner;
      for (Fields log(field.bytes, offset + kHeader, label); log.next(inner);)
        if (inner.number == session::kStatus) record.session_start = inner.value == session::kStart;
    }
  }
  return record;
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// The last event file in a folder, by name; empty when there is none.
std::filesystem::path last_event_file(const std::filesystem::path& folder) {
  std::filesystem::path last;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with("events.out.tfevents.") && name.ends_with(".fovea") && it->path() > last) last = it->path();
  }
  return last;
}

// How many bytes of an event file to keep: all whole records up to the first after a step.
size_t kept_bytes(const std::filesystem::path& path, int64_t step) {
  const EventFile file = parse_event_file(Bytes::map(path));
  for (const EventRecord& record : file.records)
    if (record.step > step) return record.offset;
  return file.whole;
}

}  // namespace

uint32_t crc32c(std::span<const std::byte> bytes) {
  static constexpr std::array<uint32_t, 256> kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      table[i] = i;
      for (int bit = 0; bit < 8; ++bit) table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82f63b78u : 0u);
    }
    return table;
  }();
  uint32_t crc = ~0u;
  for (const std::byte b : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<uint32_t>(b)) & 255];
  return ~crc;
}

EventFile parse_event_file(const Bytes& file) {
  EventFile result;
  const std::string_view text = file.view();
  while (text.size() - result.whole >= kFrame) {
    const size_t at = result.whole;
    const auto size = little<uint64_t>(text, at);
    if (masked_crc(text.substr(at, 8)) != little<uint32_t>(text, at + 8)) break;
    if (size > text.size() - at - kFrame) break;
    const std::string_view body = text.substr(at + kHeader, static_cast<size_t>(size));
    if (masked_crc(body) != little<uint32_t>(text, at + kHeader + body.size())) break;
    result.records.push_back(event_of(body, at, file.label()));
    result.whole += body.size() + kFrame;
  }
  return result;
}

EventWriter::EventWriter(const std::filesystem::path& folder, int64_t resumed_after, Clock clock)
    : clock_(clock ? std::move(clock) : Clock(seconds_now)) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  require(!error, ErrorKind::io, "{}: the folder cannot be made: {}", folder.string(), error.message());
  const std::filesystem::path last = resumed_after >= 0 ? last_event_file(folder) : std::filesystem::path();
  path_ = last.empty() ? folder / fmt::format("events.out.tfevents.{:010.0f}.fovea", std::floor(clock_())) : last;
  const size_t kept = last.empty() ? 0 : kept_bytes(last, resumed_after);
  file_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  require(file_ >= 0, ErrorKind::io, "{}: cannot be opened for writing: {}", path_.string(), std::strerror(errno));
  require(::ftruncate(file_, static_cast<off_t>(kept)) == 0, ErrorKind::io, "{}: cannot be shortened: {}",
          path_.string(), std::strerror(errno));
  if (kept == 0) write_record(Message().real(event::kTime, clock_()).bytes(event::kVersion, "brain.Event:2").text());
  // Says to a TensorBoard that has read further that what comes now takes the place of what it has seen.
  if (resumed_after >= 0)
    write_record(Message()
                     .real(event::kTime, clock_())
                     .varint(event::kStep, static_cast<uint64_t>(resumed_after) + 1)
                     .bytes(event::kSession, Message().varint(session::kStatus, session::kStart).text())
                     .text());
}

EventWriter::~EventWriter() {
  if (file_ >= 0) ::close(file_);
}

void EventWriter::write_record(const std::string& event) {
  std::string record;
  put_little(record, static_cast<uint64_t>(event.size()));
  put_little(record, masked_crc(std::string_view(record)));
  record += event;
  put_little(record, masked_crc(std::string_view(event)));
  for (size_t done = 0; done < record.size();) {
    const ssize_t wrote = ::write(file_, record.data() + done, record.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    require(wrote >= 0, ErrorKind::io, "{}: cannot be written: {}", path_.string(), std::strerror(errno));
    done += static_cast<size_t>(wrote);
  }
}

void EventWriter::write_summary(const std::string& values, int64_t step) {
  write_record(Message()
                   .real(event::kTime, clock_())
                   .varint(event::kStep, static_cast<uint64_t>(step))
                   .bytes(event::kSummary, values)
                   .text());
}

void EventWriter::scalars(const std::vector<std::pair<std::string, double>>& values, int64_t step) {
  if (values.empty()) return;
  Message all;
  for (const auto& [tag, value] : values)
    all.bytes(summary::kValue,
              Message().bytes(summary::kTag, tag).single(summary::kScalar, static_cast<float>(value)).text());
  write_summary(all.text(), step);
}

void EventWriter::image(std::string_view tag, const Image& image, int64_t step) {
  const std::vector<std::byte> png = encode_png(image);
  const Message picture = Message()
                              .varint(1, static_cast<uint64_t>(image.height()))
                              .varint(2, static_cast<uint64_t>(image.width()))
                              .varint(3, static_cast<uint64_t>(image.channels()))  // 1 grey, 3 RGB, 4 RGBA
                              .bytes(4, {reinterpret_cast<const char*>(png.data()), png.size()});
  const Message value = Message().bytes(summary::kTag, tag).bytes(summary::kImage, picture.text());
  write_summary(Message().bytes(summary::kValue, value.text()).text(), step);
}

void EventWriter::histogram(std::string_view tag, std::span<const float> values, int64_t step) {
  constexpr int kBuckets = 64;
  double low = INFINITY, high = -INFINITY, count = 0, sum = 0, squares = 0;
  for (const float v : values) {
    if (!std::isfinite(v)) continue;
    low = std::min<double>(low, v), high = std::max<double>(high, v);
    ++count, sum += v, squares += static_cast<double>(v) * v;
  }
  if (count == 0) return;
  std::vector<double> limits(kBuckets), counts(kBuckets);
  const double width = high > low ? (high - low) / kBuckets : 1;
  for (int i = 0; i < kBuckets; ++i) limits[static_cast<size_t>(i)] = low + width * (i + 1);
  if (high > low) limits.back() = high;
  for (const float v : values)
    if (std::isfinite(v)) ++counts[static_cast<size_t>(std::clamp((v - low) / width, 0.0, kBuckets - 1.0))];
  const Message histogram = Message()
                                .real(1, low)
                                .real(2, high)
                                .real(3, count)
                                .real(4, sum)
                                .real(5, squares)
                                .reals(6, limits)
                                .reals(7, counts);
  const Message value = Message().bytes(summary::kTag, tag).bytes(summary::kHistogram, histogram.text());
  write_summary(Message().bytes(summary::kValue, value.text()).text(), step);
}

void write_event(EventWriter& events, const LogRecord& record) {
  if (const auto* step = std::get_if<StepRecord>(&record)) {
    events.scalars({{"loss/train", step->loss},
                    {"accuracy/train", step->accuracy},
                    {"rate", step->rate},
                    {"samples_per_second", step->samples_per_second}},
                   step->step);
  } else if (const auto* epoch = std::get_if<EpochRecord>(&record)) {
    std::vector<std::pair<std::string, double>> values = {{"loss/train_epoch", epoch->train_loss},
                                                          {"accuracy/train_epoch", epoch->train_accuracy}};
    if (epoch->test) {
      values.emplace_back("loss/test", epoch->test->loss);
      values.emplace_back("accuracy/test", epoch->test->top1);
      values.emplace_back("accuracy/test_top5", epoch->test->top5);
      values.emplace_back("errors/test", static_cast<double>(epoch->test->errors));
    }
    for (const LayerNorms& layer : epoch->layers) {
      values.emplace_back("weight_norm/" + layer.name, layer.weight);
      values.emplace_back("gradient_norm/" + layer.name, layer.gradient);
    }
    events.scalars(values, epoch->step);
  }
}

}  // namespace fovea
