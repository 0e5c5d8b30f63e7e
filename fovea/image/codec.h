// Pictures from bytes and bytes from pictures: PNG, JPEG, WebP, TIFF, PPM and PGM.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "fovea/base/bytes.h"
#include "fovea/image/image.h"

namespace fovea {

struct DecodeOptions {
  // Turn the picture upright as its EXIF orientation says (PIL: ImageOps.exif_transpose). Training pipelines built on
  // torchvision do not; say false to see exactly what they saw. A TIFF's own orientation is always applied, as PIL
  // does.
  bool orient = true;
};

// Decodes a picture; its format is recognised by its first bytes, never by its name. The pixels equal PIL's:
// - PNG: 1 to 16 bits, palette, transparency, interlaced. Grey with alpha becomes RGBA.
// - JPEG: grey, YCbCr, RGB; CMYK and YCCK with the simple conversion of PIL, which takes them for inverted (Adobe).
// - WebP: still pictures, lossy and lossless.
// - TIFF: the first page. 8- and 16-bit grey, RGB and CMYK directly, everything else that libtiff turns into RGBA.
// - PPM and PGM: ASCII and raw, scaled to 0..255, or 0..65535 when the file's maximum is above 255.
// Colour profiles and gamma are ignored. Where several pages exist, the first is taken.
// Throws Error{format}, naming the bytes' label, for anything else: other formats, damaged or truncated data, sizes
// above kMaxPixels or beyond what so few bytes can hold.
Image decode_image(const Bytes& bytes, const DecodeOptions& options = {});

// decode_image of a file. Throws also Error{io} when it cannot be read.
Image read_image(const std::filesystem::path& path, const DecodeOptions& options = {});

// Keyword and text, both UTF-8, in the file's order.
using TextPairs = std::vector<std::pair<std::string, std::string>>;

// A PNG of any picture, lossless, with text chunks (tEXt for ASCII, else iTXt). Throws Error{usage} for an empty
// picture or a keyword that is not 1 to 79 printable ASCII characters.
std::vector<std::byte> encode_png(const Image& image, const TextPairs& text = {});

// The text chunks of a PNG. Throws Error{format} when it is not a whole PNG.
TextPairs png_text(const Bytes& bytes);

// A baseline JPEG, quality 1..100; colour is stored at full resolution from quality 90 on, at half below. Alpha is
// dropped and 16 bits are reduced to 8. Throws Error{usage} for an empty or too large picture or a wrong quality.
std::vector<std::byte> encode_jpeg(const Image& image, int quality = 92);

// A raw PGM (one channel) or PPM (alpha is dropped) of either depth.
std::vector<std::byte> encode_ppm(const Image& image);

// A TIFF of any picture, lossless (deflate). Of the texts, "Software" and "Description" have tags. Throws Error{usage}
// for an empty picture.
std::vector<std::byte> encode_tiff(const Image& image, const TextPairs& text = {});

// Writes .png, .jpg, .jpeg, .tif, .tiff, .ppm, .pgm or .pnm, as the name's extension says in either case; atomic, see
// write_file. Throws Error{usage} for another extension and Error{io} when it cannot be written.
void write_image(const std::filesystem::path& path, const Image& image, const TextPairs& text = {});

}  // namespace fovea
