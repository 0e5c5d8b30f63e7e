// A convolution with an even kernel on m nodes is a circular one on 2m: the charges are padded with zeros, the kernel
// at node i is K(min(i, 2m − i)). Real and even kernels have real transforms S1 and S2, so that
//   F⁻¹[F[q0] · (S2 + i S1)] = K2 * q0 + i K1 * q0   and   F⁻¹[F[q1 + i q2] · S2] = K2 * q1 + i K2 * q2.
// RowSource that are all zero are not transformed, nor are rows transformed back that are not wanted. Four rows, or
// four columns, are one transform of KissFFT's. Source: as fft_repulsion(); KissFFT: M. Borgerding.
#include "fovea/features/grid_convolution.h"

#include <kissfft/kissfft.hh>

#include <algorithm>
#include <complex>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/features/four.h"

namespace fovea {

namespace {

using Complex = std::complex<Four>;

}  // namespace

struct GridConvolution::Plan {
  explicit Plan(int64_t length)
      : forward(static_cast<size_t>(length), false), back(static_cast<size_t>(length), true) {}
  kissfft<Four> forward, back;
};

GridConvolution::GridConvolution() = default;
GridConvolution::~GridConvolution() { delete plan_; }

int64_t GridConvolution::nodes() const { return m_; }

namespace {

// Up to four lines of a plane as one: line l begins at first + l · between, its elements are `step` apart.
struct Lines {
  int64_t first = 0, between = 0, step = 0, lines = 4;
};

void gather(const float* real, const float* imaginary, const Lines& at, int64_t count, Complex* to) {
  for (int64_t i = 0; i < count; ++i) {
    Four::Vector re{}, im{};
    for (int64_t l = 0; l < at.lines; ++l) {
      re[l] = real[at.first + l * at.between + i * at.step];
      im[l] = imaginary[at.first + l * at.between + i * at.step];
    }
    to[i] = {Four(re), Four(im)};
  }
}

void scatter(const Complex* from, const Lines& at, int64_t count, float* real, float* imaginary) {
  for (int64_t i = 0; i < count; ++i) {
    const Four::Vector re = from[i].real().v, im = from[i].imag().v;
    for (int64_t l = 0; l < at.lines; ++l) {
      real[at.first + l * at.between + i * at.step] = re[l];
      imaginary[at.first + l * at.between + i * at.step] = im[l];
    }
  }
}

// Calls body(first line, lines, two buffers) for groups of four lines.
template <class Body>
void in_fours(int64_t lines, int64_t length, const Body& body) {
  parallel_ranges((lines + 3) / 4, 4, [&](int64_t begin, int64_t end) {
    std::vector<Complex> in(static_cast<size_t>(length)), out(static_cast<size_t>(length));
    for (int64_t group = begin; group < end; ++group)
      body(group * 4, std::min<int64_t>(4, lines - group * 4), in.data(), out.data());
  });
}

}  // namespace

void GridConvolution::resize(int64_t m, double spacing) {
  if (m == m_ && spacing == spacing_) return;
  const int64_t length = 2 * m;
  if (m != m_) {
    int64_t rest = length;
    for (const int64_t factor : {2, 3, 5})
      while (rest % factor == 0) rest /= factor;
    require(rest == 1, ErrorKind::internal, "a grid of {} nodes does not suit the FFT", m);
    delete plan_;
    plan_ = new Plan(length);
    const auto plane = static_cast<size_t>(m * m), wide = static_cast<size_t>(m * length),
               whole = static_cast<size_t>(length * length);
    for (int c = 0; c < 2; ++c) real[c].assign(plane, 0), imaginary[c].assign(plane, 0);
    wide_real_.assign(wide, 0), wide_imaginary_.assign(wide, 0);
    kernel_real_.assign(whole, 0), kernel_imaginary_.assign(whole, 0);
  }
  m_ = m, spacing_ = spacing;
  parallel_for(length, 16, [&](int64_t row) {
    const double dy = static_cast<double>(std::min(row, length - row)) * spacing;
    for (int64_t column = 0; column < length; ++column) {
      const double dx = static_cast<double>(std::min(column, length - column)) * spacing;
      const double weight = 1 / (1 + dx * dx + dy * dy);
      kernel_real_[static_cast<size_t>(row * length + column)] = static_cast<float>(weight * weight);
      kernel_imaginary_[static_cast<size_t>(row * length + column)] = static_cast<float>(weight);
    }
  });
  float *re = kernel_real_.data(), *im = kernel_imaginary_.data();
  for (const bool rows : {true, false})
    in_fours(length, length, [&](int64_t first, int64_t lines, Complex* in, Complex* out) {
      const Lines at = rows ? Lines{first * length, length, 1, lines} : Lines{first, 1, length, lines};
      gather(re, im, at, length, in);
      plan_->forward.transform(in, out);
      scatter(out, at, length, re, im);
    });
  const float scale = 1.0f / (static_cast<float>(length) * static_cast<float>(length));  // of both transforms
  for (float& v : kernel_real_) v *= scale;
  for (float& v : kernel_imaginary_) v *= scale;
}

void GridConvolution::run() {
  const int64_t length = 2 * m_;
  for (int plane = 0; plane < 2; ++plane) {
    std::vector<float>&re = real[plane], &im = imaginary[plane];
    if (plane == 0) std::fill(im.begin(), im.end(), 0.0f);
    in_fours(m_, length, [&](int64_t first, int64_t lines, Complex* in, Complex* out) {
      gather(re.data(), im.data(), {first * m_, m_, 1, lines}, m_, in);
      std::fill(in + m_, in + length, Complex());
      plan_->forward.transform(in, out);
      scatter(out, {first * length, length, 1, lines}, length, wide_real_.data(), wide_imaginary_.data());
    });
    in_fours(length, length, [&](int64_t first, int64_t lines, Complex* in, Complex* out) {
      const Lines at{first, 1, length, lines};
      gather(wide_real_.data(), wide_imaginary_.data(), at, m_, in);
      std::fill(in + m_, in + length, Complex());
      plan_->forward.transform(in, out);
      gather(kernel_real_.data(), kernel_imaginary_.data(), at, length, in);
      for (int64_t i = 0; i < length; ++i) in[i] = out[i] * (plane == 0 ? in[i] : Complex(in[i].real(), Four()));
      plan_->back.transform(in, out);
      scatter(out, at, m_, wide_real_.data(), wide_imaginary_.data());
    });
    in_fours(m_, length, [&](int64_t first, int64_t lines, Complex* in, Complex* out) {
      gather(wide_real_.data(), wide_imaginary_.data(), {first * length, length, 1, lines}, length, in);
      plan_->back.transform(in, out);
      scatter(out, {first * m_, m_, 1, lines}, m_, re.data(), im.data());
    });
  }
}

}  // namespace fovea
