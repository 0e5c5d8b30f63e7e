// score(unit, picture) = max over (y, x) of the unit's map; kept are the `count` greatest of each unit.
// Source: M. Zeiler & R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.
#include "fovea/insight/top_patches.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/base/parallel_tasks.h"
#include "fovea/image/geometry.h"
#include "fovea/model/conventions.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/unit_fields.h"
#include "fovea/ops/input.h"
#include "fovea/transform/respecialise.h"

namespace fovea {

namespace {

constexpr int64_t kLargestBatch = 128, kSmallestBatch = 4;
// The inputs of a batch should fill about this many bytes: enough to keep threads busy, little enough for the caches.
constexpr int64_t kBatchBytes = int64_t{2} << 20;
// And no layer's value of a batch more than this, even if that means one picture at a time.
constexpr int64_t kValueBytes = int64_t{192} << 20;

// Pictures computed at once where nothing is said.
int64_t suiting_batch(const Graph& graph, Value input, Value layer) {
  const Shape& picture = graph.shape(input);
  const int64_t bytes = std::max<int64_t>(1, picture.count(1, picture.rank()) * 4);
  const int64_t suits = std::clamp(kBatchBytes / bytes, kSmallestBatch, kLargestBatch);
  const std::vector<bool> needed = reachable(graph, std::vector<Value>{layer});
  int64_t largest = 1;
  for (int i = 0; i <= layer.node; ++i) {
    const Node& node = graph.node(i);
    if (!needed[static_cast<size_t>(i)] || node.op == &ops::parameter || node.op == &ops::constant) continue;
    for (const Type& type : node.outputs) largest = std::max(largest, static_cast<int64_t>(type.bytes()));
  }
  return std::clamp<int64_t>(kValueBytes * std::max<int64_t>(1, picture[0]) / largest, 1, suits);
}

// The layer of a network for `batch` pictures at once.
struct Network {
  Graph graph;
  Value layer;
  std::string input;
  Shape pictures;  // [N,C,H,W]
  int64_t batch() const { return pictures[0]; }
};

Network own_network(const Model& model, Value layer) {
  const Value input = picture_input(model);
  return {model.graph, layer, model.graph.node(input).name, model.graph.shape(input)};
}

// The network for another batch; as it is where its shapes are fixed or its layer would not have that many rows.
Network batched(const Model& model, Value layer, int64_t batch) {
  Network own = own_network(model, layer);
  if (batch == own.batch()) return own;
  Network other = own;
  other.pictures[0] = batch;
  std::map<std::string, Type> types;
  for (const Value v : model.graph.inputs()) {
    Type type = model.graph.type(v);
    if (v == picture_input(model)) type.shape = other.pictures, types[own.input] = type;
  }
  try {
    other.graph = respecialise(model.graph, types);
  } catch (const Error&) { return own; }
  other.layer = {other.graph.find(model.graph.node(layer).name), layer.output};
  if (other.layer.node < 0) return own;
  Shape expected = model.graph.shape(layer);
  if (expected.rank() < 2 || expected[0] != own.batch()) return own;
  expected[0] = batch;
  return other.graph.shape(other.layer) == expected ? other : own;
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

class Search {
 public:
  Search(const Model& model, Network network, const TopPatchOptions& options, TopPatches& result)
      : how_(*model.meaning.preprocess), network_(std::move(network)), options_(options), result_(result) {
    best_.resize(result.units.size());
    peaks_.resize(result.units.size(), 0.0);
    pictures_ = Tensor(DType::f32, network_.pictures);
  }

  // Decodes pictures [first, first + count) into the rows of the input. Says which are broken.
  std::vector<std::string> prepare(const Dataset& data, int64_t first, int64_t count) {
    std::vector<std::string> broken(static_cast<size_t>(count));
    const Shape& shape = network_.pictures;
    std::byte* const to = pictures_.raw();
    parallel_tasks(count, [&](int64_t slot) {
      Sample sample;
      try {
        sample = data.get(first + slot);
      } catch (const Error& error) {
        if (!options_.skip_broken || (error.kind() != ErrorKind::io && error.kind() != ErrorKind::format)) throw;
        broken[static_cast<size_t>(slot)] = error.message();
        return;
      }
      require(!sample.has_values(), ErrorKind::usage,
              "{}: holds numbers ({}), expected a picture: patches are cut out of pictures", data.name(first + slot),
              to_string(sample.values.shape()));
      const Tensor input = preprocess(sample.image, how_);
      require(input.shape()[1] == shape[1] && input.shape()[2] == shape[2] && input.shape()[3] == shape[3],
              ErrorKind::usage, "preprocessing gives {}, the network takes {}", to_string(input.shape()),
              to_string(shape));
      std::memcpy(to + static_cast<size_t>(slot) * input.bytes(), input.raw(), input.bytes());
    });
    return broken;
  }

  void look(Program& program, int64_t first, const std::vector<std::string>& broken) {
    Tensor input = program.input(network_.input);
    std::memcpy(input.raw(), std::as_const(pictures_).raw(), input.bytes());
    program.execute();
    const Tensor value = program.want(0);
    const float* const data = value.data<float>().data();
    const int64_t plane = result_.height * result_.width;
    std::vector<uint8_t> strange(broken.size() * result_.units.size(), 0);
    parallel_for(static_cast<int64_t>(result_.units.size()), 8, [&](int64_t u) {
      UnitPatches& unit = result_.units[static_cast<size_t>(u)];
      for (size_t slot = 0; slot < broken.size(); ++slot) {
        if (!broken[slot].empty()) continue;
        const float* map = data + (static_cast<int64_t>(slot) * result_.channels + unit.unit) * plane;
        const auto [peak, not_finite] = peak_of(map, plane);
        strange[slot * result_.units.size() + static_cast<size_t>(u)] = not_finite;
        if (std::isfinite(peak)) peaks_[static_cast<size_t>(u)] += peak;
        unit.active += peak > 0;
        Best& best = best_[static_cast<size_t>(u)];
        if (peak == -INFINITY || !best.wants(peak, options_.count)) continue;
        const int64_t at = std::find(map, map + plane, peak) - map;
        best.take({first + static_cast<int64_t>(slot), peak, at / result_.width, at % result_.width, {}, {}},
                  options_.count);
      }
    });
    for (size_t slot = 0; slot < broken.size(); ++slot) {
      const auto begin = strange.begin() + static_cast<std::ptrdiff_t>(slot * result_.units.size());
      result_.not_finite += std::any_of(begin, begin + static_cast<std::ptrdiff_t>(result_.units.size()),
                                        [](uint8_t s) { return s != 0; });
      result_.samples += broken[slot].empty();
    }
  }

  void finish(const UnitFields& fields, int node) {
    for (size_t u = 0; u < result_.units.size(); ++u) {
      UnitPatches& unit = result_.units[u];
      unit.patches = std::move(best_[u].patches());
      unit.mean_peak = peaks_[u] / static_cast<double>(std::max<int64_t>(1, result_.samples));
      for (TopPatch& patch : unit.patches) {
        patch.rows = fields.seen(node, 0, patch.y);
        patch.columns = fields.seen(node, 1, patch.x);
      }
    }
  }

 private:
  const Preprocess& how_;
  Network network_;
  const TopPatchOptions& options_;
  TopPatches& result_;
  Tensor pictures_;
  std::vector<Best> best_;
  std::vector<double> peaks_;
};

TopPatches asked_for(const Model& model, Value layer, const UnitFields& fields, const TopPatchOptions& options) {
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
  std::vector<int64_t> units = options.units;
  if (units.empty())
    for (int64_t u = 0; u < s[1]; ++u) units.push_back(u);
  for (const int64_t u : units) {
    require(u >= 0 && u < s[1], ErrorKind::usage, "layer \"{}\" has no unit {}; its {} units are 0 to {}", node.name, u,
            s[1], s[1] - 1);
    result.units.push_back({u, {}, 0, 0});
  }
  return result;
}

}  // namespace

TopPatches top_patches(const Context& context, const Model& model, Value layer, const Dataset& data, Backend& backend,
                       const CompileOptions& compile_options, const TopPatchOptions& options) {
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input");
  require(options.count >= 1, ErrorKind::usage, "{} patches a unit; expected at least 1", options.count);
  const int64_t total = options.limit > 0 ? std::min(options.limit, data.size()) : data.size();
  require(total > 0, ErrorKind::usage, "the data set is empty");
  const Value input = picture_input(model);
  const UnitFields fields(model.graph, input);
  TopPatches result = asked_for(model, layer, fields, options);
  const int64_t batch = options.batch > 0 ? options.batch : suiting_batch(model.graph, input, layer);
  Network network = batched(model, layer, std::min(total, batch));
  Program program = compile(network.graph, std::vector<Value>{network.layer}, model.weights, backend, compile_options);
  const int64_t step = network.batch();
  Search search(model, std::move(network), options, result);
  for (int64_t first = 0; first < total; first += step) {
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    context.report({"looking", first, total, ""});
    std::vector<std::string> broken = search.prepare(data, first, std::min(step, total - first));
    search.look(program, first, broken);
    for (std::string& message : broken)
      if (!message.empty()) result.skipped.push_back(std::move(message));
  }
  context.report({"looking", total, total, ""});
  require(result.samples > 0, ErrorKind::format, "none of the {} pictures can be read; the first: {}", total,
          result.skipped.empty() ? "" : result.skipped[0]);
  search.finish(fields, layer.node);
  return result;
}

Image patch_image(const Dataset& data, const TopPatch& patch, const Preprocess& how) {
  const Image fitted = fit_picture(data.get(patch.sample).image, how);
  return crop(fitted, static_cast<int>(patch.columns.begin), static_cast<int>(patch.rows.begin),
              static_cast<int>(patch.columns.end - patch.columns.begin),
              static_cast<int>(patch.rows.end - patch.rows.begin));
}

}  // namespace fovea
