// JPEG through libjpeg-turbo. Its errors leave by longjmp, so every call into it is inside guarded(), whose body owns
// nothing.
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <memory>
// After <cstdio>, which it needs.
#include <jerror.h>
#include <jpeglib.h>

#include "fovea/image/decoders.h"
#include "fovea/image/geometry.h"

namespace fovea {
namespace {

// A coded 8x8 block takes at least one bit, except with arithmetic coding of flat pictures; 4096 leaves room for those.
constexpr uint64_t kJpegRatio = 4096;
// Far more scans than any encoder writes; each costs a pass over the whole picture.
constexpr int kMaxScans = 200;

struct Trouble {
  jpeg_error_mgr base;  // first: libjpeg sees only this part
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
  int code;
};

[[noreturn]] void on_error(j_common_ptr info) {
  auto* trouble = reinterpret_cast<Trouble*>(info->err);
  info->err->format_message(info, trouble->message);
  trouble->code = info->err->msg_code;
  std::longjmp(trouble->jump, 1);
}

// Many good cameras' files give warnings, which are passed over as PIL does.
void on_message(j_common_ptr, int) {}

void install(Trouble& trouble) {
  trouble = {};
  jpeg_std_error(&trouble.base);
  trouble.base.error_exit = on_error;
  trouble.base.emit_message = on_message;
  trouble.base.output_message = [](j_common_ptr) {};
}

// Runs body, which must hold no object with a destructor; false when libjpeg reported an error.
template <class Body>
bool guarded(Trouble& trouble, const Body& body) {
  if (setjmp(trouble.jump)) return false;
  body();
  return true;
}

// The whole file lies in memory: who asks for more has come to its end too early. (What libjpeg's own source does then
// differs between its versions.)
boolean on_end(j_decompress_ptr info) {
  ERREXIT(info, JERR_INPUT_EOF);
  return FALSE;
}

void on_skip(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if (static_cast<unsigned long>(count) > info->src->bytes_in_buffer) ERREXIT(info, JERR_INPUT_EOF);
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= static_cast<size_t>(count);
}

jpeg_source_mgr source_of(const Bytes& bytes) {
  jpeg_source_mgr source{};
  source.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
  source.bytes_in_buffer = bytes.size();
  source.init_source = [](j_decompress_ptr) {};
  source.fill_input_buffer = on_end;
  source.skip_input_data = on_skip;
  source.resync_to_restart = jpeg_resync_to_restart;
  source.term_source = [](j_decompress_ptr) {};
  return source;
}

class Reader {
 public:
  explicit Reader(const Bytes& bytes) : bytes_(bytes), source_(source_of(bytes)) {
    install(trouble_);
    info_.err = &trouble_.base;
    progress_.progress_monitor = [](j_common_ptr info) {
      if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxScans) {
        info->err->msg_code = JERR_EOI_EXPECTED;
        on_error(info);
      }
    };
  }
  Reader(const Reader&) = delete;
  ~Reader() { jpeg_destroy_decompress(&info_); }

  // Everything before the pixels; checks the claimed size.
  void read_header() {
    run([&] {
      jpeg_create_decompress(&info_);
      info_.progress = &progress_;
      info_.src = &source_;
      jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
      jpeg_read_header(&info_, TRUE);
    });
    check_claim(bytes_, "JPEG", info_.image_width, info_.image_height, 8, kJpegRatio);
    if (info_.num_components != 1 && info_.num_components != 3 && info_.num_components != 4) {
      fail_damaged(bytes_, "JPEG", fmt::format("it has {} channels, not 1, 3 or 4", info_.num_components));
    }
  }

  Image read_pixels() {
    run([&] { jpeg_start_decompress(&info_); });
    const int channels = info_.output_components;
    Image image(static_cast<int>(info_.output_width), static_cast<int>(info_.output_height), channels == 1 ? 1 : 3);
    std::vector<uint8_t> inks(channels == 4 ? size_t{4} * info_.output_width : 0);
    for (int y = 0; y < image.height(); ++y) {
      JSAMPROW row = inks.empty() ? image.row(y) : inks.data();
      run([&] { jpeg_read_scanlines(&info_, &row, 1); });
      if (inks.empty()) continue;
      for (int x = 0; x < image.width(); ++x) {
        uint8_t* ink = &inks[size_t{4} * x];
        for (int c = 0; c < 4; ++c) ink[c] = static_cast<uint8_t>(255 - ink[c]);  // Adobe stores them inverted
        cmyk_to_rgb(ink, image.row(y) + 3 * x);
      }
    }
    run([&] { jpeg_finish_decompress(&info_); });
    return image;
  }

  // Known after the header; libjpeg drops the markers when the pixels have been read.
  int orientation() const {
    for (auto* marker = info_.marker_list; marker; marker = marker->next) {
      const auto data = std::as_bytes(std::span(marker->data, marker->data_length));
      if (data.size() > 6 && std::memcmp(data.data(), "Exif\0", 6) == 0) return exif_orientation(data);
    }
    return 1;
  }

 private:
  template <class Body>
  void run(const Body& body) {
    if (guarded(trouble_, body)) return;
    if (trouble_.code == JERR_INPUT_EOF)
      fail_damaged(bytes_, "JPEG", fmt::format("it ends early, after {} bytes", bytes_.size()));
    fail_damaged(bytes_, "JPEG", trouble_.message);
  }

  const Bytes& bytes_;
  jpeg_source_mgr source_;
  jpeg_decompress_struct info_{};
  jpeg_progress_mgr progress_{};
  Trouble trouble_;
};

// Owns the buffer that jpeg_mem_dest allocates.
struct Writer {
  Writer() {
    install(trouble);
    info.err = &trouble.base;
  }
  Writer(const Writer&) = delete;
  ~Writer() {
    jpeg_destroy_compress(&info);
    std::free(data);
  }

  jpeg_compress_struct info{};
  Trouble trouble;
  unsigned char* data = nullptr;
  unsigned long size = 0;
};

}  // namespace

bool is_jpeg(std::string_view head) { return head.starts_with("\xff\xd8\xff"); }

Image decode_jpeg(const Bytes& bytes, const DecodeOptions& options) {
  Reader reader(bytes);
  reader.read_header();
  const int orientation = reader.orientation();
  Image image = reader.read_pixels();
  return options.orient ? orient(std::move(image), orientation) : image;
}

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  require(!image.empty() && image.width() <= JPEG_MAX_DIMENSION && image.height() <= JPEG_MAX_DIMENSION,
          ErrorKind::usage, "a JPEG has 1 to {} pixels a side, not {} x {}", JPEG_MAX_DIMENSION, image.width(),
          image.height());
  require(quality >= 1 && quality <= 100, ErrorKind::usage, "a JPEG's quality is 1 to 100, not {}", quality);
  if (image.depth() == 16) return encode_jpeg(image.to_8bit(), quality);
  if (image.has_alpha()) return encode_jpeg(image.to_rgb(), quality);
  Writer writer;
  const bool written = guarded(writer.trouble, [&] {
    jpeg_compress_struct& info = writer.info;
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &writer.data, &writer.size);
    info.image_width = image.width();
    info.image_height = image.height();
    info.input_components = image.channels();
    info.in_color_space = image.channels() == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, quality, TRUE);
    const int sampling = quality >= 90 ? 1 : 2;  // of the luma, relative to the colour
    info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = image.channels() == 1 ? 1 : sampling;
    info.optimize_coding = TRUE;
    jpeg_start_compress(&info, TRUE);
    for (int y = 0; y < image.height(); ++y) {
      JSAMPROW row = const_cast<uint8_t*>(image.row(y));  // libjpeg does not change it
      jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
  });
  require(written, ErrorKind::internal, "a JPEG could not be made: {}", writer.trouble.message);
  const auto* begin = reinterpret_cast<const std::byte*>(writer.data);
  return {begin, begin + writer.size};
}

}  // namespace fovea
