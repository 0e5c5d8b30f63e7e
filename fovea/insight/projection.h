// What of a picture a unit answered to: its activation brought down to pixels by a gradient rule, and the part of the
// picture that it sees.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/insight/batched_program.h"
#include "fovea/model/model.h"
#include "fovea/model/receptive_field.h"

namespace fovea {

// A unit at one position of its map.
struct UnitAt {
  int64_t unit = 0;
  int64_t y = 0, x = 0;    // 0 where the layer has no positions
  float value = 0;         // its activation
  Interval rows, columns;  // pixels of the input that it sees
};

// One layer of a network whose units are projected.
class Projector {
 public:
  // `rule` is one of gradient_rules(). Throws Error{usage} when there is no such layer, when its values [1,K,h,w] or
  // [1,K] are none, or when it does not depend on the picture; Error{unsupported} when an operator below it has no
  // gradient. The model and the backend outlive this object.
  Projector(const Model& model, const std::string& layer, const std::string& rule, const BatchLimits& limits,
            Backend& backend, const CompileOptions& options = {});

  const std::string& layer() const { return layer_; }
  int64_t units() const { return units_; }
  const std::vector<ReceptiveField>& field() const { return field_; }

  // For each of `units`, on an input of its own or all on one, what reaches the picture [1,C,H,W] when the layer holds
  // that activation alone and zeros else. Source: Zeiler & Fergus, "Visualizing and understanding convolutional
  // networks", ECCV 2014, section 2.1.
  std::vector<Tensor> project(const Context& context, std::span<const Tensor> inputs, std::span<const UnitAt> units);
  std::vector<Tensor> project(const Context& context, const Tensor& input, std::span<const UnitAt> units) {
    return project(context, std::span(&input, 1), units);
  }

 private:
  std::string layer_;
  int64_t units_ = 0, height_ = 1, width_ = 1;
  std::vector<ReceptiveField> field_;
  BatchedProgram backward_;
};

// The layers of a plate, from the first to the last: `count` of those behind convolutions through which everything
// passes (rectified, summed or concatenated), evenly spread; all of them where there are fewer. Throws Error{usage}
// when there is none.
std::vector<std::string> plate_layers(const Model& model, int64_t count);

// A projection as a picture: what a change of the input [1,C,H,W] is in pixels (times the preprocessing's standard
// deviation, red green blue), cut to the rows and columns, zero as mid-grey and stretched so that the `share` of values
// with the smallest magnitude stays within range. Grey for one channel. A projection of zeros is plain grey.
Image projection_image(const Tensor& projection, const Preprocess& how, Interval rows, Interval columns,
                       double share = 0.995);

// A part of a picture.
struct Box {
  Interval rows, columns;
};
// The square around what of a projection [1,C,H,W] lies within the rows and columns of a unit: along each axis the
// pixels that hold `share` of the energy (squared values), as much left out at both ends, then the shorter side widened
// as far as the picture goes. The whole part where the projection is zero there.
Box energy_box(const Tensor& projection, const UnitAt& unit, double share = 0.9);

}  // namespace fovea
