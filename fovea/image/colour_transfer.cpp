#include "fovea/image/colour_transfer.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"

namespace fovea {

namespace {

constexpr double kLeastVariance = 1e-5;  // of colours 0..1

double most(const Image& image) { return image.depth() == 16 ? 65535 : 255; }

void set(Image& image, int x, int y, int c, double value) {
  const double whole = std::clamp(std::round(value), 0.0, most(image));
  const size_t i = static_cast<size_t>(x) * 3 + static_cast<size_t>(c);
  if (image.depth() == 16) image.row16(y)[i] = static_cast<uint16_t>(whole);
  else image.row(y)[i] = static_cast<uint8_t>(whole);
}

double light(const Image& image, int x, int y) {
  return (0.299 * image.at(x, y, 0) + 0.587 * image.at(x, y, 1) + 0.114 * image.at(x, y, 2)) / most(image);
}

void check(const Image& a, const Image& b) {
  require(!a.empty() && !b.empty(), ErrorKind::usage, "an empty picture has no colours");
}

struct Moments {
  Eigen::Vector3d mean = Eigen::Vector3d::Zero();
  Eigen::Matrix3d covariance = Eigen::Matrix3d::Zero();
};

Moments moments(const Image& image) {
  Moments m;
  const double count = static_cast<double>(image.width()) * image.height(), scale = 1 / most(image);
  const auto each = [&](const auto& body) {
    for (int y = 0; y < image.height(); ++y)
      for (int x = 0; x < image.width(); ++x)
        body(Eigen::Vector3d(image.at(x, y, 0), image.at(x, y, 1), image.at(x, y, 2)) * scale);
  };
  each([&](const Eigen::Vector3d& v) { m.mean += v; });
  m.mean /= count;
  each([&](const Eigen::Vector3d& v) { m.covariance += (v - m.mean) * (v - m.mean).transpose(); });
  m.covariance /= count;
  m.covariance.diagonal().array() += kLeastVariance;
  return m;
}

// How many pixels of a channel have each value, in the order of the values.
std::map<int, int64_t> counts(const Image& image, int channel) {
  std::map<int, int64_t> result;
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < image.width(); ++x) ++result[image.at(x, y, channel)];
  return result;
}

// The value at each share of the pixels, linear between the shares that occur.
double at_share(const std::vector<std::array<double, 2>>& shares, double share) {
  const auto after =
      std::lower_bound(shares.begin(), shares.end(), share, [](const auto& a, double s) { return a[0] < s; });
  if (after == shares.begin()) return shares.front()[1];
  if (after == shares.end()) return shares.back()[1];
  const auto& a = *(after - 1);
  return a[1] + ((*after)[1] - a[1]) * (share - a[0]) / ((*after)[0] - a[0]);
}

}  // namespace

Image with_light_of(const Image& colours, const Image& picture) {
  check(colours, picture);
  require(colours.width() == picture.width() && colours.height() == picture.height(), ErrorKind::usage,
          "the colours of a picture of {}x{} do not fit one of {}x{}", colours.width(), colours.height(),
          picture.width(), picture.height());
  const Image from = colours.to_rgb(), to = picture.to_rgb();
  Image result(to.width(), to.height(), 3, to.depth());
  for (int y = 0; y < to.height(); ++y)
    for (int x = 0; x < to.width(); ++x) {
      const double change = light(to, x, y) - light(from, x, y);
      for (int c = 0; c < 3; ++c) set(result, x, y, c, (from.at(x, y, c) / most(from) + change) * most(result));
    }
  return result;
}

const std::vector<std::string>& moment_forms() {
  static const std::vector<std::string> forms = {"cholesky", "symmetric"};
  return forms;
}

Image with_moments_of(const Image& picture, const Image& reference, const std::string& form) {
  check(picture, reference);
  require(form == "cholesky" || form == "symmetric", ErrorKind::usage, "\"{}\" is none of cholesky, symmetric{}", form,
          did_you_mean(form, moment_forms()));
  const Image from = picture.to_rgb();
  const Moments have = moments(from), want = moments(reference.to_rgb());
  Eigen::Matrix3d a;
  if (form == "cholesky") {
    const Eigen::Matrix3d l = have.covariance.llt().matrixL(), r = want.covariance.llt().matrixL();
    a = r * l.inverse();
  } else {
    a = Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d>(want.covariance).operatorSqrt() *
        Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d>(have.covariance).operatorInverseSqrt();
  }
  Image result(from.width(), from.height(), 3, from.depth());
  for (int y = 0; y < from.height(); ++y)
    for (int x = 0; x < from.width(); ++x) {
      const Eigen::Vector3d v = Eigen::Vector3d(from.at(x, y, 0), from.at(x, y, 1), from.at(x, y, 2)) / most(from);
      const Eigen::Vector3d moved = a * (v - have.mean) + want.mean;
      for (int c = 0; c < 3; ++c) set(result, x, y, c, moved[c] * most(result));
    }
  return result;
}

Image with_histogram_of(const Image& picture, const Image& reference) {
  check(picture, reference);
  const Image from = picture.to_rgb(), to = reference.to_rgb();
  const double total = static_cast<double>(from.width()) * from.height();
  const double other_total = static_cast<double>(to.width()) * to.height();
  Image result(from.width(), from.height(), 3, from.depth());
  for (int c = 0; c < 3; ++c) {
    std::vector<std::array<double, 2>> shares;
    int64_t sum = 0;
    for (const auto& [value, count] : counts(to, c))
      shares.push_back({static_cast<double>(sum += count) / other_total, value * most(from) / most(to)});
    std::map<int, double> becomes;
    sum = 0;
    for (const auto& [value, count] : counts(from, c))
      becomes[value] = at_share(shares, static_cast<double>(sum += count) / total);
    for (int y = 0; y < from.height(); ++y)
      for (int x = 0; x < from.width(); ++x) set(result, x, y, c, becomes.at(from.at(x, y, c)));
  }
  return result;
}

}  // namespace fovea
