// TIFF through libtiff, from memory. Samples of 8 and 16 bits are read as they are; palettes, few bits, YCbCr and the
// rest through libtiff's conversion to RGBA. Source of the tags: TIFF 6.0.
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <memory>

#include "fovea/image/decoders.h"
#include "fovea/image/geometry.h"

namespace fovea {
namespace {

// What libtiff is given to read, and the first error it reports.
struct Source {
  const Bytes& bytes;
  uint64_t position = 0;
  std::string message = {};
};

Source& source_of(thandle_t handle) { return *static_cast<Source*>(handle); }

tmsize_t read_bytes(thandle_t handle, void* to, tmsize_t size) {
  Source& source = source_of(handle);
  if (size <= 0 || source.position >= source.bytes.size()) return 0;
  const uint64_t count = std::min<uint64_t>(size, source.bytes.size() - source.position);
  std::memcpy(to, source.bytes.data() + source.position, count);
  source.position += count;
  return static_cast<tmsize_t>(count);
}

toff_t seek(thandle_t handle, toff_t offset, int whence) {
  Source& source = source_of(handle);
  const uint64_t base = whence == SEEK_CUR ? source.position : whence == SEEK_END ? source.bytes.size() : 0;
  return source.position = base + offset;
}

int note_error(TIFF*, void* source, const char*, const char* format, va_list arguments) {
  auto& message = static_cast<Source*>(source)->message;
  char text[256];
  std::vsnprintf(text, sizeof text, format, arguments);
  if (message.empty()) message = text;
  return 1;  // handled: nothing is printed
}

int ignore_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

using Handle = std::unique_ptr<TIFF, void (*)(TIFF*)>;

Handle open(Source& source) {
  std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), note_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), ignore_warning, nullptr);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), tmsize_t{1} << 30);
  const auto write = [](thandle_t, void*, tmsize_t) -> tmsize_t { return 0; };
  const auto close = [](thandle_t) { return 0; };
  const auto size = [](thandle_t handle) -> toff_t { return source_of(handle).bytes.size(); };
  // "m": not mapped, so that libtiff always copies.
  return Handle(TIFFClientOpenExt("picture", "rm", &source, read_bytes, write, seek, close, size, nullptr, nullptr,
                                  options.get()),
                TIFFClose);
}

struct Layout {
  uint32_t width = 0, height = 0;
  uint16_t bits = 1, samples = 1, photometric = 0, format = SAMPLEFORMAT_UINT, planar = PLANARCONFIG_CONTIG;
  uint16_t compression = COMPRESSION_NONE, orientation = ORIENTATION_TOPLEFT;
  uint16_t alpha = 0;  // EXTRASAMPLE_ASSOCALPHA or UNASSALPHA when the first extra sample is one
  bool has_photometric = false, tiled = false;

  int colours() const { return photometric == PHOTOMETRIC_RGB ? 3 : photometric == PHOTOMETRIC_SEPARATED ? 4 : 1; }
  // Whether the samples can be copied as they are stored.
  bool is_plain() const {
    const bool grey = photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE;
    const bool known = grey || photometric == PHOTOMETRIC_RGB || (photometric == PHOTOMETRIC_SEPARATED && bits == 8);
    return has_photometric && known && (bits == 8 || bits == 16) && format == SAMPLEFORMAT_UINT &&
           samples >= colours() && compression != COMPRESSION_OJPEG;
  }
};

Layout read_layout(TIFF* tiff) {
  Layout layout;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout.width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout.height);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &layout.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &layout.format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &layout.planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &layout.compression);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &layout.orientation);
  layout.has_photometric = TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout.photometric) == 1;
  layout.tiled = TIFFIsTiled(tiff);
  if (layout.format == SAMPLEFORMAT_VOID) layout.format = SAMPLEFORMAT_UINT;
  uint16_t extra = 0, *kinds = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extra, &kinds);
  if (extra > 0 && kinds && layout.samples > layout.colours()) layout.alpha = kinds[0];
  return layout;
}

// The most bytes of samples that a stored byte can stand for. Deflate: 1032. LZW: 4096 byte strings from 12-bit codes.
// Fax codes: a whole row from one bit. The others have no useful bound.
uint64_t most_from_a_byte(const Layout& layout) {
  switch (layout.compression) {
    case COMPRESSION_NONE: return 1;
    case COMPRESSION_PACKBITS: return 64;
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_DEFLATE: return 1032;
    case COMPRESSION_LZW: return 4096;
    case COMPRESSION_CCITTRLE:
    case COMPRESSION_CCITTFAX3:
    case COMPRESSION_CCITTFAX4: return uint64_t{8} * std::max<uint64_t>(layout.width / 8, 1);
    default: return uint64_t{1} << 20;
  }
}

class Reader {
 public:
  Reader(TIFF* tiff, Source& source, const Layout& layout) : tiff_(tiff), source_(source), layout_(layout) {}

  // Samples as stored, into 1, 3 or 4 channels.
  template <class Sample>
  Image read_plain() {
    const bool inks = layout_.photometric == PHOTOMETRIC_SEPARATED;
    const bool alpha = layout_.alpha == EXTRASAMPLE_ASSOCALPHA || layout_.alpha == EXTRASAMPLE_UNASSALPHA;
    const int kept = std::min<int>(layout_.samples, layout_.colours() + (alpha && !inks));
    Image image = allocate(kept == 2 ? 4 : kept, 8 * sizeof(Sample));
    Sample* out = samples_of<Sample>(image);
    if (layout_.tiled) read_tiles(out, image, kept);
    else read_rows(out, image, kept);
    if (layout_.photometric == PHOTOMETRIC_MINISWHITE) invert(out, image, kept);
    if (kept == 2) spread_grey(out, image);
    if (kept > 1 && !inks && layout_.alpha == EXTRASAMPLE_ASSOCALPHA) unmultiply(out, image);
    return inks ? convert_inks(image) : image;
  }

  // Anything else that libtiff can turn into RGBA.
  Image read_converted() {
    TIFFRGBAImage converter;
    char message[1024] = "";
    if (!TIFFRGBAImageBegin(&converter, tiff_, 1, message)) {
      fail_damaged(source_.bytes, "or unknown TIFF", source_.message.empty() ? message : source_.message.c_str());
    }
    std::unique_ptr<TIFFRGBAImage, void (*)(TIFFRGBAImage*)> guard(&converter, TIFFRGBAImageEnd);
    // Both the same: no turning here, orient() does it afterwards.
    converter.orientation = converter.req_orientation = ORIENTATION_TOPLEFT;
    const size_t pixels = size_t{layout_.width} * layout_.height;
    std::vector<uint32_t> raster(pixels);
    if (!TIFFRGBAImageGet(&converter, raster.data(), layout_.width, layout_.height)) fail_reading();
    const bool grey = layout_.samples == 1 && layout_.has_photometric && layout_.photometric <= PHOTOMETRIC_MINISBLACK;
    Image image = allocate(grey ? 1 : converter.alpha ? 4 : 3, 8);
    uint8_t* out = image.samples().data();
    for (const uint32_t pixel : raster) {
      *out++ = static_cast<uint8_t>(TIFFGetR(pixel));
      if (grey) continue;
      *out++ = static_cast<uint8_t>(TIFFGetG(pixel));
      *out++ = static_cast<uint8_t>(TIFFGetB(pixel));
      if (converter.alpha) *out++ = static_cast<uint8_t>(TIFFGetA(pixel));
    }
    if (converter.alpha) unmultiply(image.samples().data(), image);
    return image;
  }

 private:
  [[noreturn]] void fail_reading() const {
    fail_damaged(source_.bytes, "TIFF", source_.message.empty() ? "its pixels cannot be read" : source_.message);
  }

  Image allocate(int channels, int depth) const {
    return Image(static_cast<int>(layout_.width), static_cast<int>(layout_.height), channels, depth);
  }

  template <class Sample>
  static Sample* samples_of(Image& image) {
    if constexpr (sizeof(Sample) == 2) return image.samples16().data();
    else return image.samples().data();
  }

  // How many buffers make up the samples: one, or one a plane; and the samples side by side in each.
  int planes(int kept) const { return layout_.planar == PLANARCONFIG_SEPARATE ? kept : 1; }
  int interleaved() const { return layout_.planar == PLANARCONFIG_SEPARATE ? 1 : layout_.samples; }

  // Copies one row of `count` pixels of a buffer, of the plane or of all samples, to `out`.
  template <class Sample>
  void store(const Sample* in, Sample* out, size_t count, int channels, int kept, int plane) const {
    const int step = interleaved(), used = step == 1 ? 1 : kept, first = planes(kept) > 1 ? plane : 0;
    for (size_t x = 0; x < count; ++x) {
      for (int c = 0; c < used; ++c) out[x * channels + first + c] = in[x * step + c];
    }
  }

  template <class Sample>
  void read_rows(Sample* out, const Image& image, int kept) {
    const size_t needed = image.width() * sizeof(Sample) * interleaved();
    const auto size = TIFFScanlineSize(tiff_);
    if (size <= 0 || static_cast<size_t>(size) < needed) fail_reading();
    std::vector<Sample> row((size + sizeof(Sample) - 1) / sizeof(Sample));
    for (int plane = 0; plane < planes(kept); ++plane) {
      for (int y = 0; y < image.height(); ++y) {
        if (TIFFReadScanline(tiff_, row.data(), y, static_cast<uint16_t>(plane)) < 0) fail_reading();
        store(row.data(), out + y * image.row_size(), image.width(), image.channels(), kept, plane);
      }
    }
  }

  template <class Sample>
  void read_tiles(Sample* out, const Image& image, int kept) {
    uint32_t tile_w = 0, tile_h = 0;
    TIFFGetField(tiff_, TIFFTAG_TILEWIDTH, &tile_w);
    TIFFGetField(tiff_, TIFFTAG_TILELENGTH, &tile_h);
    check_claim(source_.bytes, "TIFF tile", tile_w, tile_h, 8, most_from_a_byte(layout_));
    const uint64_t needed = uint64_t{tile_w} * tile_h * interleaved() * sizeof(Sample);
    const auto size = TIFFTileSize(tiff_);
    if (size <= 0 || static_cast<uint64_t>(size) < needed) fail_reading();
    std::vector<Sample> tile((size + sizeof(Sample) - 1) / sizeof(Sample));
    const uint32_t width = layout_.width, height = layout_.height;
    for (int plane = 0; plane < planes(kept); ++plane) {
      for (uint32_t y0 = 0; y0 < height; y0 += tile_h) {
        for (uint32_t x0 = 0; x0 < width; x0 += tile_w) {
          if (TIFFReadTile(tiff_, tile.data(), x0, y0, 0, static_cast<uint16_t>(plane)) < 0) fail_reading();
          for (uint32_t y = y0; y < std::min(height, y0 + tile_h); ++y) {
            store(tile.data() + size_t{y - y0} * tile_w * interleaved(),
                  out + y * image.row_size() + size_t{x0} * image.channels(), std::min(tile_w, width - x0),
                  image.channels(), kept, plane);
          }
        }
      }
    }
  }

  // White is zero: turns the grey samples, which are the first of each pixel, around.
  template <class Sample>
  static void invert(Sample* samples, const Image& image, int) {
    for (size_t i = 0; i < image.row_size() * image.height(); i += image.channels()) {
      samples[i] = static_cast<Sample>(~samples[i]);
    }
  }

  // Grey and alpha, stored in the first two of four channels, become RGBA.
  template <class Sample>
  static void spread_grey(Sample* samples, const Image& image) {
    for (size_t i = 0; i < image.row_size() * image.height(); i += 4) {
      samples[i + 3] = samples[i + 1];
      samples[i + 1] = samples[i + 2] = samples[i];
    }
  }

  // Colour that was multiplied by alpha is divided by it again, rounded down as PIL does.
  template <class Sample>
  static void unmultiply(Sample* samples, const Image& image) {
    constexpr uint32_t kMost = static_cast<Sample>(~Sample{0});
    for (size_t i = 0; i < image.row_size() * image.height(); i += 4) {
      const uint32_t alpha = samples[i + 3];
      if (alpha == 0 || alpha == kMost) continue;
      for (int c = 0; c < 3; ++c) {
        samples[i + c] = static_cast<Sample>(std::min(kMost, kMost * samples[i + c] / alpha));
      }
    }
  }

  static Image convert_inks(const Image& inks) {
    Image image(inks.width(), inks.height(), 3);
    for (int y = 0; y < image.height(); ++y) {
      for (int x = 0; x < image.width(); ++x) cmyk_to_rgb(inks.row(y) + 4 * x, image.row(y) + 3 * x);
    }
    return image;
  }

  TIFF* tiff_;
  Source& source_;
  Layout layout_;
};

}  // namespace

bool is_tiff(std::string_view head) {
  using namespace std::string_view_literals;
  return head.starts_with("II*\0"sv) || head.starts_with("MM\0*"sv) || head.starts_with("II+\0"sv) ||
         head.starts_with("MM\0+"sv);
}

Image decode_tiff(const Bytes& bytes, const DecodeOptions&) {
  Source source{bytes};
  const Handle tiff = open(source);
  if (!tiff) fail_damaged(bytes, "TIFF", source.message.empty() ? "its directory cannot be read" : source.message);
  const Layout layout = read_layout(tiff.get());
  const uint64_t bits = uint64_t{layout.bits} * (layout.is_plain() ? layout.colours() : 1);
  check_claim(bytes, "TIFF", layout.width, layout.height, bits, most_from_a_byte(layout));
  Reader reader(tiff.get(), source, layout);
  Image image = !layout.is_plain()  ? reader.read_converted()
                : layout.bits == 16 ? reader.read_plain<uint16_t>()
                                    : reader.read_plain<uint8_t>();
  return orient(std::move(image), layout.orientation);
}

}  // namespace fovea
