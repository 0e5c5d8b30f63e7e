#include "fovea/model/preprocess.h"

#include <cmath>

#include "fovea/image/geometry.h"
#include "fovea/image/resize.h"

namespace fovea {

namespace {

Filter filter_named(std::string_view name) {
  if (name == "nearest") return Filter::nearest;
  if (name == "box") return Filter::box;
  if (name == "bilinear") return Filter::bilinear;
  if (name == "bicubic") return Filter::bicubic;
  if (name == "lanczos") return Filter::lanczos;
  fail(ErrorKind::usage, "unknown resize filter \"{}\"; known: nearest, box, bilinear, bicubic, lanczos", name);
}

void check(const Preprocess& how) {
  require(how.colour == "rgb" || how.colour == "bgr" || how.colour == "grey", ErrorKind::usage,
          "unknown colour order \"{}\"; known: rgb, bgr, grey", how.colour);
  require(how.crop_height > 0 && how.crop_width > 0 && how.crop_height <= 16384 && how.crop_width <= 16384,
          ErrorKind::usage, "the network's input cannot be {}x{} pixels", how.crop_height, how.crop_width);
  require(!how.resize.starts_with("short_side") || (how.size > 0 && how.size <= 16384), ErrorKind::usage,
          "a picture's short side cannot be {} pixels", how.size);
  const size_t channels = how.colour == "grey" ? 1 : 3;
  for (const auto* values : {&how.mean, &how.std})
    require(values->empty() || values->size() == channels, ErrorKind::usage, "{} values of mean or std for {} channels",
            values->size(), channels);
  for (const double s : how.std)
    require(s != 0 && std::isfinite(s), ErrorKind::usage, "a standard deviation of {} cannot be divided by", s);
}

std::string numbers(const std::vector<double>& values) {
  std::string text;
  for (const double v : values) text += fmt::format("{}{:g}", text.empty() ? "" : ",", v);
  return text;
}

// The long side rounded to the nearest pixel, and a crop that begins at the smaller of two middle pixels: what scripts
// around Caffe do with Pillow. torchvision cuts the long side's fraction off and rounds the crop.
Image fit_rounded(const Image& image, const Preprocess& how, Filter filter) {
  const double scale = static_cast<double>(how.size) / std::min(image.width(), image.height());
  const double width = std::nearbyint(image.width() * scale), height = std::nearbyint(image.height() * scale);
  require(width <= INT32_MAX && height <= INT32_MAX, ErrorKind::usage,
          "a picture of {} x {} cannot have a short side of {}", image.width(), image.height(), how.size);
  const Image scaled = resize(image, static_cast<int>(width), static_cast<int>(height), filter);
  const int across = scaled.width() - static_cast<int>(how.crop_width);
  const int down = scaled.height() - static_cast<int>(how.crop_height);
  if (across < 0 || down < 0) return scaled;
  return crop(scaled, across / 2, down / 2, static_cast<int>(how.crop_width), static_cast<int>(how.crop_height));
}

}  // namespace

Image fit_picture(const Image& picture, const Preprocess& how) {
  check(how);
  require(!picture.empty(), ErrorKind::usage, "the picture is empty");
  const Filter filter = filter_named(how.filter);
  const int height = static_cast<int>(how.crop_height), width = static_cast<int>(how.crop_width);
  Image image = picture.to_8bit();
  image = how.colour == "grey" ? image.to_grey() : image.to_rgb();
  if (how.resize == "short_side") image = resize_short_side(image, static_cast<int>(how.size), filter);
  else if (how.resize == "short_side_rounded") image = fit_rounded(image, how, filter);
  else if (how.resize == "stretch") image = resize(image, width, height, filter);
  else {
    require(how.resize == "none", ErrorKind::usage,
            "unknown resize \"{}\"; known: short_side, short_side_rounded, stretch, none", how.resize);
    require(image.width() == width && image.height() == height, ErrorKind::usage,
            "the picture is {}x{}, the network takes {}x{} and its preprocessing does not resize; choose another one "
            "(--preprocess), or pictures of that size",
            image.width(), image.height(), width, height);
  }
  return centre_crop(image, width, height);
}

Tensor normalise(const Image& fitted, const Preprocess& how) {
  check(how);
  const int channels = how.colour == "grey" ? 1 : 3;
  require(fitted.channels() == channels && fitted.depth() == 8, ErrorKind::internal, "expected a fitted picture");
  const int64_t height = fitted.height(), width = fitted.width();
  Tensor result(DType::f32, {1, channels, height, width});
  float* out = result.data<float>().data();
  for (int c = 0; c < channels; ++c) {
    const int source = how.colour == "bgr" ? 2 - c : c;
    const float mean = how.mean.empty() ? 0.0f : static_cast<float>(how.mean[static_cast<size_t>(c)]);
    const float std = how.std.empty() ? 1.0f : static_cast<float>(how.std[static_cast<size_t>(c)]);
    float table[256];
    for (int v = 0; v < 256; ++v) table[v] = (static_cast<float>(v * how.scale) - mean) / std;
    for (int64_t y = 0; y < height; ++y) {
      const uint8_t* row = fitted.row(static_cast<int>(y)) + source;
      for (int64_t x = 0; x < width; ++x) *out++ = table[row[x * channels]];
    }
  }
  return result;
}

Tensor preprocess(const Image& picture, const Preprocess& how) { return normalise(fit_picture(picture, how), how); }

const std::vector<std::string>& preset_names() {
  static const std::vector<std::string> names = {"torchvision", "caffe",  "vgg", "whole", "cifar",
                                                 "unit",        "signed", "raw", "grey",  "mnist"};
  return names;
}

Preprocess preset(std::string_view name, int64_t height, int64_t width) {
  Preprocess p;
  p.name = name;
  if (name == "torchvision" || name == "whole") {
    p.mean = {0.485, 0.456, 0.406};
    p.std = {0.229, 0.224, 0.225};
    if (name == "whole") p.resize = "stretch";
  } else if (name == "cifar") {
    p.mean = {0.4914, 0.4822, 0.4465};
    p.std = {0.2470, 0.2435, 0.2616};
    p.resize = "stretch";
  } else if (name == "caffe" || name == "vgg") {
    p.colour = "bgr";
    p.scale = 1;
    p.mean = name == "caffe" ? std::vector<double>{104, 117, 123} : std::vector<double>{103.939, 116.779, 123.68};
  } else if (name == "signed") {
    p.mean = p.std = {0.5, 0.5, 0.5};
  } else if (name == "raw") {
    p.scale = 1;
  } else if (name == "grey" || name == "mnist") {
    p.colour = "grey";
    p.scale = name == "mnist" ? 1 : 1.0 / 255;
    p.resize = "stretch";
  } else if (name != "unit") {
    std::string known;
    for (const auto& n : preset_names()) known += (known.empty() ? "" : ", ") + n;
    fail(ErrorKind::usage, "unknown preprocessing \"{}\"; known: {}", name, known);
  }
  p = resized(p, height, width);
  if (name == "caffe") {
    p.resize = "short_side_rounded";
    if (const int64_t side = std::min(height, width); side >= 200 && side <= 256) p.size = 256;
  }
  return p;
}

Preprocess resized(Preprocess how, int64_t height, int64_t width) {
  const int64_t old_side = std::min(how.crop_height, how.crop_width), side = std::min(height, width);
  if (old_side > 0) how.size = std::llround(static_cast<double>(how.size) * side / old_side);
  how.crop_height = height;
  how.crop_width = width;
  return how;
}

Preprocess assumed_preprocess(const Shape& input) {
  require(input.rank() == 4 && (input[1] == 1 || input[1] == 3), ErrorKind::usage,
          "the network's input is {}: no picture fits it", to_string(input));
  Preprocess p = preset(input[1] == 3 ? "torchvision" : "grey", input[2], input[3]);
  if (std::min(input[2], input[3]) < 64 && input[1] == 3)
    p.size = std::min(input[2], input[3]);  // CIFAR: nothing is cut off
  return p;
}

std::string describe(const Preprocess& how) {
  std::string text = fmt::format("{}: {}", how.name,
                                 how.colour == "grey"  ? "grey"
                                 : how.colour == "bgr" ? "BGR"
                                                       : "RGB");
  if (how.resize.starts_with("short_side"))
    text += fmt::format(", short side {} {}{}", how.size, how.filter,
                        how.resize == "short_side_rounded" ? " (long side rounded)" : "");
  if (how.resize == "stretch")
    text += fmt::format(", stretched to {}x{} {}", how.crop_width, how.crop_height, how.filter);
  if (how.resize != "stretch") text += fmt::format(", centre crop {}x{}", how.crop_width, how.crop_height);
  if (how.scale == 1) text += ", 0..255";
  else if (how.scale == 1.0 / 255) text += ", 0..1";
  else text += fmt::format(", times {:g}", how.scale);
  if (!how.mean.empty()) text += ", mean " + numbers(how.mean);
  if (!how.std.empty()) text += ", std " + numbers(how.std);
  return text;
}

}  // namespace fovea
