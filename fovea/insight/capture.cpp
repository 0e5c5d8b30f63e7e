// Targets: the answers of layers to a picture, or their sums over positions, in the tiles that a loss of the same
// layers would have.
#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/insight/loss_plan.h"
#include "fovea/insight/loss_program.h"
#include "fovea/insight/picture_loss.h"
#include "fovea/insight/tile_feeds.h"
#include "fovea/ops/gram.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"

namespace fovea {

namespace {

// Σ T² F Fᵀ and Σ T² F of a term's maps.
std::vector<Value> sums_of(Graph& graph, const TermMaps& maps) {
  if (maps.inputs.empty()) {
    const Value products = gram(graph, maps.maps, maps.window);
    return {products, {products.node, 1}};
  }
  const Value seen = mul(graph, maps.maps, maps.inputs[0]);
  const Value twice = mul(graph, seen, maps.inputs[0]);
  return {gram(graph, seen, maps.window),
          reduce(graph, maps.owned ? mul(graph, twice, maps.owned) : twice, {.axes = {2, 3}})};
}

// Only for planning: as much work and memory as a style term.
std::vector<LossTerm> terms_of(const std::vector<CapturedLayer>& layers) {
  std::vector<LossTerm> terms;
  for (const CapturedLayer& layer : layers) {
    LossTerm term{.name = layer.layer, .layer = layer.layer};
    if (layer.region.count() > 0) term.inputs = {layer.region};
    term.sums = sums_of;
    term.finish = [](Graph& graph, std::span<const Value> sums, const LayerSize&) { return reduce(graph, sums[0]); };
    terms.push_back(std::move(term));
  }
  return terms;
}

class Capture {
 public:
  Capture(const Model& model, const std::vector<CapturedLayer>& layers, const Shape& levels, Backend& backend,
          const CompileOptions& options, const TilingSettings& settings)
      : layers_(layers), terms_(terms_of(layers)), plan_(plan_loss(model, terms_, levels[2], levels[3], settings)) {
    const std::vector<std::string> names = names_of(layers);
    const LayerNetwork whole = layer_network(model, names, levels[2], levels[3]);
    for (const Value v : whole.layers) {
      const Shape& maps = whole.graph.shape(v);
      sizes_.push_back({maps[1], maps[2], maps[3]});
    }
    if (plan_.strides.empty()) plan_.strides.resize(layers.size());
    LayerNetwork tile = layer_network(model, names, plan_.tiling.rows.length, plan_.tiling.columns.length);
    loss_.graph = std::move(tile.graph);
    for (size_t k = 0; k < layers.size(); ++k) want(k, tile.layers[k]);
    prune(loss_);
    live_ = fed_inputs(loss_);
    program_ = compile(loss_.graph, loss_.wants, model.weights, backend, options);
  }

  std::vector<Captured> run(const Context& context, const Tensor& levels) {
    std::vector<Captured> result(layers_.size());
    for (size_t k = 0; k < layers_.size(); ++k) prepare(result[k], k);
    const Tiling& tiling = plan_.tiling;
    for (size_t row = 0; row < tiling.rows.starts.size(); ++row)
      for (size_t column = 0; column < tiling.columns.starts.size(); ++column) {
        require(!context.cancelled(), ErrorKind::usage, "cancelled");
        run_tile(levels, row, column, result);
      }
    return result;
  }

 private:
  static std::vector<std::string> names_of(const std::vector<CapturedLayer>& layers) {
    std::vector<std::string> names;
    for (const CapturedLayer& layer : layers) names.push_back(layer.layer);
    return names;
  }

  void want(size_t k, Value maps) {
    const Shape shape = loss_.graph.shape(maps);
    if (layers_[k].maps) loss_.wants.push_back(maps);
    if (!layers_[k].sums) return;
    TermMaps seen{maps, {}, {}, {}};
    seen.window = input(loss_.graph, window_input(k), {DType::i64, {4}});
    seen.owned = input(loss_.graph, owned_input(k), {DType::f32, {1, 1, shape[2], shape[3]}});
    if (const Shape& region = layers_[k].region.shape(); layers_[k].region.count() > 0) {
      require(region == Shape{1, 1, sizes_[k].height, sizes_[k].width}, ErrorKind::usage,
              "{}: a region of {}, expected 1x1x{}x{}", layers_[k].layer, to_string(region), sizes_[k].height,
              sizes_[k].width);
      seen.inputs = {input(loss_.graph, term_input(k, 0), {DType::f32, {1, 1, shape[2], shape[3]}})};
    }
    const std::vector<Value> sums = sums_of(loss_.graph, seen);
    loss_.wants.insert(loss_.wants.end(), sums.begin(), sums.end());
  }

  void prepare(Captured& result, size_t k) const {
    const LayerSize& size = sizes_[k];
    if (layers_[k].maps) result.maps = Tensor(DType::f32, {1, size.channels, size.height, size.width});
    if (!layers_[k].sums) return;
    double positions = size.positions();
    if (layers_[k].region.count() > 0) {
      positions = 0;
      for (const float t : layers_[k].region.data<float>())
        positions += static_cast<double>(t) * static_cast<double>(t);
    }
    result.sums = {size.channels, positions, Tensor(DType::f64, {size.channels, size.channels}),
                   Tensor(DType::f64, {size.channels})};
  }

  void run_tile(const Tensor& levels, size_t row, size_t column, std::vector<Captured>& result) {
    const Tiling& tiling = plan_.tiling;
    const int64_t top = tiling.rows.starts[row], left = tiling.columns.starts[column];
    std::map<std::string, Tensor> feeds;
    feeds[kLevels] = cut_out(levels, top, left, tiling.rows.length, tiling.columns.length);
    struct Own {
      Positions rows, columns;  // of the layer in the whole picture
      int64_t down, right;      // of the tile's first
    };
    std::vector<Own> own;
    for (size_t k = 0; k < layers_.size(); ++k) {
      const LayerStride& stride = plan_.strides[k];
      own.push_back({owned(tiling.rows, row, stride.rows, sizes_[k].height),
                     owned(tiling.columns, column, stride.columns, sizes_[k].width), top / stride.rows,
                     left / stride.columns});
      const Own& o = own.back();
      const Positions rows{o.rows.begin - o.down, o.rows.end - o.down};
      const Positions columns{o.columns.begin - o.right, o.columns.end - o.right};
      feeds[window_input(k)] = Tensor::ints({rows.begin, rows.end, columns.begin, columns.end});
      for (const auto& [name, make] : {std::pair(owned_input(k), true), std::pair(term_input(k, 0), false)}) {
        const int node = loss_.graph.find(name);
        if (node < 0) continue;
        const Shape& shape = loss_.graph.shape({node, 0});
        feeds[name] = make ? owned_mask(shape[2], shape[3], rows, columns)
                           : cut_out(layers_[k].region, o.down, o.right, shape[2], shape[3]);
      }
    }
    std::erase_if(feeds, [&](const auto& f) { return std::find(live_.begin(), live_.end(), f.first) == live_.end(); });
    const std::vector<Tensor> wants = program_.run(feeds);
    size_t next = 0;
    for (size_t k = 0; k < layers_.size(); ++k) {
      if (layers_[k].maps) {
        const Own& o = own[k];
        add_at(
            result[k].maps,
            cut_out(wants[next++], o.rows.begin - o.down, o.columns.begin - o.right, o.rows.count(), o.columns.count()),
            o.rows.begin, o.columns.begin);
      }
      if (!layers_[k].sums) continue;
      add_to(result[k].sums.products, wants[next++]);
      add_to(result[k].sums.answers, wants[next++]);
    }
  }

  const std::vector<CapturedLayer>& layers_;
  std::vector<LossTerm> terms_;
  LossPlan plan_;
  std::vector<LayerSize> sizes_;
  LossGraph loss_;
  std::vector<std::string> live_;
  Program program_;
};

}  // namespace

std::vector<Captured> capture(const Context& context, const Model& model, const Tensor& levels,
                              const std::vector<CapturedLayer>& layers, Backend& backend, const CompileOptions& options,
                              const TilingSettings& tiling) {
  require(levels.rank() == 4 && levels.size(0) == 1 && levels.dtype() == DType::f32, ErrorKind::shape,
          "levels are {}, expected one picture f32[1xCxHxW]", to_string(Type{levels.dtype(), levels.shape()}));
  if (layers.empty()) return {};
  return Capture(model, layers, levels.shape(), backend, options, tiling).run(context, levels);
}

LayerSize layer_size(const Model& model, std::string_view layer, int64_t height, int64_t width) {
  const LayerNetwork network = layer_network(model, {std::string(layer)}, height, width);
  const Shape& maps = network.graph.shape(network.layers[0]);
  return {maps[1], maps[2], maps[3]};
}

}  // namespace fovea
