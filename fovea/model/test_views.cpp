#include "fovea/model/test_views.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/base/parallel.h"

namespace fovea {

namespace {

// Mirrored about the outermost positions, without repeating them: -1 is 1.
int64_t inside(int64_t at, int64_t size) {
  if (at < 0) return -at;
  return at < size ? at : 2 * (size - 1) - at;
}

}  // namespace

const std::vector<std::string>& test_view_names() {
  static const std::vector<std::string> names = {"plain", "mirror", "mirror,translate"};
  return names;
}

std::string views_note(std::string_view name) {
  return name == "plain" ? std::string() : fmt::format(", the mean over {} views", name);
}

std::vector<TestView> test_views(std::string_view name) {
  if (name == "plain") return {{}};
  if (name == "mirror") return {{.weight = 0.5}, {.mirrored = true, .weight = 0.5}};
  require(name == "mirror,translate", ErrorKind::usage, "\"{}\" are no views to test with{}; expected one of {}", name,
          did_you_mean(std::string(name), test_view_names()), fmt::join(test_view_names(), "; "));
  std::vector<TestView> views;
  for (const bool mirrored : {false, true}) {
    views.push_back({mirrored, 0, 0, 0.25});
    for (const int64_t by : {-1, 1}) views.push_back({mirrored, by, by, 0.125});
  }
  return views;
}

void make_view(const TestView& view, const Shape& shape, const float* from, float* to) {
  require(shape.rank() == 4, ErrorKind::usage, "views of {}: expected pictures [N,C,H,W]", to_string(shape));
  const int64_t height = shape[2], width = shape[3];
  require(std::abs(view.down) < std::max<int64_t>(height, 1) && std::abs(view.right) < std::max<int64_t>(width, 1),
          ErrorKind::usage, "pictures of {} x {} are too small to be shifted by {} and {}", height, width, view.down,
          view.right);
  std::vector<int64_t> columns;
  for (int64_t c = 0; c < width; ++c)
    columns.push_back(inside((view.mirrored ? width - 1 - c : c) + view.right, width));
  parallel_for(shape[0] * shape[1], 16, [&](int64_t plane) {
    for (int64_t r = 0; r < height; ++r) {
      const float* row = from + (plane * height + inside(r + view.down, height)) * width;
      float* out = to + (plane * height + r) * width;
      for (int64_t c = 0; c < width; ++c) out[c] = row[columns[static_cast<size_t>(c)]];
    }
  });
}

}  // namespace fovea
