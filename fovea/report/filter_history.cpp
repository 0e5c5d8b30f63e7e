#include "fovea/report/filter_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "fovea/base/bytes.h"
#include "fovea/base/error.h"
#include "fovea/image/codec.h"
#include "fovea/image/draw.h"
#include "fovea/insight/filters.h"
#include "fovea/report/figure.h"

namespace fovea {

namespace {

constexpr int kTile = 32, kColumns = 32;  // pixels a filter, filters a row

struct SheetFile {
  int64_t step = 0;
  std::filesystem::path path;
};

// The files of a folder that are named as sheets are, in the order of their steps.
std::vector<SheetFile> sheet_files(const std::filesystem::path& folder) {
  std::vector<SheetFile> files;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string stem = it->path().stem().string();
    int64_t step = 0;
    const auto [stop, wrong] = std::from_chars(stem.data(), stem.data() + stem.size(), step);
    if (it->path().extension() == ".png" && stem.size() >= 4 && wrong == std::errc() &&
        stop == stem.data() + stem.size() && step >= 0)
      files.push_back({step, it->path()});
  }
  std::sort(files.begin(), files.end(), [](const SheetFile& a, const SheetFile& b) { return a.step < b.step; });
  return files;
}

FilterSheet read_sheet(const SheetFile& file) {
  const Bytes bytes = Bytes::map(file.path);
  FilterSheet sheet{static_cast<double>(file.step), decode_image(bytes)};
  for (const auto& [key, value] : png_text(bytes))
    if (key == "epoch") std::from_chars(value.data(), value.data() + value.size(), sheet.epoch);
  return sheet;
}

}  // namespace

std::optional<Image> filter_sheet(const Model& model) {
  const std::optional<FirstLayer> layer = first_layer(model);
  if (!layer) return {};
  const std::string order = model.meaning.preprocess ? model.meaning.preprocess->colour : "rgb";
  const std::vector<Image> filters = filter_images(*layer, order);
  if (filters.empty() || filters[0].empty()) return {};
  return image_grid(filters, kColumns, std::max(1, kTile / std::max(filters[0].width(), filters[0].height())), 2);
}

void write_filter_sheet(const std::filesystem::path& folder, int64_t step, const FilterSheet& sheet) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  require(!error, ErrorKind::io, "{}: the folder cannot be made: {}", folder.string(), error.message());
  const std::vector<std::byte> png = encode_png(sheet.image, {{"epoch", fmt::format("{}", sheet.epoch)}});
  write_file(folder / fmt::format("{:04}.png", step), std::span<const std::byte>(png));
}

std::vector<FilterSheet> read_filter_sheets(const std::filesystem::path& folder, size_t most, size_t& found,
                                            int64_t last_step) {
  std::vector<SheetFile> files = sheet_files(folder);
  while (!files.empty() && files.back().step > last_step) files.pop_back();
  found = files.size();
  std::vector<FilterSheet> sheets;
  if (most == 0) return sheets;
  if (files.size() <= most || most == 1) {
    for (const SheetFile& file : files)
      if (most > 1 || &file == &files.back()) sheets.push_back(read_sheet(file));
    return sheets;
  }
  for (size_t i = 0; i < most; ++i) sheets.push_back(read_sheet(files[i * (files.size() - 1) / (most - 1)]));
  return sheets;
}

void remove_filter_sheets_after(const std::filesystem::path& folder, int64_t step) {
  for (const SheetFile& file : sheet_files(folder)) {
    std::error_code error;
    if (file.step > step) std::filesystem::remove(file.path, error);
  }
}

Image filter_history(const std::vector<FilterSheet>& sheets) {
  constexpr int kMargin = 10, kGap = 10, kLabel = 66;
  int width = 1, height = 0;
  for (const FilterSheet& sheet : sheets) {
    width = std::max(width, sheet.image.width());
    height += std::max(sheet.image.height(), text_height("0")) + kGap;
  }
  Image figure = blank(2 * kMargin + kLabel + width, 2 * kMargin + std::max(1, height - kGap));
  int y = kMargin;
  for (const FilterSheet& sheet : sheets) {
    const int row = std::max(sheet.image.height(), text_height("0"));
    draw_text(figure, kMargin, y + (row - text_height("0")) / 2, fmt::format("epoch {:.4g}", sheet.epoch), paper::ink);
    draw_image(figure, sheet.image, kMargin + kLabel, y + (row - sheet.image.height()) / 2);
    y += row + kGap;
  }
  return figure;
}

}  // namespace fovea
