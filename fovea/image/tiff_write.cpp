// TIFF from a picture, through libtiff into memory: strips of about 64 KiB, deflate with horizontal differences. Source
// of the tags: TIFF 6.0.
#include <tiffio.h>

#include <algorithm>
#include <bit>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "fovea/base/error.h"
#include "fovea/image/codec.h"

namespace fovea {
namespace {

struct Sink {
  std::vector<std::byte> bytes;
  uint64_t position = 0;
  std::string message;
};

Sink& sink_of(thandle_t handle) { return *static_cast<Sink*>(handle); }

tmsize_t write_bytes(thandle_t handle, void* from, tmsize_t size) {
  Sink& sink = sink_of(handle);
  if (size <= 0) return 0;
  const auto count = static_cast<uint64_t>(size);
  try {
    sink.bytes.resize(std::max<uint64_t>(sink.bytes.size(), sink.position + count));
  } catch (...) {  // an exception may not cross libtiff
    return 0;
  }
  std::memcpy(sink.bytes.data() + sink.position, from, count);
  sink.position += count;
  return size;
}

tmsize_t read_bytes(thandle_t handle, void* to, tmsize_t size) {
  Sink& sink = sink_of(handle);
  if (size <= 0 || sink.position >= sink.bytes.size()) return 0;
  const uint64_t count = std::min<uint64_t>(static_cast<uint64_t>(size), sink.bytes.size() - sink.position);
  std::memcpy(to, sink.bytes.data() + sink.position, count);
  sink.position += count;
  return static_cast<tmsize_t>(count);
}

toff_t seek(thandle_t handle, toff_t offset, int whence) {
  Sink& sink = sink_of(handle);
  const uint64_t base = whence == SEEK_CUR ? sink.position : whence == SEEK_END ? sink.bytes.size() : 0;
  return sink.position = base + offset;
}

int note_error(TIFF*, void* sink, const char*, const char* format, va_list arguments) {
  char text[256];
  std::vsnprintf(text, sizeof text, format, arguments);
  auto& message = static_cast<Sink*>(sink)->message;
  if (message.empty()) message = text;
  return 1;  // handled: nothing is printed
}

void set_tags(TIFF* tiff, const Image& image) {
  const auto row = static_cast<uint32_t>(image.row_size() * static_cast<size_t>(image.depth() / 8));
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, static_cast<uint32_t>(image.width()));
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, static_cast<uint32_t>(image.height()));
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, image.depth());
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, image.channels());
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, image.channels() == 1 ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, std::max<uint32_t>(1, 65536 / std::max<uint32_t>(row, 1)));
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE);
  TIFFSetField(tiff, TIFFTAG_PREDICTOR, PREDICTOR_HORIZONTAL);
  if (image.has_alpha()) {
    const uint16_t kind = EXTRASAMPLE_UNASSALPHA;
    TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &kind);
  }
}

}  // namespace

std::vector<std::byte> encode_tiff(const Image& image, const TextPairs& text) {
  require(!image.empty(), ErrorKind::usage, "an empty picture cannot be a TIFF");
  Sink sink;
  std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), note_error, &sink);
  const auto close = [](thandle_t) { return 0; };
  const auto size = [](thandle_t handle) -> toff_t { return sink_of(handle).bytes.size(); };
  std::unique_ptr<TIFF, void (*)(TIFF*)> tiff(TIFFClientOpenExt("picture", "wm", &sink, read_bytes, write_bytes, seek,
                                                                close, size, nullptr, nullptr, options.get()),
                                              TIFFClose);
  require(tiff != nullptr, ErrorKind::internal, "a TIFF could not be begun: {}", sink.message);
  set_tags(tiff.get(), image);
  for (const auto& [key, value] : text) {
    if (key == "Software") TIFFSetField(tiff.get(), TIFFTAG_SOFTWARE, value.c_str());
    if (key == "Description") TIFFSetField(tiff.get(), TIFFTAG_IMAGEDESCRIPTION, value.c_str());
  }
  std::vector<std::byte> row(image.row_size() * static_cast<size_t>(image.depth() / 8));  // libtiff changes it
  bool written = true;
  for (int y = 0; y < image.height() && written; ++y) {
    std::memcpy(row.data(),
                image.depth() == 16 ? static_cast<const void*>(image.row16(y)) : static_cast<const void*>(image.row(y)),
                row.size());
    written = TIFFWriteScanline(tiff.get(), row.data(), static_cast<uint32_t>(y), 0) == 1;
  }
  written = written && TIFFFlush(tiff.get()) == 1;
  tiff.reset();
  require(written && sink.message.empty(), ErrorKind::internal, "a TIFF could not be made: {}", sink.message);
  return std::move(sink.bytes);
}

}  // namespace fovea
