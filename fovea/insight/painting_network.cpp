#include "fovea/insight/painting_network.h"

#include <algorithm>
#include <cmath>

#include "fovea/insight/picture_levels.h"
#include "fovea/model/conventions.h"
#include "fovea/model/preprocess.h"
#include "fovea/transform/respecialise.h"

namespace fovea {

namespace {

Value picture_output(const Model& model) {
  const auto& outputs = model.graph.outputs;
  require(outputs.size() == 1, ErrorKind::usage, "the network has {} outputs, expected one picture", outputs.size());
  const Shape& shape = model.graph.shape(outputs[0].value);
  require(shape.rank() == 4 && (shape[1] == 3 || shape[1] == 1), ErrorKind::usage,
          "the network makes {} of a picture, expected a picture [1,3,H,W]", to_string(shape));
  return outputs[0].value;
}

double number_of(const std::vector<double>& values, size_t channel, double otherwise) {
  return values.empty() ? otherwise : values[std::min(channel, values.size() - 1)];
}

}  // namespace

Model painting_network(const Model& model, int64_t height, int64_t width) {
  const Value input = picture_input(model);
  const Node& node = model.graph.node(input);
  Type type = model.graph.type(input);
  require(type.shape.rank() == 4, ErrorKind::usage, "the network takes {}, expected pictures [1,3,H,W]",
          to_string(type.shape));
  picture_output(model);
  Model result = model;
  type.shape = Shape{1, type.shape[1], height, width};
  result.graph = respecialise(model.graph, {{node.name, type}});
  picture_output(result);
  return result;
}

Image paint(const Model& model, const Image& picture, Backend& backend, const CompileOptions& options, int depth) {
  const Preprocess& how = *model.meaning.preprocess;
  const Value output = picture_output(model);
  Program program = compile(model.graph, std::vector{output}, model.weights, backend, options);
  const std::string input = model.graph.node(picture_input(model)).name;
  const Tensor made = program.run({{input, normalise(picture.to_8bit().to_rgb(), how)}})[0];
  const auto channels = static_cast<size_t>(made.size(1));
  const int64_t height = made.size(2), width = made.size(3), plane = height * width;
  Image result(static_cast<int>(width), static_cast<int>(height), static_cast<int>(channels), depth);
  const double top = depth == 16 ? 65535 : 255;
  const auto data = made.data<float>();
  for (size_t c = 0; c < channels; ++c) {
    const size_t own = how.colour == "bgr" && channels == 3 ? 2 - c : c;  // of the network
    const double std = number_of(how.std, own, 1), mean = number_of(how.mean, own, 0);
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        const auto v = static_cast<double>(data[own * static_cast<size_t>(plane) + static_cast<size_t>(y * width + x)]);
        const double whole = std::clamp(std::round((v * std + mean) / how.scale / 255 * top), 0.0, top);
        const size_t at = static_cast<size_t>(x) * channels + c;
        if (depth == 16) result.row16(static_cast<int>(y))[at] = static_cast<uint16_t>(whole);
        else result.row(static_cast<int>(y))[at] = static_cast<uint8_t>(whole);
      }
  }
  return result;
}

}  // namespace fovea
