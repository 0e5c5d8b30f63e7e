// PNG through libpng. Its errors leave by longjmp, so every call into it is inside guarded(), whose body owns nothing.
#include <png.h>

#include <bit>
#include <csetjmp>
#include <memory>

#include "fovea/image/decoders.h"
#include "fovea/image/geometry.h"

namespace fovea {
namespace {

// Deflate makes at most 258 bytes from 2 bits: 1032 to 1.
constexpr uint64_t kDeflateRatio = 1032;

// On photographs half the time of zlib's default, 6, and no larger.
constexpr int kLevel = 4;

// Texts above this many bytes are stored compressed.
constexpr size_t kLongText = 2048;

struct Trouble {
  char message[160] = "unknown error";
};

void on_error(png_structp png, png_const_charp message) {
  auto* trouble = static_cast<Trouble*>(png_get_error_ptr(png));
  std::strncpy(trouble->message, message, sizeof trouble->message - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

// Runs body, which must hold no object with a destructor; false when libpng reported an error.
template <class Body>
bool guarded(png_structp png, const Body& body) {
  if (setjmp(png_jmpbuf(png))) return false;
  body();
  return true;
}

class Reader {
 public:
  explicit Reader(const Bytes& bytes) : bytes_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &trouble_, on_error, on_warning);
    if (png_) info_ = png_create_info_struct(png_);
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      fail(ErrorKind::internal, "libpng cannot be started: it differs from the one fovea was built with");
    }
  }
  Reader(const Reader&) = delete;
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  // Everything before the pixels; checks the claimed size.
  void read_header() {
    run([&] {
      png_set_read_fn(png_, this, [](png_structp png, png_bytep to, size_t size) {
        static_cast<Reader*>(png_get_io_ptr(png))->read(png, to, size);
      });
      png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);  // our own limit is on the pixels, below
      png_set_chunk_malloc_max(png_, 64 << 20);
      png_read_info(png_, info_);
    });
    const uint64_t bits = uint64_t{png_get_bit_depth(png_, info_)} * png_get_channels(png_, info_);
    check_claim(bytes_, "PNG", png_get_image_width(png_, info_), png_get_image_height(png_, info_), bits,
                kDeflateRatio);
  }

  Image read_pixels() {
    run([&] {
      png_set_expand(png_);  // palettes to RGB, few bits to 8, transparent colours to alpha
      // Alpha of a grey picture, also one made of a transparent grey, is only kept beside RGB.
      const bool alpha =
          png_get_valid(png_, info_, PNG_INFO_tRNS) || png_get_color_type(png_, info_) & PNG_COLOR_MASK_ALPHA;
      if (alpha) png_set_gray_to_rgb(png_);
      if constexpr (std::endian::native == std::endian::little) png_set_swap(png_);
      png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
    });
    Image image(static_cast<int>(png_get_image_width(png_, info_)), static_cast<int>(png_get_image_height(png_, info_)),
                png_get_channels(png_, info_), png_get_bit_depth(png_, info_));
    if (png_get_rowbytes(png_, info_) != image.row_size() * (image.depth() / 8)) {
      fail_damaged(bytes_, "PNG", "its rows have an unexpected size");
    }
    std::vector<png_bytep> rows(image.height());
    for (int y = 0; y < image.height(); ++y) {
      rows[y] = image.depth() == 16 ? reinterpret_cast<png_bytep>(image.row16(y)) : image.row(y);
    }
    run([&] {
      png_read_image(png_, rows.data());
      png_read_end(png_, info_);
    });
    return image;
  }

  // After the pixels: EXIF may follow them.
  int orientation() {
    png_bytep exif = nullptr;
    png_uint_32 size = 0;
    run([&] { png_get_eXIf_1(png_, info_, &size, &exif); });
    return exif ? exif_orientation(std::as_bytes(std::span(exif, size))) : 1;
  }

  TextPairs text() {
    png_textp text = nullptr;
    int count = 0;
    run([&] { png_get_text(png_, info_, &text, &count); });
    TextPairs pairs;
    for (int i = 0; i < count; ++i) {
      const size_t size = text[i].compression >= PNG_ITXT_COMPRESSION_NONE ? text[i].itxt_length : text[i].text_length;
      pairs.emplace_back(text[i].key, text[i].text ? std::string(text[i].text, size) : std::string());
    }
    return pairs;
  }

 private:
  template <class Body>
  void run(const Body& body) {
    if (guarded(png_, body)) return;
    if (ended_) fail_damaged(bytes_, "PNG", fmt::format("it ends early, after {} bytes", bytes_.size()));
    fail_damaged(bytes_, "PNG", trouble_.message);
  }

  void read(png_structp png, png_bytep to, size_t size) {
    if (size > bytes_.size() - position_) {
      ended_ = true;
      png_error(png, "ends early");
    }
    std::memcpy(to, bytes_.data() + position_, size);
    position_ += size;
  }

  const Bytes& bytes_;
  size_t position_ = 0;
  bool ended_ = false;
  Trouble trouble_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

class Writer {
 public:
  Writer() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &trouble_, on_error, on_warning);
    if (png_) info_ = png_create_info_struct(png_);
    if (!info_) {
      png_destroy_write_struct(&png_, nullptr);
      fail(ErrorKind::internal, "libpng cannot be started: it differs from the one fovea was built with");
    }
  }
  Writer(const Writer&) = delete;
  ~Writer() { png_destroy_write_struct(&png_, &info_); }

  std::vector<std::byte> write(const Image& image, std::vector<::png_text>& text) {
    std::vector<png_bytep> rows(image.height());
    for (int y = 0; y < image.height(); ++y) {
      const void* row = image.depth() == 16 ? static_cast<const void*>(image.row16(y)) : image.row(y);
      rows[y] = static_cast<png_bytep>(const_cast<void*>(row));  // libpng's writer does not change the rows
    }
    const int colour = image.channels() == 1   ? PNG_COLOR_TYPE_GRAY
                       : image.channels() == 3 ? PNG_COLOR_TYPE_RGB
                                               : PNG_COLOR_TYPE_RGB_ALPHA;
    const bool written = guarded(png_, [&] {
      png_set_write_fn(png_, this, append, [](png_structp) {});
      png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);
      png_set_IHDR(png_, info_, image.width(), image.height(), image.depth(), colour, PNG_INTERLACE_NONE,
                   PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
      png_set_compression_level(png_, kLevel);
      if (!text.empty()) png_set_text(png_, info_, text.data(), static_cast<int>(text.size()));
      png_write_info(png_, info_);
      if constexpr (std::endian::native == std::endian::little) png_set_swap(png_);
      png_write_image(png_, rows.data());
      png_write_end(png_, nullptr);
    });
    require(written, ErrorKind::internal, "a PNG could not be made: {}", trouble_.message);
    return std::move(out_);
  }

 private:
  static void append(png_structp png, png_bytep data, size_t size) {
    auto* self = static_cast<Writer*>(png_get_io_ptr(png));
    bool stored = true;
    try {
      const auto* bytes = reinterpret_cast<const std::byte*>(data);
      self->out_.insert(self->out_.end(), bytes, bytes + size);
    } catch (...) {  // an exception may not cross libpng
      stored = false;
    }
    if (!stored) png_error(png, "out of memory");
  }

  Trouble trouble_;
  std::vector<std::byte> out_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x7f || (static_cast<unsigned char>(c) < 0x20 && c != '\n')) return false;
  }
  return true;
}

}  // namespace

bool is_png(std::string_view head) { return head.starts_with("\x89PNG\r\n\x1a\n"); }

Image decode_png(const Bytes& bytes, const DecodeOptions& options) {
  Reader reader(bytes);
  reader.read_header();
  Image image = reader.read_pixels();
  return options.orient ? orient(std::move(image), reader.orientation()) : image;
}

TextPairs png_text(const Bytes& bytes) {
  if (!is_png(bytes.view()))
    fail(ErrorKind::format, "{}: not a PNG", bytes.label().empty() ? "picture" : bytes.label());
  Reader reader(bytes);
  reader.read_header();
  reader.read_pixels();
  return reader.text();
}

std::vector<std::byte> encode_png(const Image& image, const TextPairs& text) {
  require(!image.empty(), ErrorKind::usage, "an empty picture cannot be a PNG");
  std::vector<::png_text> chunks;
  for (const auto& [key, value] : text) {
    require(!key.empty() && key.size() <= 79 && is_ascii(key) && key.find('\n') == key.npos, ErrorKind::usage,
            "a PNG's text needs a keyword of 1 to 79 ASCII characters, not '{}'", key);
    ::png_text chunk{};
    const bool ascii = is_ascii(value);
    if (value.size() > kLongText) chunk.compression = ascii ? PNG_TEXT_COMPRESSION_zTXt : PNG_ITXT_COMPRESSION_zTXt;
    else chunk.compression = ascii ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    chunk.key = const_cast<char*>(key.c_str());
    chunk.text = const_cast<char*>(value.c_str());
    chunk.text_length = value.size();
    chunks.push_back(chunk);
  }
  return Writer().write(image, chunks);
}

}  // namespace fovea
