// mean = sum x / n; variance = sum x^2 / n - mean^2, from whole numbers for pictures, so that every order of adding
// gives the same; in two passes for rows: sum (x - mean)^2 / n. Source: T. Chan, G. Golub, R. LeVeque, "Algorithms for
// computing the sample variance" (1983), the two-pass algorithm.
#include "fovea/data/statistics.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "fovea/base/counted.h"
#include "fovea/base/error.h"
#include "fovea/base/parallel_tasks.h"

namespace fovea {

namespace {

// Sums over the pixels of one picture or of many; products in the order rr rg rb gg gb bb.
struct Sums {
  uint64_t pixels = 0;
  std::array<uint64_t, 3> values{};
  std::array<unsigned __int128, 6> products{};
  std::array<int, 3> least = {255, 255, 255}, greatest = {0, 0, 0};
};

Sums sums_of(const Image& picture) {
  const Image image = picture.to_8bit().to_rgb();
  Sums sums;
  sums.pixels = static_cast<uint64_t>(image.width()) * static_cast<uint64_t>(image.height());
  std::array<uint64_t, 6> products{};
  const std::span<const uint8_t> samples = image.samples();
  for (size_t i = 0; i < samples.size(); i += 3) {
    const uint64_t p[3] = {samples[i], samples[i + 1], samples[i + 2]};
    size_t k = 0;
    for (size_t a = 0; a < 3; ++a) {
      sums.values[a] += p[a];
      sums.least[a] = std::min(sums.least[a], static_cast<int>(p[a]));
      sums.greatest[a] = std::max(sums.greatest[a], static_cast<int>(p[a]));
      for (size_t b = a; b < 3; ++b) products[k++] += p[a] * p[b];
    }
  }
  for (size_t k = 0; k < 6; ++k) sums.products[k] = products[k];
  return sums;
}

// What is known of one sample.
struct Measured {
  Sample sample;  // of rows only
  Sums sums;
  int width = 0, height = 0;
  bool grey = false, picture = false;
  std::string broken;
};

Measured measured(const Dataset& set, int64_t index, bool skip_broken) {
  Measured result;
  try {
    Sample sample = set.get(index);
    result.picture = !sample.has_values();
    if (result.picture) {
      result.sums = sums_of(sample.image);
      result.width = sample.image.width(), result.height = sample.image.height();
      result.grey = sample.image.channels() == 1;
    } else {
      result.sample = std::move(sample);
    }
  } catch (const Error& error) {
    if (!skip_broken || (error.kind() != ErrorKind::io && error.kind() != ErrorKind::format)) throw;
    result.broken = error.message();
  }
  return result;
}

void add_picture(const Measured& one, SetStatistics& result, Sums& sums) {
  const bool first = sums.pixels == 0;
  for (const auto& [range, value] : {std::pair(result.width, one.width), std::pair(result.height, one.height)}) {
    range[0] = first ? value : std::min(range[0], value);
    range[1] = first ? value : std::max(range[1], value);
  }
  result.grey = (first || result.grey) && one.grey;
  sums.pixels += one.sums.pixels;
  for (size_t k = 0; k < 3; ++k) {
    sums.values[k] += one.sums.values[k];
    sums.least[k] = std::min(sums.least[k], one.sums.least[k]);
    sums.greatest[k] = std::max(sums.greatest[k], one.sums.greatest[k]);
  }
  for (size_t k = 0; k < 6; ++k) sums.products[k] += one.sums.products[k];
}

void finish_pictures(const Sums& sums, SetStatistics& result) {
  const auto n = static_cast<long double>(sums.pixels);
  const auto mean = [&](size_t c) { return static_cast<long double>(sums.values[c]) / n; };
  size_t k = 0;
  for (size_t a = 0; a < 3; ++a)
    for (size_t b = a; b < 3; ++b, ++k)
      result.covariance[k] =
          static_cast<double>((static_cast<long double>(sums.products[k]) / n - mean(a) * mean(b)) / (255.0L * 255.0L));
  constexpr size_t kDiagonal[] = {0, 3, 5};
  for (size_t c = 0; c < (result.grey ? 1u : 3u); ++c) {
    result.mean.push_back(static_cast<double>(mean(c) / 255));
    result.deviation.push_back(std::sqrt(std::max(0.0, result.covariance[kDiagonal[c]])));
    result.least.push_back(sums.least[c] / 255.0);
    result.greatest.push_back(sums.greatest[c] / 255.0);
  }
}

// The columns over which rows are measured: features, or the channels of maps.
size_t group_of(size_t value, const Shape& shape) {
  return shape.rank() == 1 ? value : value / static_cast<size_t>(shape[1] * shape[2]);
}

void measure_rows(const Dataset& set, int64_t step, int64_t count, SetStatistics& result) {
  Shape shape;
  std::vector<double> sums;
  double each = 0;
  for (const bool second : {false, true}) {
    if (second) result.deviation.assign(sums.size(), 0);
    for (int64_t i = 0; i < count; ++i) {
      const Tensor values = set.get(i * step).values;
      if (i == 0 && !second) {
        shape = values.shape();
        sums.assign(static_cast<size_t>(shape[0]), 0);
        result.least.assign(sums.size(), INFINITY), result.greatest.assign(sums.size(), -INFINITY);
        each = static_cast<double>(count) * static_cast<double>(shape.count()) / static_cast<double>(shape[0]);
      }
      require(values.shape() == shape, ErrorKind::usage, "{}: has values {}, the rows before it {}", set.name(i * step),
              to_string(values.shape()), to_string(shape));
      const auto row = values.data<float>();
      for (size_t k = 0; k < row.size(); ++k) {
        const size_t g = group_of(k, shape);
        if (second) {
          result.deviation[g] += (row[k] - result.mean[g]) * (row[k] - result.mean[g]);
          continue;
        }
        sums[g] += row[k];
        result.least[g] = std::min<double>(result.least[g], row[k]);
        result.greatest[g] = std::max<double>(result.greatest[g], row[k]);
      }
    }
    if (!second)
      for (const double sum : sums) result.mean.push_back(sum / each);
  }
  for (double& d : result.deviation) d = std::sqrt(d / each);
  result.shape.assign(shape.begin(), shape.end());
  result.count = count;
}

std::string listed(const std::vector<double>& values) { return fmt::format("{}", fmt::join(values, ",")); }

std::optional<std::vector<double>> numbers_in(std::string_view text) {
  std::vector<double> values;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    double value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + end, value);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + end || !std::isfinite(value)) return std::nullopt;
    values.push_back(value);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return values;
}

constexpr std::string_view kKey = "standardisation";

}  // namespace

SetStatistics set_statistics(const Dataset& set, int64_t limit, bool skip_broken) {
  require(set.size() > 0 && limit >= 0, ErrorKind::usage, "{} of {} samples cannot be measured", limit, set.size());
  const int64_t step = limit == 0 ? 1 : (set.size() + limit - 1) / limit, count = (set.size() + step - 1) / step;
  SetStatistics result;
  Sums sums;
  constexpr int64_t kAtOnce = 4096;
  for (int64_t first = 0; first < count; first += kAtOnce) {
    std::vector<Measured> some(static_cast<size_t>(std::min(kAtOnce, count - first)));
    parallel_tasks(static_cast<int64_t>(some.size()),
                   [&](int64_t i) { some[static_cast<size_t>(i)] = measured(set, (first + i) * step, skip_broken); });
    for (Measured& one : some) {
      if (!one.broken.empty()) {
        result.skipped.push_back(std::move(one.broken));
        continue;
      }
      if (!one.picture) {
        require(sums.pixels == 0, ErrorKind::usage, "the set holds both pictures and rows of numbers");
        result.pictures = false;
        measure_rows(set, step, count, result);
        return result;
      }
      add_picture(one, result, sums);
      ++result.count;
    }
  }
  require(sums.pixels > 0, ErrorKind::format, "0 of {} can be read; the first: {}", counted(count, "picture"),
          result.skipped.empty() ? "an empty picture" : result.skipped[0]);
  finish_pictures(sums, result);
  return result;
}

Standardisation standardisation(const SetStatistics& statistics) {
  require(!statistics.pictures, ErrorKind::usage, "pictures are standardised by their preprocessing");
  Standardisation result{statistics.mean, statistics.deviation};
  for (double& d : result.deviation)
    if (!(d > 0)) d = 1;
  return result;
}

Preprocess with_statistics(Preprocess how, const SetStatistics& statistics) {
  require(statistics.pictures, ErrorKind::usage, "the set holds rows of numbers, no pictures");
  const auto deviation = [](double variance) { return variance > 0 ? std::sqrt(variance) : 1 / 255.0; };
  const double unit = 255 * how.scale;
  const ColourCovariance& v = statistics.covariance;
  const size_t last = statistics.mean.size() - 1;
  const double mean[3] = {statistics.mean[0], statistics.mean[std::min<size_t>(1, last)], statistics.mean[last]};
  how.mean.clear(), how.std.clear();
  if (how.colour == "grey") {  // L = R 19595 + G 38470 + B 7471, by 65536
    constexpr double r = 19595 / 65536.0, g = 38470 / 65536.0, b = 7471 / 65536.0;
    how.mean = {unit * (r * mean[0] + g * mean[1] + b * mean[2])};
    how.std = {unit * deviation(r * r * v[0] + g * g * v[3] + b * b * v[5] +
                                2 * (r * g * v[1] + r * b * v[2] + g * b * v[4]))};
  } else {
    const double variance[3] = {v[0], v[3], v[5]};
    for (const size_t c : {size_t{0}, size_t{1}, size_t{2}}) {
      const size_t source = how.colour == "bgr" ? 2 - c : c;
      how.mean.push_back(unit * mean[source]);
      how.std.push_back(unit * deviation(variance[source]));
    }
  }
  how.name = "set";
  return how;
}

Tensor standardised(const Tensor& values, const Standardisation& how) {
  if (how.mean.empty()) return values;
  const Shape& shape = values.shape();
  require((shape.rank() == 1 || shape.rank() == 3) && shape[0] == static_cast<int64_t>(how.mean.size()) &&
              how.deviation.size() == how.mean.size(),
          ErrorKind::usage, "values {} cannot be standardised by {} means and {} deviations", to_string(shape),
          how.mean.size(), how.deviation.size());
  Tensor result = values;
  const auto data = result.data<float>();
  for (size_t i = 0; i < data.size(); ++i) {
    const size_t g = group_of(i, shape);
    data[i] = static_cast<float>((data[i] - how.mean[g]) / how.deviation[g]);
  }
  return result;
}

void state_standardisation(Meaning& meaning, const Standardisation& how) {
  std::erase_if(meaning.metadata, [](const auto& entry) { return entry.first == kKey; });
  if (how.mean.empty()) return;
  meaning.metadata.emplace_back(kKey, listed(how.mean) + ";" + listed(how.deviation));
}

std::optional<Standardisation> stated_standardisation(const Meaning& meaning) {
  for (const auto& entry : meaning.metadata) {
    if (entry.first != kKey) continue;
    const std::string_view text = entry.second;
    const size_t half = std::min(text.find(';'), text.size());
    const auto mean = numbers_in(text.substr(0, half)),
               deviation = numbers_in(text.substr(std::min(half + 1, text.size())));
    const bool positive =
        deviation && std::all_of(deviation->begin(), deviation->end(), [](double d) { return d > 0; });
    require(mean && positive && !mean->empty() && mean->size() == deviation->size(), ErrorKind::format,
            "{}: its metadata \"{}\" is damaged: expected as many means as deviations, in two lists with a semicolon "
            "between them",
            meaning.name, kKey);
    return Standardisation{*mean, *deviation};
  }
  return std::nullopt;
}

std::vector<int64_t> missing_classes(const Dataset& set) {
  std::vector<bool> seen(set.classes().size());
  for (int64_t i = 0; i < set.size(); ++i)
    if (const int64_t label = set.label(i); label >= 0 && label < static_cast<int64_t>(seen.size()))
      seen[static_cast<size_t>(label)] = true;
  std::vector<int64_t> missing;
  for (size_t c = 0; c < seen.size(); ++c)
    if (!seen[c]) missing.push_back(static_cast<int64_t>(c));
  return missing;
}

void require_every_class(const Dataset& set, std::string_view split) {
  const std::vector<int64_t> missing = missing_classes(set);
  if (missing.empty()) return;
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min<size_t>(5, missing.size()); ++i)
    names.push_back(set.classes()[static_cast<size_t>(missing[i])]);
  // Where files name no classes the largest label says how many there are.
  std::string why;
  if (2 * missing.size() > set.classes().size()) {
    int64_t largest = 0;
    for (int64_t i = 1; i < set.size(); ++i)
      if (set.label(i) > set.label(largest)) largest = i;
    why = fmt::format("; the largest label, {}, is that of {}", set.label(largest), set.name(largest));
  }
  fail(ErrorKind::usage, "{} of the {} classes without samples in the {} split: {}{}{}", missing.size(),
       set.classes().size(), split, fmt::join(names, ", "), missing.size() > names.size() ? ", …" : "", why);
}

}  // namespace fovea
