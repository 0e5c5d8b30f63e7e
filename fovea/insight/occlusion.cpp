// m_p = mean over the windows w that cover p of S(x) − S(x with w replaced by the baseline).
// Source: Zeiler & Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2 (a grey
// square moved over the picture); here the drop is given to all pixels under the square.
#include <algorithm>

#include "fovea/insight/attribution.h"

namespace fovea {

namespace {

// Where windows begin: every `stride` pixels, the last one flush with the end, so that every pixel is covered.
std::vector<int64_t> begins(int64_t length, int64_t window, int64_t stride) {
  std::vector<int64_t> result;
  for (int64_t at = 0; at < length - window; at += stride) result.push_back(at);
  result.push_back(length - window);
  return result;
}

}  // namespace

AttributionMap occlusion(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context) {
  const AttributionOptions& options = network.options();
  const int64_t channels = input.size(1), height = input.size(2), width = input.size(3), side = std::min(height, width);
  const int64_t window = options.window > 0 ? options.window : std::max<int64_t>(1, side / 7);
  const int64_t stride = options.stride > 0 ? options.stride : std::max<int64_t>(1, window / 2);
  require(window <= side, ErrorKind::usage, "the window of {} pixels is larger than the picture of {}x{}", window,
          width, height);
  require(stride <= window, ErrorKind::usage, "windows of {} pixels that move by {} leave pixels out", window, stride);
  const std::vector<int64_t> rows = begins(height, window, stride), columns = begins(width, window, stride);
  const Tensor baseline = network.baseline();
  const auto x = input.data<float>(), nothing = baseline.data<float>();
  const double whole = network.scores_of(input, context)[static_cast<size_t>(label)];
  std::vector<double> sums(static_cast<size_t>(height * width), 0.0), covers(sums.size(), 0.0);
  const auto for_pixels = [&](int64_t i, const auto& each) {
    const int64_t top = rows[static_cast<size_t>(i) / columns.size()],
                  left = columns[static_cast<size_t>(i) % columns.size()];
    for (int64_t y = top; y < top + window; ++y)
      for (int64_t p = left; p < left + window; ++p) each(static_cast<size_t>(y * width + p));
  };
  const auto count = static_cast<int64_t>(rows.size() * columns.size());
  network.scores().run(
      context, count,
      [&](int64_t i, std::span<float> picture) {
        context.report({"occluding", i, count, ""});
        std::ranges::copy(x, picture.begin());
        for_pixels(i, [&](size_t p) {
          for (int64_t c = 0; c < channels; ++c) {
            const size_t at = static_cast<size_t>(c * height * width) + p;
            picture[at] = nothing[at];
          }
        });
      },
      [&](int64_t i, int64_t slot, const std::vector<Tensor>& wants) {
        const double drop = whole - double(row_of(wants[0], slot)[static_cast<size_t>(label)]);
        for_pixels(i, [&](size_t p) { sums[p] += drop, covers[p] += 1; });
      });
  AttributionMap map;
  map.method = "occlusion";
  map.is_signed = true;
  map.height = height, map.width = width;
  for (size_t p = 0; p < sums.size(); ++p) map.values.push_back(static_cast<float>(sums[p] / covers[p]));
  map.facts = {{"window", static_cast<double>(window)},
               {"stride", static_cast<double>(stride)},
               {"pictures", static_cast<double>(count)}};
  settle(map);
  return map;
}

}  // namespace fovea
