// The scan copies a message field by field, goes into the messages on the way to tensors, and leaves their raw data
// out. Source: ONNX's published field numbers.
#include "fovea/formats/onnx_wire.h"

#include <array>

#include "fovea/base/error.h"
#include "fovea/formats/protobuf_wire.h"

namespace fovea {

namespace {

// Limits that no real network comes near: they bound the memory that a small hostile file can ask for.
constexpr size_t kMostMessages = size_t{1} << 21;
constexpr size_t kMostDescription = size_t{1} << 28;

enum class Kind { model, graph, node, attribute, tensor, plain };

constexpr uint32_t kRawData = 9, kPayloadOffset = 20001, kPayloadSize = 20002;

// The kind of message that a field of a message holds.
Kind kind_of(Kind outer, uint64_t field) {
  switch (outer) {
    case Kind::model: return field == 7 ? Kind::graph : Kind::plain;
    case Kind::graph: return field == 1 ? Kind::node : field == 5 ? Kind::tensor : Kind::plain;
    case Kind::node: return field == 5 ? Kind::attribute : Kind::plain;
    case Kind::attribute: return field == 5 ? Kind::tensor : Kind::plain;
    default: return Kind::plain;
  }
}

class Scan {
 public:
  explicit Scan(const Bytes& file) : reader_(file, "ONNX") {}

  std::string message(Kind kind) { return message(kind, 0, reader_.size()); }

 private:
  std::string message(Kind kind, size_t at, size_t end) {
    std::string out;
    while (at < end) field(kind, at, end, out);
    if (out.size() > kMostDescription) reader_.bad(end, "the description of the network is larger than 256 MiB");
    return out;
  }

  // Copies the field at `at`, leaving `at` behind it.
  void field(Kind kind, size_t& at, size_t end, std::string& out) {
    if (++messages_ > kMostMessages && kind != Kind::tensor) reader_.bad(at, "more than two million fields");
    const WireField f = reader_.field(at, end);
    at = f.end;
    if (kind == Kind::tensor && (f.number == kPayloadOffset || f.number == kPayloadSize)) return;
    if (kind == Kind::tensor && f.number == kRawData && f.wire == 2 && f.size() >= kPayloadThreshold) {
      put_varint(out, uint64_t{kPayloadOffset} << 3);
      put_varint(out, f.data);
      put_varint(out, uint64_t{kPayloadSize} << 3);
      put_varint(out, f.size());
      return;
    }
    const Kind inner = kind_of(kind, f.number);
    if (f.wire != 2 || inner == Kind::plain) {
      out.append(reader_.bytes(f));
      return;
    }
    const std::string body = message(inner, f.data, f.end);
    put_varint(out, f.number << 3 | 2);
    put_varint(out, body.size());
    out += body;
  }

  WireReader reader_;
  size_t messages_ = 0;
};

template <class Message>
Message parse(const Bytes& file, Kind kind, std::string_view what) {
  Message result;
  const std::string description = Scan(file).message(kind);
  require(result.ParseFromString(description), ErrorKind::format, "{}: is not {}: it is {}", file.label(), what,
          looks_like(file));
  return result;
}

}  // namespace

std::string looks_like(const Bytes& file) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kKinds{{
      {"\x89PNG", "a PNG picture"},
      {"\xFF\xD8\xFF", "a JPEG picture"},
      {"GIF8", "a GIF picture"},
      {"RIFF", "a WebP picture or another RIFF file"},
      {"II*", "a TIFF picture"},
      {"MM\0*", "a TIFF picture"},
      {"PK\x03\x04", "a zip archive (as PyTorch checkpoints are)"},
      {"\x1F\x8B", "a gzip file"},
      {"\xFD"
       "7zXZ",
       "an xz file"},
      {"\x89HDF", "an HDF5 file (as Keras models are)"},
      {"\x80\x02", "a Python pickle (as old PyTorch checkpoints are)"},
      {"%PDF", "a PDF document"},
      {"\x7F"
       "ELF",
       "a program"},
      {"version https://git-lfs", "a Git LFS pointer: the file itself was not fetched"},
      {"P5", "a PGM picture"},
      {"P6", "a PPM picture"},
  }};
  const std::string_view text = file.view();
  if (text.empty()) return "empty";
  for (const auto& [magic, name] : kKinds)
    if (text.starts_with(magic)) return std::string(name);
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos) {
    const std::string_view rest = text.substr(first, 15);
    if (rest.starts_with("<!DOCTYPE") || rest.starts_with("<!doctype") || rest.starts_with("<html") ||
        rest.starts_with("<HTML"))
      return "an HTML page (a download that went wrong?)";
    if (rest.starts_with("<")) return "an XML or HTML text";
  }
  bool printable = true;
  for (const char c : text.substr(0, 64))
    printable = printable && (c == '\n' || c == '\r' || c == '\t' || (c >= 32 && c < 127));
  if (printable)
    return fmt::format("a text that begins \"{}\"", text.substr(0, std::min<size_t>(24, text.find_first_of("\r\n"))));
  std::string hex;
  for (const char c : text.substr(0, 8)) hex += fmt::format(" {:02x}", static_cast<uint8_t>(c));
  return "something that begins with the bytes" + hex;
}

onnx::ModelProto parse_onnx_model(const Bytes& file) {
  return parse<onnx::ModelProto>(file, Kind::model, "an ONNX model");
}
onnx::TensorProto parse_onnx_tensor(const Bytes& file) {
  return parse<onnx::TensorProto>(file, Kind::tensor, "an ONNX tensor");
}

}  // namespace fovea
