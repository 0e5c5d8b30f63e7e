#include "fovea/image/codec.h"

#include <algorithm>
#include <cctype>
#include <new>

#include "fovea/image/decoders.h"

namespace fovea {
namespace {

struct Format {
  bool (*recognises)(std::string_view head);
  Image (*decode)(const Bytes&, const DecodeOptions&);
};

constexpr Format kFormats[] = {
    {is_png, decode_png}, {is_jpeg, decode_jpeg}, {is_webp, decode_webp}, {is_tiff, decode_tiff}, {is_ppm, decode_ppm}};

std::string label_of(const Bytes& bytes) { return bytes.label().empty() ? "picture" : bytes.label(); }

// The first bytes for a message: printable ones as they are, others as \xNN.
std::string quote_start(std::string_view head) {
  std::string text;
  for (const char c : head.substr(0, 4)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) text += c;
    else text += fmt::format("\\x{:02x}", byte);
  }
  return text;
}

uint16_t read16(const std::byte* p, bool big) {
  const auto a = std::to_integer<uint16_t>(p[0]), b = std::to_integer<uint16_t>(p[1]);
  return static_cast<uint16_t>(big ? a << 8 | b : b << 8 | a);
}

uint32_t read32(const std::byte* p, bool big) {
  const uint32_t a = read16(p, big), b = read16(p + 2, big);
  return big ? a << 16 | b : b << 16 | a;
}

}  // namespace

void fail_damaged(const Bytes& bytes, std::string_view format, std::string_view what) {
  while (!what.empty() && (what.back() == '\n' || what.back() == '.')) what.remove_suffix(1);
  fail(ErrorKind::format, "{}: damaged {}: {}", label_of(bytes), format, what);
}

void check_claim(const Bytes& bytes, std::string_view format, uint64_t width, uint64_t height, uint64_t bits_per_pixel,
                 uint64_t ratio) {
  if (width == 0 || height == 0) fail_damaged(bytes, format, fmt::format("it claims {} x {} pixels", width, height));
  require(width <= kMaxPixels && height <= kMaxPixels && width * height <= kMaxPixels, ErrorKind::format,
          "{}: this {} claims {} x {} pixels; fovea reads at most {} pixels", label_of(bytes), format, width, height,
          kMaxPixels);
  const uint64_t needed = width * height * bits_per_pixel / 8;  // below 2^28 * 64
  if (needed / ratio > bytes.size()) {
    fail_damaged(
        bytes, format,
        fmt::format("it claims {} x {} pixels, which cannot come from its {} bytes", width, height, bytes.size()));
  }
}

int exif_orientation(std::span<const std::byte> exif) {
  constexpr std::byte kPrefix[] = {std::byte{'E'}, std::byte{'x'}, std::byte{'i'}, std::byte{'f'}, {}, {}};
  if (exif.size() >= 6 && std::equal(std::begin(kPrefix), std::end(kPrefix), exif.begin())) exif = exif.subspan(6);
  if (exif.size() < 8) return 1;
  const bool big = exif[0] == std::byte{'M'};
  if (exif[0] != exif[1] || (!big && exif[0] != std::byte{'I'}) || read16(&exif[2], big) != 42) return 1;
  const uint64_t directory = read32(&exif[4], big);
  if (directory + 2 > exif.size()) return 1;
  const int entries = read16(&exif[directory], big);
  for (int i = 0; i < entries; ++i) {
    const uint64_t at = directory + 2 + 12 * static_cast<uint64_t>(i);
    if (at + 12 > exif.size()) return 1;
    if (read16(&exif[at], big) != 0x0112) continue;
    const int type = read16(&exif[at + 2], big);  // 3: 16-bit, 4: 32-bit
    const uint32_t value = type == 3 ? read16(&exif[at + 8], big) : type == 4 ? read32(&exif[at + 8], big) : 1;
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image decode_image(const Bytes& bytes, const DecodeOptions& options) {
  constexpr std::string_view kReads = "not a picture that fovea reads (PNG, JPEG, WebP, TIFF, PPM, PGM)";
  require(!bytes.empty(), ErrorKind::format, "{}: {}; it is empty", label_of(bytes), kReads);
  const std::string_view head = bytes.view().substr(0, 16);
  for (const Format& format : kFormats) {
    if (!format.recognises(head)) continue;
    try {
      return format.decode(bytes, options);
    } catch (const std::bad_alloc&) {
      fail(ErrorKind::format, "{}: there is not enough memory for this picture", label_of(bytes));
    }
  }
  fail(ErrorKind::format, "{}: {}; it starts with '{}'", label_of(bytes), kReads, quote_start(head));
}

Image read_image(const std::filesystem::path& path, const DecodeOptions& options) {
  return decode_image(Bytes::map(path), options);
}

void write_image(const std::filesystem::path& path, const Image& image, const TextPairs& text) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (extension == ".png") return write_file(path, encode_png(image, text));
  if (extension == ".jpg" || extension == ".jpeg") return write_file(path, encode_jpeg(image));
  if (extension == ".pgm") return write_file(path, encode_ppm(image.to_grey()));
  if (extension == ".ppm") return write_file(path, encode_ppm(image.to_rgb()));
  if (extension == ".pnm") return write_file(path, encode_ppm(image));
  if (extension == ".tif" || extension == ".tiff") return write_file(path, encode_tiff(image, text));
  fail(ErrorKind::usage, "{}: fovea writes pictures as .png, .jpg, .tif, .ppm or .pgm, not as '{}'; try {}",
       path.string(), extension, std::filesystem::path(path).replace_extension(".png").string());
}

}  // namespace fovea
