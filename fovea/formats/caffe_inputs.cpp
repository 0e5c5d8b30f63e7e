// Caffe's data layers compute (pixel − mean) · scale on BGR pictures of 0..255; ours x · scale − mean', so that
// mean' = mean · scale. What a deployed network does not say is what Caffe's own programs do: mean (104,117,123), short
// side 256, centre crop; LeNet's example divides grey pictures by 256.
// Source: Caffe's documentation of its data layers, its ImageNet and MNIST examples.
#include "fovea/formats/caffe_inputs.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/formats/caffe_read.h"
#include "fovea/model/preprocess.h"

namespace fovea {

namespace {

// The layer's one shape or its shape of each top, from `shape` fields or the legacy four lists.
std::vector<Shape> shapes_of(const google::protobuf::RepeatedPtrField<caffe::BlobShape>& given, int tops) {
  std::vector<Shape> shapes;
  for (const auto& shape : given) shapes.emplace_back(shape.dim().begin(), shape.dim().end());
  require(shapes.size() == 1 || static_cast<int>(shapes.size()) == tops, ErrorKind::format, "{} shapes for {} tops",
          shapes.size(), tops);
  if (shapes.size() == 1) shapes.resize(static_cast<size_t>(tops), shapes[0]);
  return shapes;
}

std::vector<Shape> dummy_shapes(const caffe::DummyDataParameter& p, int tops) {
  if (p.shape_size() > 0) return shapes_of(p.shape(), tops);
  const int count = p.num_size();
  require((count == 1 || count == tops) && p.channels_size() == count && p.height_size() == count &&
              p.width_size() == count,
          ErrorKind::format, "{} values of num for {} tops, expected one each of num, channels, height and width",
          count, tops);
  std::vector<Shape> shapes;
  for (int k = 0; k < tops; ++k) {
    const int i = count == 1 ? 0 : k;
    shapes.push_back({p.num(i), p.channels(i), p.height(i), p.width(i)});
  }
  return shapes;
}

// Of a layer that reads pictures from elsewhere.
Shape data_shape(const caffe::LayerParameter& layer, const Shape& picture) {
  const auto& transform = layer.transform_param();
  const auto& images = layer.image_data_param();
  const int64_t crop = transform.crop_size();
  const bool grey = transform.force_gray() || (layer.has_image_data_param() && !images.is_color());
  int64_t channels = grey ? 1 : 3, height = crop, width = crop;
  if (crop == 0) height = images.new_height(), width = images.new_width();
  if (picture.rank() == 3) {
    if (height == 0 || width == 0) height = picture[1], width = picture[2];
    if (!grey && !transform.force_color()) channels = picture[0];
  }
  require(height > 0 && width > 0, ErrorKind::format,
          "it reads pictures from \"{}\" and does not say their size; expected crop_size, or a deploy prototxt with an "
          "input of known shape",
          layer.has_data_param()          ? layer.data_param().source()
          : layer.has_image_data_param()  ? images.source()
          : layer.has_window_data_param() ? layer.window_data_param().source()
                                          : "a file");
  return {1, channels, height, width};
}

}  // namespace

bool is_caffe_input(const caffe::LayerParameter& layer) {
  const std::string& type = layer.type();
  return type == "Input" || type == "DummyData" || has_caffe_labels(layer);
}

bool has_caffe_labels(const caffe::LayerParameter& layer) {
  const std::string& type = layer.type();
  return type == "Data" || type == "ImageData" || type == "MemoryData" || type == "WindowData";
}

std::vector<Shape> caffe_input_shapes(const caffe::LayerParameter& layer, const Shape& picture) {
  std::vector<Shape> shapes;
  if (layer.type() == "Input") {
    shapes = shapes_of(layer.input_param().shape(), layer.top_size());
  } else if (layer.type() == "DummyData") {
    shapes = dummy_shapes(layer.dummy_data_param(), layer.top_size());
  } else if (layer.type() == "MemoryData") {
    const auto& p = layer.memory_data_param();
    shapes = {{p.batch_size(), p.channels(), p.height(), p.width()}};
    const int64_t crop = layer.transform_param().crop_size();
    if (crop > 0) shapes[0][2] = shapes[0][3] = crop;
  } else {
    shapes = {data_shape(layer, picture)};
  }
  for (const Shape& shape : shapes)
    require(shape.rank() <= 32 && is_sane(shape, sizeof(float)) && shape.count() > 0 && shape.count() <= INT32_MAX,
            ErrorKind::format, "an input of shape {}: expected positive sizes, below 2^31 numbers together",
            to_string(shape));
  return shapes;
}

Preprocess caffe_preprocess(const caffe::LayerParameter& layer, const Shape& shape, std::vector<std::string>& notes) {
  const auto& t = layer.transform_param();
  const bool grey = shape[1] == 1;
  const int64_t side = std::min(shape[2], shape[3]);
  Preprocess p = preset(grey ? "mnist" : "caffe", shape[2], shape[3]);
  if (!grey && side < 64) p.size = side;
  const bool stated = t.has_scale() || t.mean_value_size() > 0 || t.has_mean_file();
  if (grey && !stated) p.scale = 0.00390625, p.name = "custom";
  const auto& images = layer.image_data_param();
  if (images.new_height() > 0 && images.new_width() > 0) {
    p.resize = images.new_height() == shape[2] && images.new_width() == shape[3] ? "stretch" : "short_side_rounded";
    p.size = std::min(images.new_height(), images.new_width());
    if (p.resize != "stretch" && images.new_height() != images.new_width())
      notes.push_back(fmt::format("pictures were stretched to {}x{} before cropping; they keep their proportions here",
                                  images.new_width(), images.new_height()));
  }
  if (!stated) return p;
  p.name = "custom";
  p.scale = t.scale();
  if (!t.has_mean_file()) p.mean.clear();
  if (t.mean_value_size() > 0) {
    require(!t.has_mean_file() && (t.mean_value_size() == 1 || t.mean_value_size() == shape[1]), ErrorKind::format,
            "{} values of mean_value{} for {} channels", t.mean_value_size(),
            t.has_mean_file() ? " beside a mean_file" : "", shape[1]);
    for (int64_t c = 0; c < shape[1]; ++c)
      p.mean.push_back(t.mean_value(t.mean_value_size() == 1 ? 0 : static_cast<int>(c)));
  }
  if (t.has_mean_file())
    notes.push_back(fmt::format("the mean image \"{}\" is not read; {}", t.mean_file(),
                                grey ? "nothing is subtracted" : "ImageNet's mean colour stands in for it"));
  for (double& mean : p.mean) mean *= p.scale;
  return p;
}

std::string use_mean_image(Preprocess& how, const Tensor& mean) {
  const size_t channels = how.colour == "grey" ? 1 : 3;
  require(mean.rank() == 4 && mean.size(0) == 1 && mean.size(1) == static_cast<int64_t>(channels), ErrorKind::usage,
          "the mean image is {}, expected 1x{}xHxW", to_string(mean.shape()), channels);
  const Tensor values = mean.cast(DType::f32);
  const size_t plane = static_cast<size_t>(mean.size(2) * mean.size(3));
  how.mean.assign(channels, 0);
  std::string text;
  for (size_t c = 0; c < channels; ++c) {
    double sum = 0;
    for (const float value : values.data<float>().subspan(c * plane, plane)) sum += value;
    const double average = sum / static_cast<double>(plane);
    text += fmt::format("{}{:.3f}", c == 0 ? "" : ", ", average);
    how.mean[c] = average * how.scale;
  }
  how.name = "custom";
  return plane == 1 ? fmt::format("the mean colour is ({})", text)
                    : fmt::format("the mean image of {}x{} is averaged over its pixels: ({})", mean.size(3),
                                  mean.size(2), text);
}

}  // namespace fovea
