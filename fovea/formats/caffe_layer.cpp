#include "fovea/formats/caffe_layer.h"

#include "fovea/base/error.h"
#include "fovea/formats/caffe_weights.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reshape.h"

namespace fovea {

namespace {

// Caffe's own limit of a blob.
constexpr int64_t kMostElements = INT32_MAX;
// Constants of a network may take this many bytes together; a bound for hostile files.
constexpr size_t kMostFilledBytes = size_t{1} << 26;

}  // namespace

int64_t CaffeLayer::axis(int64_t value, bool end) const {
  const int64_t result = value < 0 ? value + rank() : value;
  require(result >= 0 && result < rank() + (end ? 1 : 0), ErrorKind::format, "axis {} of a bottom {}", value,
          to_string(shape()));
  return result;
}

Value CaffeLayer::parameter(int blob, Shape shape, double start) {
  require(is_sane(shape, sizeof(float)) && shape.count() <= kMostElements && shape.count() > 0, ErrorKind::format,
          "blob {} would be {}: Caffe's limit is 2^31 - 1 numbers", blob, to_string(shape));
  const std::string share = blob < proto.param_size() ? proto.param(blob).name() : std::string();
  if (!share.empty()) {
    const auto found = network_.shared.find(share);
    if (found != network_.shared.end()) {
      const Shape theirs = graph.shape(found->second);
      require(theirs.count() == shape.count(), ErrorKind::format,
              "blob {} is {}, but the parameter \"{}\" that it shares is {}", blob, to_string(shape), share,
              to_string(theirs));
      return theirs == shape ? found->second : reshape(graph, found->second, shape);
    }
  }
  const std::string name = caffe_parameter_name(proto.name(), proto.type(), blob);
  const Value value = fovea::parameter(graph, name, {DType::f32, shape});
  require(graph.node(value).name == name, ErrorKind::format, "two layers are named \"{}\"", proto.name());
  if (start != 0) network_.starts[name] = start;
  if (!share.empty()) network_.shared[share] = value;
  return value;
}

Value CaffeLayer::filled(int64_t size, bool ones) {
  Value& value = network_.filled[{size, ones}];
  if (value) return value;
  require(size <= static_cast<int64_t>(kMostFilledBytes / sizeof(float)), ErrorKind::unsupported, "{} channels", size);
  network_.filled_bytes += static_cast<size_t>(size) * sizeof(float);
  require(network_.filled_bytes <= kMostFilledBytes, ErrorKind::unsupported,
          "the network's normalisations have more than {} channels together", kMostFilledBytes / sizeof(float));
  value = constant(graph, Tensor::full(DType::f32, {size}, ones ? 1 : 0));
  return value;
}

const CaffeType* find_caffe_type(std::string_view name) {
  for (const auto& types :
       {caffe_window_types(), caffe_elementwise_types(), caffe_shape_types(), caffe_normalise_types()})
    for (const CaffeType& type : types)
      if (type.name == name) return &type;
  return nullptr;
}

}  // namespace fovea
