#include "fovea/insight/loss_plan.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "fovea/base/error.h"
#include "fovea/insight/loss_program.h"

namespace fovea {

namespace {

constexpr double kMiB = 1 << 20;

// Fast convolutions compute blocks of 4x4 or 6x6 outputs. Tiles that start at a multiple of 12 positions of every layer
// see the blocks of the whole picture: the same bits, so that no ReLU near zero and no two nearly equal maxima of a
// pooling are decided otherwise. Such tiles are taken unless they cost much more than others; then gradients differ as
// much as between any two libraries (of VGG-19's, about 2e-3 of their norm).
constexpr int64_t kBlock = 12;
constexpr double kMuchMore = 1.25;

std::vector<std::string> layer_names(const std::vector<LossTerm>& terms) {
  std::vector<std::string> names;
  for (const LossTerm& term : terms) names.push_back(term.layer);
  return names;
}

// How far a tile of another size than the picture's sees, along both axes.
struct Rules {
  TileRules rows, columns;                  // of any tiles
  TileRules aligned_rows, aligned_columns;  // of those that see the same blocks
  std::vector<LayerStride> strides;
};

std::vector<LayerAxis> axes_inside(const LayerNetwork& network, int axis) {
  const Value pictures[] = {network.levels, network.seen};
  auto axes = layer_axes(network.graph, pictures, network.layers, axis, false, false);
  // Penalties of the picture itself look at the next pixel.
  for (size_t k = 0; k < axes.size(); ++k)
    if (network.layers[k] == network.levels) axes[k].exact.end -= 1;
  return axes;
}

bool all_exact(const std::vector<LayerAxis>& axes) {
  return std::all_of(axes.begin(), axes.end(), [](const LayerAxis& a) { return a.exact.count() > 0; });
}

int64_t common_stride(const std::vector<LayerAxis>& axes) {
  int64_t stride = 1;
  for (const LayerAxis& a : axes) stride = std::lcm(stride, a.stride);
  return stride;
}

// Sides that some position of every layer sees no end of.
Rules rules_for(const Model& model, const std::vector<std::string>& layers, int64_t height, int64_t width) {
  constexpr int64_t kMost = 1 << 16;
  const LayerNetwork whole = layer_network(model, layers, height, width);
  const int64_t steps[] = {common_stride(axes_inside(whole, 0)), common_stride(axes_inside(whole, 1))};
  for (int64_t side = 64; side <= kMost; side *= 2) {
    const auto near = [side](int64_t size, int64_t step) { return size % step + (side + step - 1) / step * step; };
    const int64_t rows = near(height, kBlock * steps[0]), columns = near(width, kBlock * steps[1]);
    std::optional<LayerNetwork> tile;
    try {
      tile = layer_network(model, layers, rows, columns);
    } catch (const Error&) {
      continue;  // too small for a layer
    }
    const auto down = axes_inside(*tile, 0), across = axes_inside(*tile, 1);
    if (!all_exact(down) || !all_exact(across)) continue;
    Rules rules{{down, rows, steps[0]},
                {across, columns, steps[1]},
                {down, rows, kBlock * steps[0]},
                {across, columns, kBlock * steps[1]},
                {}};
    for (size_t k = 0; k < layers.size(); ++k) rules.strides.push_back({down[k].stride, across[k].stride});
    return rules;
  }
  fail(ErrorKind::unsupported, "a layer sees more than {} pixels: tiles of this network would be as large", kMost);
}

// Bytes that are there whatever the tile: what the caller brings and gets.
size_t fixed_bytes(const Model& model, const std::vector<LossTerm>& terms, int64_t pixels,
                   const TilingSettings& settings) {
  size_t bytes = settings.held;
  for (const LossTerm& term : terms)
    for (const Tensor& t : term.inputs) bytes += t.bytes();
  for (const auto& [name, weight] : model.weights) bytes += weight.bytes();
  return bytes + 2 * 3 * sizeof(float) * static_cast<size_t>(pixels);  // the levels and their gradient
}

struct Candidate {
  int64_t height = 0, width = 0;
  double pixels = 0;  // of all tiles together
  bool aligned = false;
};

// The sides that tiles may have along an axis, the whole length last.
std::vector<int64_t> sides(const TileRules& rules, int64_t size, int64_t most) {
  std::vector<int64_t> result = rules.lengths(size);
  result.push_back(size);
  if (most > 0) std::erase_if(result, [&](int64_t side) { return side > most; });
  return result;
}

// The tile with the least pixels in all among those with an area that fits; the larger one where two are alike.
std::optional<Candidate> best_tile(const TileRules& rows, const TileRules& columns, int64_t height, int64_t width,
                                   int64_t most, double area) {
  std::optional<Candidate> best;
  const auto all = [](const TileRules& axis, int64_t size, int64_t side) {
    return static_cast<double>(axis.tiles(size, side).starts.size()) * static_cast<double>(side);
  };
  const auto across = sides(columns, width, most);
  std::vector<double> widths;
  for (const int64_t side : across) widths.push_back(all(columns, width, side));
  for (const int64_t down : sides(rows, height, most)) {
    const double length = all(rows, height, down);
    for (size_t i = 0; i < across.size(); ++i) {
      if (static_cast<double>(down) * static_cast<double>(across[i]) > area) continue;
      const Candidate now{down, across[i], length * widths[i], false};
      if (!best || now.pixels <= best->pixels) best = now;
    }
  }
  return best;
}

std::optional<Candidate> best_tile(const Rules& rules, int64_t height, int64_t width, int64_t most, double area) {
  const auto any = best_tile(rules.rows, rules.columns, height, width, most, area);
  auto aligned = best_tile(rules.aligned_rows, rules.aligned_columns, height, width, most, area);
  if (!aligned || aligned->pixels > kMuchMore * any->pixels) return any;
  aligned->aligned = true;
  return aligned;
}

struct Search {
  const Model& model;
  const std::vector<LossTerm>& terms;
  int64_t height, width;
  const TilingSettings& settings;
  size_t fixed;

  size_t bytes(const ProgramCost& cost) const { return cost.arena + cost.weights + fixed; }
  ProgramCost tile_cost(int64_t down, int64_t across) const {
    return cost_of(tile_loss(model, terms, down, across), model.weights);
  }

  LossPlan planned(const Rules& rules, const Candidate& tile) const {
    const ProgramCost cost = tile_cost(tile.height, tile.width);
    LossPlan plan;
    plan.tiling.tiled = true;
    plan.tiling.rows = (tile.aligned ? rules.aligned_rows : rules.rows).tiles(height, tile.height);
    plan.tiling.columns = (tile.aligned ? rules.aligned_columns : rules.columns).tiles(width, tile.width);
    plan.tiling.aligned = tile.aligned;
    plan.tiling.halo = std::max({rules.rows.lead(), rules.rows.trail(), rules.columns.lead(), rules.columns.trail()});
    plan.strides = rules.strides;
    plan.bytes = bytes(cost);
    // The forward pass is run twice; it is about a third of forward and backward together.
    plan.flops = cost.flops * 4 / 3 * static_cast<double>(plan.tiling.count());
    return plan;
  }

  LossPlan by_side(const Rules& rules) const {
    const auto tile = best_tile(rules, height, width, settings.tile, 1e18);
    if (tile) return planned(rules, *tile);
    const auto least = [](const TileRules& axis, int64_t size) { return sides(axis, size, 0).front(); };
    fail(ErrorKind::usage,
         "tiles of {} pixels: these layers see {} pixels around a tile's own, the smallest tile is {}x{}",
         settings.tile, std::max(rules.rows.lead() + rules.rows.trail(), rules.columns.lead() + rules.columns.trail()),
         least(rules.columns, width), least(rules.rows, height));
  }

  LossPlan by_memory(const Rules& rules) const {
    const int64_t down = sides(rules.rows, height, 0).front(), across = sides(rules.columns, width, 0).front();
    const ProgramCost least = tile_cost(down, across);
    require(
        bytes(least) <= settings.memory, ErrorKind::usage,
        "{:.0f} MiB of memory are allowed, but even the smallest tile, {}x{} pixels, needs {:.0f} MiB: {:.0f} for the "
        "picture, its targets and the optimiser, {:.0f} for the network's weights, {:.0f} for the tile. "
        "A smaller picture, a higher limit, or a rule that remembers less (adam) would do",
        static_cast<double>(settings.memory) / kMiB, across, down, static_cast<double>(bytes(least)) / kMiB,
        static_cast<double>(fixed) / kMiB, static_cast<double>(least.weights) / kMiB,
        static_cast<double>(least.arena) / kMiB);
    const double each = static_cast<double>(least.arena) / static_cast<double>(down * across);
    double area = static_cast<double>(settings.memory - fixed - least.weights) / each;
    for (;;) {
      const auto tile = best_tile(rules, height, width, 0, area);
      if (!tile) return planned(rules, {down, across, 0, false});
      LossPlan plan = planned(rules, *tile);
      if (plan.bytes <= settings.memory) return plan;
      area = 0.95 * static_cast<double>(tile->height) * static_cast<double>(tile->width);
    }
  }
};

}  // namespace

LossPlan plan_loss(const Model& model, const std::vector<LossTerm>& terms, int64_t height, int64_t width,
                   const TilingSettings& settings) {
  require(settings.tile >= 0, ErrorKind::usage, "tiles of {} pixels", settings.tile);
  const Search search{model, terms, height, width, settings, fixed_bytes(model, terms, height * width, settings)};
  if (settings.tile == 0 || settings.tile >= std::max(height, width)) {
    const ProgramCost cost = cost_of(whole_loss(model, terms, height, width), model.weights);
    if (settings.memory == 0 || search.bytes(cost) <= settings.memory || settings.tile > 0) {
      const auto one = [](int64_t size) { return AxisTiles{size, {0}, {0, size}}; };
      return {{false, one(height), one(width), 0, true}, {}, search.bytes(cost), cost.flops};
    }
  }
  const Rules rules = rules_for(model, layer_names(terms), height, width);
  return settings.tile > 0 ? search.by_side(rules) : search.by_memory(rules);
}

}  // namespace fovea
