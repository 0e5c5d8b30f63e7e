// A blob's shape stands in `shape`, or in files before 2015 in num, channels, height and width, where a bias is
// 1x1x1xO and the matrix of an inner product 1x1xOxI. BatchNorm keeps sums: mean and variance times a factor.
#include "fovea/formats/caffe_weights.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/formats/caffe_read.h"
#include "fovea/formats/caffe_upgrade.h"
#include "fovea/formats/caffe_wire.h"

namespace fovea {

namespace {

// f32, of the shape that the file says.
Tensor tensor_of(const caffe::BlobProto& blob, const Bytes& file) {
  const int64_t payload = static_cast<int64_t>(blob.payload_size()) / (blob.payload_double() ? 8 : 4);
  const int64_t count = blob.has_payload_size() ? payload : std::max(blob.data_size(), blob.double_data_size());
  Shape shape{count};
  if (blob.has_shape()) shape.assign(blob.shape().dim().begin(), blob.shape().dim().end());
  else if (blob.has_num() || blob.has_channels() || blob.has_height() || blob.has_width())
    shape = {blob.num(), blob.channels(), blob.height(), blob.width()};
  require(shape.rank() <= 32 && is_sane(shape, sizeof(double)), ErrorKind::format,
          "shape {} has negative, overflowing or too many sizes", to_string(shape));
  require(shape.count() == count && count > 0, ErrorKind::format, "shape {} has {} numbers, the file holds {}",
          to_string(shape), shape.count(), count);
  if (blob.has_payload_size()) {
    const Bytes bytes = file.slice(blob.payload_offset(), blob.payload_size());
    require(bytes.size() % (blob.payload_double() ? 8 : 4) == 0, ErrorKind::format, "{} bytes are no whole numbers",
            bytes.size());
    if (blob.payload_double()) return Tensor::over(bytes, DType::f64, shape).cast(DType::f32);
    return Tensor::over(bytes, DType::f32, shape);
  }
  Tensor result(DType::f32, shape);
  const auto to = result.data<float>();
  if (blob.data_size() > 0) std::copy(blob.data().begin(), blob.data().end(), to.begin());
  else
    std::transform(blob.double_data().begin(), blob.double_data().end(), to.begin(),
                   [](double value) { return static_cast<float>(value); });
  return result;
}

// The shape without the ones of the legacy form: vectors are vectors, matrices matrices.
Tensor modern(Tensor tensor, const std::string& type, int blob) {
  const Shape& shape = tensor.shape();
  if (blob == 0 && type == "InnerProduct") {
    Shape matrix = shape;
    while (matrix.rank() > 2 && matrix[0] == 1) matrix.erase(matrix.begin());
    return tensor.reshaped(matrix);
  }
  const bool vector = type == "BatchNorm" || type == "PReLU" ||
                      (blob == 1 && (type == "InnerProduct" || type == "Convolution" || type == "Deconvolution"));
  if (vector && !shape.empty() && *std::max_element(shape.begin(), shape.end()) == tensor.count())
    return tensor.reshaped({tensor.count()});
  return tensor;
}

// Mean and variance are stored times a factor that grows with the training; 0 before the first step.
void add_batch_norm(const std::string& name, std::vector<Tensor> blobs, Weights& weights) {
  require(blobs.size() == 3 && blobs[2].count() == 1, ErrorKind::format,
          "{} blobs, expected mean, variance and one factor", blobs.size());
  const float factor = blobs[2].data<float>()[0], times = factor == 0 ? 0 : 1 / factor;
  for (int k = 0; k < 2; ++k) {
    Tensor& blob = blobs[static_cast<size_t>(k)];
    if (times != 1)
      for (float& value : blob.data<float>()) value *= times;
    weights.emplace(caffe_parameter_name(name, "BatchNorm", k), blob);
  }
}

}  // namespace

std::string caffe_parameter_name(const std::string& layer, const std::string& type, int blob) {
  if (type == "BatchNorm" && blob < 2) return layer + (blob == 0 ? ".running_mean" : ".running_var");
  if (type == "Bias" && blob == 0) return layer + ".bias";
  if (blob < 2) return layer + (blob == 0 ? ".weight" : ".bias");
  return fmt::format("{}.blob{}", layer, blob);
}

void add_caffe_weights(const caffe::LayerParameter& layer, const Bytes& file, Weights& weights) {
  std::vector<Tensor> blobs;
  const std::string where = fmt::format("{}: layer \"{}\" ({})", file.label(), layer.name(), layer.type());
  for (int k = 0; k < layer.blobs_size(); ++k) try {
      blobs.push_back(modern(tensor_of(layer.blobs(k), file), layer.type(), k));
    } catch (const Error& error) { throw error.within(fmt::format("{}, blob {}", where, k)); }
  if (blobs.empty()) return;
  require(!weights.contains(caffe_parameter_name(layer.name(), layer.type(), 0)), ErrorKind::format,
          "{}: a layer of that name has weights already", where);
  try {
    if (layer.type() == "BatchNorm") return add_batch_norm(layer.name(), std::move(blobs), weights);
  } catch (const Error& error) { throw error.within(where); }
  for (size_t k = 0; k < blobs.size(); ++k)
    weights.emplace(caffe_parameter_name(layer.name(), layer.type(), static_cast<int>(k)), blobs[k]);
}

Weights read_caffemodel(const Bytes& caffemodel) {
  caffe::NetParameter network = parse_caffemodel(caffemodel);
  require(network.layer_size() + network.layers_size() > 0, ErrorKind::format,
          "{}: not a Caffe model: it has no layers", caffemodel.label());
  try {
    network.clear_input();  // the sizes of the training pictures do not matter here
    upgrade_caffe(network);
  } catch (const Error& error) { throw error.within(caffemodel.label()); }
  Weights weights;
  for (const caffe::LayerParameter& layer : network.layer()) add_caffe_weights(layer, caffemodel, weights);
  return weights;
}

Tensor read_binaryproto(const Bytes& file) {
  Tensor mean;
  try {
    mean = tensor_of(parse_caffe_blob(file), file);
  } catch (const Error& error) {
    if (error.message().starts_with(file.label() + ":") && !file.label().empty()) throw;
    throw error.within(file.label());
  }
  Shape shape = mean.shape();
  require(shape.rank() <= 4, ErrorKind::format, "{}: a mean image of shape {}, expected 1xCxHxW", file.label(),
          to_string(shape));
  while (shape.rank() < 4) shape.insert(shape.begin(), 1);
  require(shape[0] == 1, ErrorKind::format, "{}: {} pictures, expected one mean image", file.label(), shape[0]);
  return mean.reshaped(shape);
}

}  // namespace fovea
