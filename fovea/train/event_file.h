// Event files of TensorBoard: scalars, pictures and histograms against steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fovea/base/bytes.h"
#include "fovea/image/image.h"
#include "fovea/train/metrics.h"

namespace fovea {

// CRC-32C (Castagnoli) of bytes. Source: RFC 3720, section 12.1 and appendix B.4.
uint32_t crc32c(std::span<const std::byte> bytes);

// Appends to the event file of a folder. Every event is handed to the system at once.
class EventWriter {
 public:
  // Seconds since 1970.
  using Clock = std::function<double()>;

  // A new file "events.out.tfevents.<seconds>.fovea" in the folder, which is made where it is missing. With
  // `resumed_after` >= 0 the folder's last file of that kind is gone on with, if there is one: events after that step
  // and a record that is not whole are taken away. Throws Error{io}.
  explicit EventWriter(const std::filesystem::path& folder, int64_t resumed_after = -1, Clock clock = {});
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  // Several at once are one event. Values that are not finite are written as they are. Throw Error{io}: disk full.
  void scalars(const std::vector<std::pair<std::string, double>>& values, int64_t step);
  void image(std::string_view tag, const Image& image, int64_t step);
  // The distribution of values; those that are not finite are left out, and with none nothing is written.
  void histogram(std::string_view tag, std::span<const float> values, int64_t step);

  const std::filesystem::path& path() const { return path_; }

 private:
  void write_record(const std::string& event);
  void write_summary(const std::string& values, int64_t step);
  std::filesystem::path path_;
  Clock clock_;
  int file_ = -1;
};

// A record of the log as scalars: loss/train, accuracy/train, rate, samples_per_second of steps; of an evaluation
// loss/train_epoch, accuracy/train_epoch, loss/test, accuracy/test, accuracy/test_top5, errors/test, and for each layer
// weight_norm/<layer>, gradient_norm/<layer>. Nothing
// for the other kinds.
void write_event(EventWriter& events, const LogRecord& record);

// One record of an event file.
struct EventRecord {
  size_t offset = 0, size = 0;  // of the framed record in the file
  double time = 0;
  int64_t step = 0;
  std::string version;         // "brain.Event:2" in the first
  bool session_start = false;  // TensorBoard drops what it had read of this step and later ones
  std::string summary;         // a Summary message, as protobuf writes it; may be empty
};
struct EventFile {
  std::vector<EventRecord> records;
  size_t whole = 0;  // bytes of the whole records: fewer than the file's when it was cut or the rest is damaged
};

// Reads records until the first that is not whole or whose checksum is wrong; fields of other kinds are passed over.
// Throws Error{format}, naming the byte, for a record with the right checksums that is no event.
EventFile parse_event_file(const Bytes& file);

}  // namespace fovea
