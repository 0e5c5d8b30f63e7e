// Protobuf's wire format is a list of fields: a varint key (field number · 8 + wire type), then a varint (0), 8 bytes
// (1), a length and that many bytes (2), or 4 bytes (5). The scan copies a message field by field, goes into the
// messages on the way to blobs, and leaves their numbers out. Source: protobuf's encoding guide; Caffe's published
// field numbers.
#include "fovea/formats/caffe_wire.h"

#include "fovea/base/error.h"
#include "fovea/formats/caffe_read.h"
#include "fovea/formats/onnx_wire.h"
#include "fovea/formats/protobuf_wire.h"

namespace fovea {

namespace {

// Limits that no real network comes near: they bound the memory that a small hostile file can ask for.
constexpr size_t kMostFields = size_t{1} << 21;
constexpr size_t kMostLayers = size_t{1} << 17;
constexpr size_t kMostDescription = size_t{1} << 28;

enum class Kind { network, layer, layer_1, layer_0, blob, plain };

constexpr uint64_t kData = 5, kDiff = 6, kDoubleData = 8, kDoubleDiff = 9;
constexpr uint64_t kPayloadOffset = 20001, kPayloadSize = 20002, kPayloadDouble = 20003;

// The kind of message that a field of a message holds.
Kind kind_of(Kind outer, uint64_t field) {
  switch (outer) {
    case Kind::network: return field == 100 ? Kind::layer : field == 2 ? Kind::layer_1 : Kind::plain;
    case Kind::layer: return field == 7 ? Kind::blob : Kind::plain;
    case Kind::layer_1: return field == 6 ? Kind::blob : field == 1 ? Kind::layer_0 : Kind::plain;
    case Kind::layer_0: return field == 50 ? Kind::blob : Kind::plain;
    default: return Kind::plain;
  }
}

class Scan {
 public:
  Scan(const Bytes& file, std::string_view what) : reader_(file, what) {}

  std::string message(Kind kind) { return message(kind, 0, reader_.size()); }

 private:
  std::string message(Kind kind, size_t at, size_t end) {
    if (kind == Kind::blob) return blob(at, end);
    std::string out;
    while (at < end) {
      const WireField f = reader_.field(at, end);
      at = f.end;
      if (++fields_ > kMostFields) reader_.bad(f.begin, "more than two million fields");
      const Kind inner = kind_of(kind, f.number);
      if (f.wire != 2 || inner == Kind::plain) {
        out.append(reader_.bytes(f));
        continue;
      }
      if (++layers_ > kMostLayers) reader_.bad(f.begin, fmt::format("more than {} layers and blobs", kMostLayers));
      const std::string body = message(inner, f.data, f.end);
      put_varint(out, f.number << 3 | 2);
      put_varint(out, body.size());
      out += body;
    }
    if (out.size() > kMostDescription) reader_.bad(end, "the description of the network is larger than 256 MiB");
    return out;
  }

  // A blob whose numbers stand in one large piece is described by where that piece lies; any other is copied.
  std::string blob(size_t begin, size_t end) const {
    size_t pieces = 0;
    for (size_t at = begin; at < end;) {
      const WireField f = reader_.field(at, end);
      at = f.end;
      pieces += f.number == kData || f.number == kDoubleData ? 1 : 0;
    }
    std::string out;
    for (size_t at = begin; at < end;) {
      const WireField f = reader_.field(at, end);
      at = f.end;
      if (f.number == kDiff || f.number == kDoubleDiff) continue;
      if (f.number >= kPayloadOffset && f.number <= kPayloadDouble) continue;
      const bool numbers = f.number == kData || f.number == kDoubleData;
      if (!numbers || pieces > 1 || f.wire != 2 || f.size() < kCaffePayload) {
        out.append(reader_.bytes(f));
        continue;
      }
      for (const auto& [number, value] :
           {std::pair{kPayloadOffset, uint64_t{f.data}}, std::pair{kPayloadSize, uint64_t{f.size()}},
            std::pair{kPayloadDouble, uint64_t{f.number == kDoubleData}}}) {
        put_varint(out, number << 3);
        put_varint(out, value);
      }
    }
    return out;
  }

  WireReader reader_;
  size_t fields_ = 0, layers_ = 0;
};

template <class Message>
Message parse(const Bytes& file, Kind kind, std::string_view what) {
  Message result;
  const std::string description = Scan(file, what).message(kind);
  require(result.ParseFromString(description), ErrorKind::format, "{}: is not {}: it is {}", file.label(), what,
          looks_like(file));
  return result;
}

// Whether bytes [at, end) are a layer with a name: V2 has it in field 1 (a string), V1 in field 4, V0 in a message.
bool is_named_layer(const WireReader& reader, bool second, size_t at, size_t end) {
  bool named = false;
  while (at < end) {
    const WireField f = reader.field(at, end);
    at = f.end;
    if (f.number == 1 || (!second && f.number == 4)) {
      if (f.wire != 2) return false;
      named = true;
    }
  }
  return named;
}

}  // namespace

caffe::NetParameter parse_caffemodel(const Bytes& file) {
  return parse<caffe::NetParameter>(file, Kind::network, "a Caffe model");
}
caffe::BlobProto parse_caffe_blob(const Bytes& file) {
  return parse<caffe::BlobProto>(file, Kind::blob, "a Caffe blob");
}

bool is_caffemodel(const Bytes& file) {
  // Wire types of the network's own fields, by number; ONNX's fields 1 and 7 have others.
  static constexpr int kWires[] = {-1, 2, 2, 2, -1, 0, 2, 0, 2};
  try {
    const WireReader reader(file, "a Caffe model");
    bool layers = false;
    for (size_t at = 0; at < file.size();) {
      const WireField f = reader.field(at, file.size());
      at = f.end;
      if (f.number == 4 && f.wire != 0 && f.wire != 2) return false;
      if (f.number <= 8 && f.number != 4 && f.wire != kWires[f.number]) return false;
      if (f.number > 8 && f.number != 100) return false;
      if (f.number != 2 && f.number != 100) continue;
      if (f.wire != 2 || !is_named_layer(reader, f.number == 100, f.data, f.end)) return false;
      layers = true;
    }
    return layers;
  } catch (const Error&) { return false; }
}

}  // namespace fovea
