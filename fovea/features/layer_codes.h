// A network cut at one layer: pictures → that layer's answers, a row each.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/compile/program.h"
#include "fovea/data/dataset.h"
#include "fovea/data/statistics.h"
#include "fovea/model/model.h"

namespace fovea {

// What becomes of a layer's positions [C,H,W]: all of them in a row (C·H·W numbers), or their mean or greatest value
// (C numbers). Layers without positions are the same in each way.
enum class Pooling { none, mean, max };
// "none", "mean", "max". Throws Error{usage} for another name.
Pooling pooling(std::string_view name);
std::string_view to_string(Pooling pool);

// The input of the last layer with weights before the scores: what the network's last decision is made from (the answer
// of fc7, say). Throws Error{usage} where there is no one such layer.
Value last_code(const Model& model);

// The network cut at `layer`, for `batch` pictures at once. Everything behind the layer is left out.
class LayerCodes {
 public:
  struct Settings {
    std::string layer;  // the node's name
    Pooling pool = Pooling::none;
    int64_t batch = 1;  // a network whose batch is fixed runs as often as it must
    CompileOptions compile = {};
  };
  // Throws what compiling throws, and Error{usage} for a layer that has no row for each picture.
  LayerCodes(Model model, Backend& backend, const Settings& settings);

  int64_t dimensions() const { return dimensions_; }
  int64_t batch() const { return batch_; }
  const Shape& layer_shape() const { return layer_; }  // of one picture, [C,H,W] say
  const std::string& plan() const { return program_.plan(); }
  const std::optional<Preprocess>& preprocessing() const { return how_; }

  // Prepares a sample as input number `slot`; from several threads at once for different slots. Throws Error{usage}
  // when it does not fit the network.
  void prepare(int64_t slot, const Sample& sample);
  // The codes of the first `count` slots, row-major [count, dimensions()]; valid until the next call.
  const std::vector<float>& run(int64_t count);

 private:
  void pool(const float* from, float* to) const;

  std::string input_, name_;
  std::optional<Preprocess> how_;
  Standardisation standardise_;
  Pooling pool_;
  Program program_;
  Tensor samples_;  // [slots, …], slots a multiple of own_batch_
  Shape layer_;
  int64_t batch_ = 1, own_batch_ = 1, dimensions_ = 0, positions_ = 1;
  std::vector<float> codes_;
};

// The part of a picture that the network sees, reduced so that its longer side has at most `side` pixels; one channel
// for networks that see grey.
Image thumbnail(const Image& picture, const Preprocess& how, int64_t side);

// Pictures that suit an input of this type at once: 8 to 128, so that a batch has about 2 MiB.
int64_t suitable_batch(const Shape& input);

}  // namespace fovea
