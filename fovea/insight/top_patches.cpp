// score(unit, picture) = max over (y, x) of the unit's map; kept are the `count` greatest of each unit.
// Source: M. Zeiler & R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.
#include "fovea/insight/top_patches.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "fovea/base/counted.h"
#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/base/parallel_tasks.h"
#include "fovea/image/geometry.h"
#include "fovea/insight/batched_program.h"
#include "fovea/model/conventions.h"
#include "fovea/model/for_pictures.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/unit_fields.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

constexpr int64_t kLargestBatch = 128, kSmallestBatch = 4;
// The inputs of a batch should fill about this many bytes: enough to keep threads busy, little enough for the caches.
constexpr int64_t kBatchBytes = int64_t{2} << 20;
// And no layer's value of a batch more than this, even if that means one picture at a time.
constexpr int64_t kValueBytes = int64_t{192} << 20;

// Pictures computed at once where nothing is said.
int64_t suiting_batch(const Graph& graph, Value input, std::span<const Value> layers) {
  const Shape& picture = graph.shape(input);
  const int64_t bytes = std::max<int64_t>(1, picture.count(1, picture.rank()) * 4);
  const int64_t suits = std::clamp(kBatchBytes / bytes, kSmallestBatch, kLargestBatch);
  const std::vector<bool> needed = reachable(graph, layers);
  int64_t largest = 1, wanted = 0;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (!needed[static_cast<size_t>(i)] || node.op == &ops::parameter || node.op == &ops::constant) continue;
    for (const Type& type : node.outputs) largest = std::max(largest, static_cast<int64_t>(type.bytes()));
  }
  for (const Value layer : layers) wanted += static_cast<int64_t>(graph.type(layer).bytes());  // held together
  largest = std::max(largest, wanted);
  return std::clamp<int64_t>(kValueBytes * std::max<int64_t>(1, picture[0]) / largest, 1, suits);
}

// The layers of a network for `batch` pictures at once.
struct Network {
  Graph graph;
  std::vector<Value> layers;
  std::string input;
  Shape pictures;  // [N,C,H,W]
  int64_t batch() const { return pictures[0]; }
};

Network own_network(const Model& model, std::span<const Value> layers) {
  const Value input = picture_input(model);
  return {model.graph, {layers.begin(), layers.end()}, model.graph.node(input).name, model.graph.shape(input)};
}

// The network for another batch; as it is where its shapes are fixed or its layers would not have that many rows.
Network batched(const Model& model, std::span<const Value> layers, int64_t batch) {
  Network own = own_network(model, layers), other = own;
  if (batch == own.batch()) return own;
  other.pictures[0] = batch;
  try {
    other.graph = for_pictures(model, batch).graph;
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::usage) throw;
    return own;
  }
  for (Value& layer : other.layers) {
    Shape expected = model.graph.shape(layer);
    if (expected[0] != own.batch()) return own;
    expected[0] = batch;
    layer = {other.graph.find(model.graph.node(layer).name), layer.output};
    if (layer.node < 0 || !(other.graph.shape(layer) == expected)) return own;
  }
  return other;
}

// Compiled for as many pictures as asked for, fewer where the memory is not enough.
std::pair<Network, Program> compiled(const Model& model, std::span<const Value> layers, int64_t batch, size_t memory,
                                     Backend& backend, const CompileOptions& options) {
  for (;; batch /= 2) {
    Network network = batched(model, layers, batch);
    Program program = compile(network.graph, network.layers, model.weights, backend, options);
    if (memory == 0 || bytes_of(program) <= memory) return {std::move(network), std::move(program)};
    if (batch == 1) require_memory(program, memory);
  }
}

// The patches of one unit as they are found, the weakest at the end.
class Best {
 public:
  void take(const TopPatch& patch, int64_t count) {
    const auto before = [](const TopPatch& a, const TopPatch& b) {
      return a.score != b.score ? a.score > b.score : a.sample < b.sample;
    };
    patches_.insert(std::upper_bound(patches_.begin(), patches_.end(), patch, before), patch);
    if (static_cast<int64_t>(patches_.size()) > count) patches_.pop_back();
  }
  // Whether a value of a later picture would be kept.
  bool wants(float score, int64_t count) const {
    return static_cast<int64_t>(patches_.size()) < count || score > patches_.back().score;
  }
  std::vector<TopPatch>& patches() { return patches_; }

 private:
  std::vector<TopPatch> patches_;
};

// The greatest value that is a number, -inf where there is none, and whether some were none.
struct Peak {
  float value = -INFINITY;
  bool not_finite = false;
};
Peak peak_of(const float* plane, int64_t count) {
  float peak = -INFINITY;
  int strange = 0;
  for (int64_t p = 0; p < count; ++p) {
    peak = plane[p] > peak ? plane[p] : peak;
    strange |= plane[p] != plane[p];
  }
  return {peak, strange != 0};
}

// What is found in one layer.
class LayerSearch {
 public:
  LayerSearch(TopPatches result, int64_t count)
      : result_(std::move(result)), count_(count), best_(result_.units.size()), sums_(result_.units.size()) {}

  // The value of the layer, whose rows belong to the samples.
  void look(const Tensor& value, const std::vector<int64_t>& samples) {
    const float* const data = value.data<float>().data();
    const int64_t plane = result_.height * result_.width;
    const size_t units = result_.units.size();
    std::vector<uint8_t> strange(samples.size() * units, 0);
    parallel_for(static_cast<int64_t>(units), 8, [&](int64_t index) {
      const auto u = static_cast<size_t>(index);
      UnitPatches& unit = result_.units[u];
      for (size_t slot = 0; slot < samples.size(); ++slot) {
        const float* map = data + (static_cast<int64_t>(slot) * result_.channels + unit.unit) * plane;
        const auto [peak, not_finite] = peak_of(map, plane);
        strange[slot * units + u] = not_finite;
        if (std::isfinite(peak)) {
          sums_[u].peaks += static_cast<double>(peak);
          sums_[u].answers += std::max(0.0, static_cast<double>(peak));
        }
        unit.active += peak > 0;
        if (peak == -INFINITY || !best_[u].wants(peak, count_)) continue;
        const int64_t at = std::find(map, map + plane, peak) - map;
        best_[u].take({samples[slot], peak, at / result_.width, at % result_.width, {}, {}}, count_);
      }
    });
    for (auto row = strange.cbegin(); row != strange.cend(); row += static_cast<std::ptrdiff_t>(units))
      result_.not_finite +=
          std::any_of(row, row + static_cast<std::ptrdiff_t>(units), [](uint8_t s) { return s != 0; });
    result_.samples += static_cast<int64_t>(samples.size());
  }

  TopPatches finish(const UnitFields& fields, int node, const std::vector<std::string>& skipped) && {
    const auto samples = static_cast<double>(std::max<int64_t>(1, result_.samples));
    for (size_t u = 0; u < result_.units.size(); ++u) {
      UnitPatches& unit = result_.units[u];
      unit.patches = std::move(best_[u].patches());
      unit.mean_peak = sums_[u].peaks / samples;
      unit.mean_answer = sums_[u].answers / samples;
      for (TopPatch& patch : unit.patches) {
        patch.rows = fields.seen(node, 0, patch.y);
        patch.columns = fields.seen(node, 1, patch.x);
      }
    }
    result_.skipped = skipped;
    return std::move(result_);
  }

 private:
  struct Sums {
    double peaks = 0, answers = 0;
  };
  TopPatches result_;
  int64_t count_;
  std::vector<Best> best_;
  std::vector<Sums> sums_;
};

// One batch of pictures after another, as the network takes them.
class Reader {
 public:
  Reader(const Preprocess& how, const Shape& pictures, bool skip_broken)
      : how_(how), skip_broken_(skip_broken), pictures_(DType::f32, pictures) {}

  // Decodes pictures [first, first + count) into the first rows; says which samples they are. Broken ones are left out
  // and named.
  std::vector<int64_t> read(const Dataset& data, int64_t first, int64_t count, std::vector<std::string>& skipped) {
    std::vector<std::string> broken(static_cast<size_t>(count));
    std::byte* const to = pictures_.raw();
    const size_t bytes = pictures_.bytes() / static_cast<size_t>(pictures_.size(0));
    parallel_tasks(count, [&](int64_t slot) {
      Sample sample;
      try {
        sample = data.get(first + slot);
      } catch (const Error& error) {
        if (!skip_broken_ || (error.kind() != ErrorKind::io && error.kind() != ErrorKind::format)) throw;
        broken[static_cast<size_t>(slot)] = error.message();
        return;
      }
      require(!sample.has_values(), ErrorKind::usage,
              "{}: holds numbers ({}), expected a picture: patches are cut out of pictures", data.name(first + slot),
              to_string(sample.values.shape()));
      const Tensor input = preprocess(sample.image, how_);
      const Shape& shape = pictures_.shape();
      require(input.shape()[1] == shape[1] && input.shape()[2] == shape[2] && input.shape()[3] == shape[3],
              ErrorKind::usage, "preprocessing gives {}, the network takes {}", to_string(input.shape()),
              to_string(shape));
      std::memcpy(to + static_cast<size_t>(slot) * bytes, input.raw(), bytes);
    });
    std::vector<int64_t> samples;
    for (size_t slot = 0; slot < broken.size(); ++slot) {
      if (!broken[slot].empty()) {
        skipped.push_back(std::move(broken[slot]));
        continue;
      }
      if (slot != samples.size()) std::memmove(to + samples.size() * bytes, to + slot * bytes, bytes);
      samples.push_back(first + static_cast<int64_t>(slot));
    }
    return samples;
  }
  const Tensor& pictures() const { return pictures_; }

 private:
  const Preprocess& how_;
  bool skip_broken_;
  Tensor pictures_;
};

TopPatches asked_for(const Model& model, const UnitsOfLayer& wanted, const UnitFields& fields) {
  const Value layer = wanted.layer;
  const Node& node = model.graph.node(layer);
  const Shape& s = model.graph.shape(layer);
  const bool maps = s.rank() == 4;
  require((maps || s.rank() == 2) && model.graph.dtype(layer) == DType::f32, ErrorKind::usage,
          "layer \"{}\" is {}; expected a layer with units: [N,C,H,W] or [N,C]", node.name,
          to_string(model.graph.type(layer)));
  require(fields.depends(layer.node), ErrorKind::usage, "layer \"{}\" does not depend on the picture", node.name);
  TopPatches result;
  result.layer = node.name;
  result.channels = s[1];
  if (maps) result.height = s[2], result.width = s[3];
  for (int64_t y = 0; y < fields.positions(layer.node, 0); ++y) {
    const Interval i = fields.seen(layer.node, 0, y);
    result.field_height = std::max(result.field_height, i.end - i.begin);
  }
  for (int64_t x = 0; x < fields.positions(layer.node, 1); ++x) {
    const Interval i = fields.seen(layer.node, 1, x);
    result.field_width = std::max(result.field_width, i.end - i.begin);
  }
  std::vector<int64_t> units = wanted.units;
  if (units.empty())
    for (int64_t u = 0; u < s[1]; ++u) units.push_back(u);
  for (const int64_t u : units) {
    require(u >= 0 && u < s[1], ErrorKind::usage, "layer \"{}\" has no unit {}; its {} units are 0 to {}", node.name, u,
            s[1], s[1] - 1);
    result.units.push_back({u, {}, 0, 0, 0});
  }
  return result;
}

}  // namespace

std::vector<TopPatches> top_patches(const Context& context, const Model& model, std::span<const UnitsOfLayer> wanted,
                                    const Dataset& data, Backend& backend, const CompileOptions& compile_options,
                                    const TopPatchOptions& options, const PicturesSeen& also) {
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input");
  require(options.count >= 1, ErrorKind::usage, "{} patches a unit; expected at least 1", options.count);
  require(!wanted.empty(), ErrorKind::usage, "no layer was given");
  const int64_t total = options.limit > 0 ? std::min(options.limit, data.size()) : data.size();
  require(total > 0, ErrorKind::usage, "the data set is empty");
  const Value input = picture_input(model);
  const UnitFields fields(model.graph, input);
  std::vector<LayerSearch> searches;
  std::vector<Value> layers;
  for (const UnitsOfLayer& w : wanted) {
    searches.emplace_back(asked_for(model, w, fields), options.count);
    layers.push_back(w.layer);
  }
  const int64_t batch = options.batch > 0 ? options.batch : suiting_batch(model.graph, input, layers);
  auto [network, program] = compiled(model, layers, std::min(total, batch), options.memory, backend, compile_options);
  const int64_t step = network.batch();
  Reader reader(*model.meaning.preprocess, network.pictures, options.skip_broken);
  std::vector<std::string> skipped;
  for (int64_t first = 0; first < total; first += step) {
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    context.report({"looking", first, total, ""});
    const std::vector<int64_t> samples = reader.read(data, first, std::min(step, total - first), skipped);
    if (samples.empty()) continue;
    std::memcpy(program.input(network.input).raw(), reader.pictures().raw(), reader.pictures().bytes());
    program.execute();
    for (size_t i = 0; i < searches.size(); ++i) searches[i].look(program.want(i), samples);
    if (also) also(reader.pictures(), static_cast<int64_t>(samples.size()));
  }
  context.report({"looking", total, total, ""});
  require(static_cast<int64_t>(skipped.size()) < total, ErrorKind::format, "0 of {} can be read; the first: {}",
          counted(total, "picture"), skipped.empty() ? "" : skipped[0]);
  std::vector<TopPatches> results;
  for (size_t i = 0; i < searches.size(); ++i)
    results.push_back(std::move(searches[i]).finish(fields, layers[i].node, skipped));
  return results;
}

TopPatches top_patches(const Context& context, const Model& model, Value layer, const Dataset& data, Backend& backend,
                       const CompileOptions& compile_options, const TopPatchOptions& options,
                       const std::vector<int64_t>& units) {
  const UnitsOfLayer wanted{layer, units};
  return std::move(top_patches(context, model, std::span(&wanted, 1), data, backend, compile_options, options).front());
}

Image patch_image(const Dataset& data, const TopPatch& patch, const Preprocess& how) {
  const Image fitted = fit_picture(data.get(patch.sample).image, how);
  return crop(fitted, static_cast<int>(patch.columns.begin), static_cast<int>(patch.rows.begin),
              static_cast<int>(patch.columns.end - patch.columns.begin),
              static_cast<int>(patch.rows.end - patch.rows.begin));
}

}  // namespace fovea
