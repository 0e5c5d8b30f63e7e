#include "fovea/train/event_file.h"

#include <cmath>
#include <limits>

#include "fovea/image/codec.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using namespace testing_data;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// 1000.25, 1001.25, …
EventWriter::Clock ticking() {
  return [now = 999.25]() mutable { return ++now; };
}

class EventFiles : public WithFolder {
 protected:
  EventFile read(const fs::path& path) { return parse_event_file(Bytes::map(path)); }
  std::string text(const fs::path& path) { return std::string(Bytes::map(path).view()); }
};

TEST(Crc32c, EqualsPublishedValues) {
  // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\0'))), 0x8a9136aau);
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\xff'))), 0x62a8ab43u);
  std::string up;
  for (int i = 0; i < 32; ++i) up += static_cast<char>(i);
  EXPECT_EQ(crc32c(bytes_of(up)), 0x46dd794eu);
}

TEST_F(EventFiles, EqualWhatProtobufWrites) {
  fs::path path;
  {
    EventWriter events(folder_, -1, ticking());
    path = events.path();
    events.scalars({{"loss/train", 2.25}, {"rate", 0.05}}, 20);
    std::vector<float> values;
    for (int i = 0; i < 128; ++i) values.push_back(1 + static_cast<float>(i) / 64);
    events.histogram("weights", values, int64_t{1} << 40);
  }
  EXPECT_EQ(path.filename(), "events.out.tfevents.0000001000.fovea");
  // Going on: the clock went on too.
  EventWriter(folder_, int64_t{1} << 40, [] { return 1004.25; });
  const fs::path golden = fs::path(FOVEA_SOURCE_DIR) / "tests/golden/events/scalars.tfevents";
  EXPECT_TRUE(text(path) == text(golden)) << "the bytes differ";
  const EventFile file = read(path);
  ASSERT_EQ(file.records.size(), 4u);
  EXPECT_EQ(file.records[0].version, "brain.Event:2");
  EXPECT_EQ(file.records[1].step, 20);
  EXPECT_EQ(file.records[2].step, int64_t{1} << 40);
  EXPECT_TRUE(file.records[3].session_start);
  EXPECT_EQ(file.records[1].time, 1002.25);
}

TEST_F(EventFiles, AreGoneOnWithAfterTheStepOfACheckpoint) {
  fs::path path;
  {
    EventWriter events(folder_, -1, ticking());
    path = events.path();
    for (const int64_t step : {10, 20, 30}) events.scalars({{"loss", 1.0 / static_cast<double>(step)}}, step);
  }
  const size_t whole = read(path).records[2].offset;
  const std::string kept = text(path).substr(0, read(path).records[3].offset);
  // Killed while it wrote.
  fs::resize_file(path, fs::file_size(path) - 5);
  EXPECT_EQ(read(path).records.size(), 3u);
  EXPECT_GT(read(path).whole, whole);
  {
    EventWriter events(folder_, 20, ticking());
    EXPECT_EQ(events.path(), path);
    events.scalars({{"loss", 0.5}}, 25);
  }
  const EventFile file = read(path);
  ASSERT_EQ(file.records.size(), 5u);
  EXPECT_EQ(text(path).substr(0, kept.size()), kept);
  EXPECT_TRUE(file.records[3].session_start);
  EXPECT_EQ(file.records[3].step, 21);
  EXPECT_EQ(file.records[4].step, 25);
  // A folder without a file gets one.
  EventWriter fresh(folder_ / "new", 20, ticking());
  EXPECT_EQ(read(fresh.path()).records.size(), 2u);
}

TEST_F(EventFiles, HoldPicturesAsPng) {
  Image image(3, 2, 3);
  image.samples()[4] = 200;
  EventWriter events(folder_, -1, ticking());
  events.image("filters", image, 7);
  const EventFile file = read(events.path());
  ASSERT_EQ(file.records.size(), 2u);
  const std::string& summary = file.records[1].summary;
  const size_t png = summary.find("\x89PNG");
  ASSERT_NE(png, std::string::npos);
  EXPECT_TRUE(decode_image(Bytes::copy(summary.substr(png))) == image);
  EXPECT_NE(summary.find("filters"), std::string::npos);
}

TEST_F(EventFiles, DamageAndHostileBytesEndTheReading) {
  EventWriter events(folder_, -1, ticking());
  events.scalars({{"loss", std::numeric_limits<double>::quiet_NaN()}}, 1);
  const std::string good = text(events.path());
  ASSERT_EQ(parse_event_file(Bytes::copy(good)).records.size(), 2u);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    EXPECT_LT(parse_event_file(Bytes::copy(bad)).records.size(), 2u) << "byte " << i;
    EXPECT_LE(parse_event_file(Bytes::copy(good.substr(0, i))).whole, i);
  }
  // Right checksums around what is no message: a field that runs past the end.
  const std::string body = "\x2a\x7f";
  const auto masked = [](std::string_view text) {
    const uint32_t c = crc32c(bytes_of(text));
    return ((c >> 15) | (c << 17)) + 0xa282ead8u;
  };
  const auto little = [](uint64_t v, int size) {
    std::string s;
    for (int i = 0; i < size; ++i) s += static_cast<char>(v >> (8 * i) & 255);
    return s;
  };
  const std::string length = little(body.size(), 8);
  EXPECT_THROW(
      parse_event_file(Bytes::copy(length + little(masked(length), 4) + body + little(masked(body), 4), "events")),
      Error);
}

}  // namespace
}  // namespace fovea
