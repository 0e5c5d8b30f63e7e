// Protobuf's text format: name: value, name { … }, # comments. Nesting is bounded before protobuf's parser, which
// recurses, sees the text.
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <array>

#include "fovea/base/error.h"
#include "fovea/formats/caffe_read.h"
#include "fovea/formats/caffe_wire.h"
#include "fovea/formats/onnx_wire.h"

namespace fovea {

namespace {

// The description of the deepest published networks is 0.5 MB; this bounds the memory that a text can ask for.
constexpr size_t kMostText = size_t{1} << 23;
constexpr int kDeepest = 32;

// Fields that only training, speed or bookkeeping ask for: leaving them out changes no result.
constexpr std::array<std::string_view, 26> kHarmless = {
    "weight_filler", "bias_filler",     "filler",         "engine",       "lr_mult",          "decay_mult",
    "share_mode",    "blobs_lr",        "weight_decay",   "loss_weight",  "propagate_down",   "loss_param",
    "debug_info",    "force_backward",  "mirror",         "rand_skip",    "backend",          "prefetch",
    "shuffle",       "blob_share_mode", "accuracy_param", "python_param", "stable_prod_grad", "force_nd_im2col",
    "root_folder",   "data_filler"};

class Collector : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (error.empty()) error = fmt::format("line {}, column {}: {}", line + 1, column + 1, message);
  }
  // Message type "fovea.caffe.X" has no field named "Y".
  void AddWarning(int line, int, const std::string& message) override {
    const size_t end = message.rfind('"');
    const size_t begin = end == std::string::npos || end == 0 ? end : message.rfind('"', end - 1);
    if (begin == std::string::npos || message.find("has no field named") == std::string::npos) return;
    const std::string name = message.substr(begin + 1, end - begin - 1);
    if (std::find(kHarmless.begin(), kHarmless.end(), name) != kHarmless.end()) return;
    if (std::any_of(unknown.begin(), unknown.end(), [&](const auto& known) { return known.second == name; })) return;
    unknown.emplace_back(line + 1, name);
  }
  std::string error;
  std::vector<std::pair<int, std::string>> unknown;
};

// Throws where braces and brackets nest too deeply.
void check_nesting(const Bytes& file) {
  int depth = 0, line = 1;
  char quote = 0;
  bool comment = false;
  const std::string_view text = file.view();
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') ++line, comment = false, quote = 0;
    else if (comment) continue;
    else if (quote != 0) {
      if (c == '\\') ++i;
      else if (c == quote) quote = 0;
    } else if (c == '#') comment = true;
    else if (c == '"' || c == '\'') quote = c;
    else if (c == '{' || c == '<' || c == '[') ++depth;
    else if (c == '}' || c == '>' || c == ']') --depth;
    require(depth <= kDeepest, ErrorKind::format, "{}: line {}: messages nest more than {} deep", file.label(), line,
            kDeepest);
  }
}

// Our own fields of blobs name places in binary files; a text cannot use them.
void check_blobs(const Bytes& file, const google::protobuf::RepeatedPtrField<caffe::BlobProto>& blobs) {
  for (const caffe::BlobProto& blob : blobs)
    require(!blob.has_payload_offset() && !blob.has_payload_size() && !blob.has_payload_double(), ErrorKind::format,
            "{}: a blob with payload fields, which no text has", file.label());
}

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

}  // namespace

caffe::NetParameter parse_prototxt(const Bytes& file, std::vector<std::string>& passed_over) {
  require(file.size() <= kMostText, ErrorKind::format, "{}: a text of {} bytes is no network's description",
          file.label(), file.size());
  require(file.view().find('\0') == std::string_view::npos, ErrorKind::format, "{}: not a prototxt: it is {}",
          file.label(), looks_like(file));
  check_nesting(file);
  caffe::NetParameter network;
  Collector collector;
  google::protobuf::TextFormat::Parser parser;
  parser.AllowUnknownField(true);
  parser.SetRecursionLimit(kDeepest);
  parser.RecordErrorsTo(&collector);
  google::protobuf::io::ArrayInputStream stream(file.data(), static_cast<int>(file.size()));
  const bool good = parser.Parse(&stream, &network);
  require(good, ErrorKind::format, "{}: {}", file.label(),
          collector.error.empty() ? "not a prototxt" : collector.error);
  for (const auto& layer : network.layer()) check_blobs(file, layer.blobs());
  for (const auto& layer : network.layers()) {
    check_blobs(file, layer.blobs());
    check_blobs(file, layer.layer().blobs());
  }
  for (const auto& [line, name] : collector.unknown) passed_over.push_back(fmt::format("{} (line {})", name, line));
  return network;
}

bool is_prototxt(const Bytes& file) {
  static constexpr std::array<std::string_view, 11> kFirst = {"name",
                                                              "input",
                                                              "input_shape",
                                                              "input_dim",
                                                              "layer",
                                                              "layers",
                                                              "force_backward",
                                                              "state",
                                                              "debug_info",
                                                              "default_forward_type",
                                                              "default_backward_type"};
  const std::string_view text = file.view();
  if (text.size() > kMostText || text.find('\0') != std::string_view::npos) return false;
  bool known = false, layers = false;
  for (size_t i = 0; i < text.size() && !(known && layers);) {
    if (text[i] == '#') {
      i = std::min(text.find('\n', i), text.size());
      continue;
    }
    if (text[i] == '"' || text[i] == '\'') {
      i = std::min(text.find_first_of("\"'\n", i + 1), text.size() - 1) + 1;
      continue;
    }
    if (!is_word(text[i])) {
      if (!known && std::string_view(" \t\r\n\xEF\xBB\xBF").find(text[i]) == std::string_view::npos) return false;
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && is_word(text[end])) ++end;
    const std::string_view word = text.substr(i, end - i);
    const size_t next = text.find_first_not_of(" \t\r\n", end);
    const char after = next == std::string_view::npos ? '\0' : text[next];
    if (!known && ((after != ':' && after != '{') || std::find(kFirst.begin(), kFirst.end(), word) == kFirst.end()))
      return false;
    known = true;
    layers = layers || ((word == "layer" || word == "layers") && (after == '{' || after == ':'));
    i = end;
  }
  return known && layers;
}

}  // namespace fovea
