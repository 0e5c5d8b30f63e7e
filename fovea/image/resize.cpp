// w_i = k((i + 0.5 - c) / s) / sum_j k((j + 0.5 - c) / s), i within c -+ radius * s, c = (x + 0.5) * input / output.
// Source: libImaging/Resample.c of Pillow, whose rounding is followed so that results are equal to the bit.
#include "fovea/image/resize.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/image/decoders.h"
#include "fovea/image/resize_kernels.h"

namespace fovea {
namespace {

double radius_of(Filter filter) {
  switch (filter) {
    case Filter::nearest:
    case Filter::box: return 0.5;
    case Filter::bilinear: return 1;
    case Filter::bicubic: return 2;
    case Filter::lanczos: return 3;
  }
  fail(ErrorKind::internal, "unknown resize filter {}", static_cast<int>(filter));
}

double sinc(double x) {
  if (x == 0) return 1;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double kernel(Filter filter, double x) {
  switch (filter) {
    case Filter::nearest:
    case Filter::box: return x > -0.5 && x <= 0.5 ? 1 : 0;
    case Filter::bilinear: return std::abs(x) < 1 ? 1 - std::abs(x) : 0;
    case Filter::bicubic: {
      constexpr double a = -0.5;
      x = std::abs(x);
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    }
    case Filter::lanczos: return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
  }
  return 0;
}

// For each output position: the first input position, how many, and their weights, `taps` apart.
struct Weights {
  int taps = 0;
  std::vector<int32_t> first, count;
  std::vector<double> weight;

  std::vector<int32_t> fixed_point() const {
    std::vector<int32_t> out(weight.size());
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<int32_t>((weight[i] < 0 ? -0.5 : 0.5) + weight[i] * (1 << kResizeBits));
    }
    return out;
  }
};

Weights weights_for(int in_size, int out_size, Filter filter) {
  const double scale = static_cast<double>(in_size) / out_size, stretch = std::max(scale, 1.0);
  const double radius = radius_of(filter) * stretch, shrink = 1.0 / stretch;
  Weights w;
  w.taps = static_cast<int>(std::ceil(radius)) * 2 + 1;
  w.first.resize(out_size);
  w.count.resize(out_size);
  w.weight.resize(static_cast<size_t>(out_size) * w.taps);
  for (int x = 0; x < out_size; ++x) {
    const double centre = (x + 0.5) * scale;
    const int begin = std::max(0, static_cast<int>(centre - radius + 0.5));
    const int end = std::min(in_size, static_cast<int>(centre + radius + 0.5));
    double* weight = &w.weight[static_cast<size_t>(x) * w.taps];
    double sum = 0;
    for (int i = begin; i < end; ++i) sum += weight[i - begin] = kernel(filter, (i - centre + 0.5) * shrink);
    for (int i = begin; i < end && sum != 0; ++i) weight[i - begin] /= sum;
    w.first[x] = begin;
    w.count[x] = end - begin;
  }
  return w;
}

// Rows a thread takes at least, so that a part is worth the hand-over.
int64_t rows_per_part(size_t work_per_row) {
  return static_cast<int64_t>(1 + 65536 / std::max<size_t>(work_per_row, 1));
}

Image resize_rows(const Image& image, int width, Filter filter) {
  const Weights w = weights_for(image.width(), width, filter);
  const std::vector<int32_t> fixed = w.fixed_point();
  const int channels = image.channels();
  Image out(width, image.height(), channels);
  const auto row = [&](const uint8_t* in, int64_t y) {
    resize_row(in, out.row(static_cast<int>(y)), width, channels, w.first.data(), w.count.data(), fixed.data(), w.taps);
  };
  // The kernels read a little beyond a row; the last one is copied to where that is allowed.
  const int last = image.height() - 1;
  std::vector<uint8_t> padded(image.row(last), image.row(last) + image.row_size());
  padded.resize(padded.size() + 4);
  parallel_for(last, rows_per_part(out.row_size() * w.taps),
               [&](int64_t y) { row(image.row(static_cast<int>(y)), y); });
  row(padded.data(), last);
  return out;
}

Image resize_columns(const Image& image, int height, Filter filter) {
  const Weights w = weights_for(image.height(), height, filter);
  const std::vector<int32_t> fixed = w.fixed_point();
  Image out(image.width(), height, image.channels());
  parallel_for(height, rows_per_part(out.row_size() * w.taps), [&](int64_t y) {
    resize_column(image.row(w.first[y]), image.row_size(), out.row(static_cast<int>(y)), out.row_size(), w.count[y],
                  &fixed[y * w.taps]);
  });
  return out;
}

// The input positions that nearest takes, summed step by step as PIL does.
std::vector<int> nearest_positions(int in_size, int out_size) {
  std::vector<int> positions(out_size);
  const double step = static_cast<double>(in_size) / out_size;
  double at = step * 0.5;
  for (int& position : positions) {
    position = std::min(static_cast<int>(at), in_size - 1);
    at += step;
  }
  return positions;
}

template <class Sample>
void take_nearest(const Sample* in, int in_width, int in_height, Sample* out, int width, int height, int channels) {
  const std::vector<int> columns = nearest_positions(in_width, width), rows = nearest_positions(in_height, height);
  const size_t row_size = static_cast<size_t>(width) * channels;
  parallel_for(height, rows_per_part(row_size), [&](int64_t y) {
    const Sample* from = in + static_cast<size_t>(rows[y]) * in_width * channels;
    Sample* to = out + y * row_size;
    for (const int x : columns) to = std::copy_n(from + static_cast<size_t>(x) * channels, channels, to);
  });
}

// Both passes in double; finish(sum) makes a sample after each. A side that keeps its size is not touched.
template <class Sample, class Finish>
std::vector<Sample> resize_double(const Sample* in, int in_width, int in_height, int channels, int width, int height,
                                  Filter filter, const Finish& finish) {
  const Weights across = weights_for(in_width, width, filter), down = weights_for(in_height, height, filter);
  const size_t in_row = static_cast<size_t>(in_width) * channels, row = static_cast<size_t>(width) * channels;
  std::vector<Sample> middle(row * in_height), out(row * height);
  if (width == in_width) std::copy_n(in, middle.size(), middle.data());
  else
    parallel_for(in_height, rows_per_part(row * across.taps), [&](int64_t y) {
      for (int x = 0; x < width; ++x) {
        const double* weight = &across.weight[static_cast<size_t>(x) * across.taps];
        const Sample* from = in + y * in_row + static_cast<size_t>(across.first[x]) * channels;
        for (int c = 0; c < channels; ++c) {
          double sum = 0;
          for (int i = 0; i < across.count[x]; ++i) sum += from[i * channels + c] * weight[i];
          middle[y * row + static_cast<size_t>(x) * channels + c] = finish(sum);
        }
      }
    });
  if (height == in_height) return middle;
  parallel_for(height, rows_per_part(row * down.taps), [&](int64_t y) {
    const double* weight = &down.weight[y * down.taps];
    for (size_t x = 0; x < row; ++x) {
      double sum = 0;
      const Sample* from = &middle[down.first[y] * row + x];
      for (int i = 0; i < down.count[y]; ++i) sum += from[i * row] * weight[i];
      out[y * row + x] = finish(sum);
    }
  });
  return out;
}

// Colour times alpha, and back; for 8-bit RGBA.
void multiply_alpha(Image& image) {
  const auto samples = image.samples();
  for (size_t i = 0; i < samples.size(); i += 4) {
    for (size_t c = i; c < i + 3; ++c) samples[c] = static_cast<uint8_t>(multiply_255(samples[c], samples[i + 3]));
  }
}

void divide_alpha(Image& image) {
  const auto samples = image.samples();
  for (size_t i = 0; i < samples.size(); i += 4) {
    const int alpha = samples[i + 3];
    if (alpha == 0 || alpha == 255) continue;
    for (size_t c = i; c < i + 3; ++c) samples[c] = static_cast<uint8_t>(std::min(255, 255 * samples[c] / alpha));
  }
}

}  // namespace

Image resize(const Image& image, int width, int height, Filter filter) {
  require(!image.empty() && width > 0 && height > 0, ErrorKind::usage, "cannot scale a picture of {} x {} to {} x {}",
          image.width(), image.height(), width, height);
  if (width == image.width() && height == image.height()) return image;
  require(static_cast<uint64_t>(width) * static_cast<uint64_t>(height) <= kMaxPixels, ErrorKind::usage,
          "cannot scale a picture to {} x {}: at most {} pixels", width, height, kMaxPixels);
  if (filter == Filter::nearest) {
    Image out(width, height, image.channels(), image.depth());
    const auto take = [&](const auto* in, auto* to) {
      take_nearest(in, image.width(), image.height(), to, width, height, image.channels());
    };
    if (image.depth() == 16) take(image.samples16().data(), out.samples16().data());
    else take(image.samples().data(), out.samples().data());
    return out;
  }
  if (image.depth() == 16) {
    const auto finish = [](double sum) { return static_cast<uint16_t>(std::clamp(sum + 0.5, 0.0, 65535.0)); };
    return Image::own(width, height, image.channels(),
                      resize_double(image.samples16().data(), image.width(), image.height(), image.channels(), width,
                                    height, filter, finish));
  }
  const auto scaled = [&](const Image& from) {
    if (width == from.width()) return resize_columns(from, height, filter);
    const Image wide = resize_rows(from, width, filter);
    return height == from.height() ? wide : resize_columns(wide, height, filter);
  };
  if (!image.has_alpha()) return scaled(image);
  Image multiplied = image;
  multiply_alpha(multiplied);
  multiplied = scaled(multiplied);
  divide_alpha(multiplied);
  return multiplied;
}

Image resize_short_side(const Image& image, int size, Filter filter) {
  require(!image.empty() && size > 0, ErrorKind::usage, "cannot scale a picture of {} x {} to a short side of {}",
          image.width(), image.height(), size);
  const int64_t w = image.width(), h = image.height();
  const int64_t other = size * std::max(w, h) / std::min(w, h);
  require(other <= INT32_MAX, ErrorKind::usage, "a picture of {} x {} cannot have a short side of {}", w, h, size);
  const int longer = static_cast<int>(other);
  return w <= h ? resize(image, size, longer, filter) : resize(image, longer, size, filter);
}

std::vector<float> resize_plane(std::span<const float> plane, int in_width, int in_height, int width, int height,
                                Filter filter) {
  require(in_width > 0 && in_height > 0 && width > 0 && height > 0, ErrorKind::usage,
          "cannot scale a plane of {} x {} to {} x {}", in_width, in_height, width, height);
  require(plane.size() == static_cast<size_t>(in_width) * in_height, ErrorKind::usage,
          "a plane of {} x {} has {} values, not {}", in_width, in_height, static_cast<size_t>(in_width) * in_height,
          plane.size());
  if (width == in_width && height == in_height) return {plane.begin(), plane.end()};
  if (filter == Filter::nearest) {
    std::vector<float> out(static_cast<size_t>(width) * height);
    take_nearest(plane.data(), in_width, in_height, out.data(), width, height, 1);
    return out;
  }
  return resize_double(plane.data(), in_width, in_height, 1, width, height, filter,
                       [](double sum) { return static_cast<float>(sum); });
}

}  // namespace fovea
