// WebP through libwebp. The container: https://developers.google.com/speed/webp/docs/riff_container
#include <webp/decode.h>

#include <memory>

#include "fovea/image/decoders.h"
#include "fovea/image/geometry.h"

namespace fovea {
namespace {

std::string_view explain(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY: return "there is not enough memory";
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: return "it ends early";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "it uses a feature that libwebp does not know";
    default: return "its data contradict themselves";
  }
}

// The EXIF chunk's orientation, 1 when there is none.
int orientation_of(const Bytes& bytes) {
  const auto data = bytes.span();
  for (size_t at = 12; at + 8 <= data.size();) {
    uint64_t size = 0;
    for (int i = 3; i >= 0; --i) size = size << 8 | std::to_integer<uint64_t>(data[at + 4 + i]);
    if (size > data.size() - at - 8) break;
    if (bytes.view().substr(at, 4) == "EXIF") return exif_orientation(data.subspan(at + 8, size));
    at += 8 + size + size % 2;
  }
  return 1;
}

}  // namespace

bool is_webp(std::string_view head) {
  return head.size() >= 12 && head.starts_with("RIFF") && head.substr(8, 4) == "WEBP";
}

Image decode_webp(const Bytes& bytes, const DecodeOptions& options) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) {
    fail(ErrorKind::internal, "libwebp cannot be started: it differs from the one fovea was built with");
  }
  if (const auto status = WebPGetFeatures(data, bytes.size(), &config.input); status != VP8_STATUS_OK) {
    fail_damaged(bytes, "WebP", explain(status));
  }
  const WebPBitstreamFeatures& input = config.input;
  require(!input.has_animation, ErrorKind::format, "{}: this WebP is animated; fovea reads only still pictures",
          bytes.label().empty() ? "picture" : bytes.label());
  // A flat lossless picture of any size takes a few bytes, so only the limit on pixels applies.
  check_claim(bytes, "WebP", input.width, input.height, 8, uint64_t{1} << 32);
  Image image(input.width, input.height, input.has_alpha ? 4 : 3);
  config.output.colorspace = input.has_alpha ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {image.row(0), static_cast<int>(image.row_size()), image.samples().size()};
  const auto status = WebPDecode(data, bytes.size(), &config);
  WebPFreeDecBuffer(&config.output);
  if (status != VP8_STATUS_OK) fail_damaged(bytes, "WebP", explain(status));
  return options.orient ? orient(std::move(image), orientation_of(bytes)) : image;
}

}  // namespace fovea
