// Small Caffe networks built for tests, and what reading and running them says.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "caffe.pb.h"
#include "fovea/backend/reference/evaluate.h"
#include "fovea/formats/caffe_read.h"

namespace fovea {

inline Bytes prototxt(const std::string& text) { return Bytes::copy(text, "net.prototxt"); }
inline Bytes caffemodel(const caffe::NetParameter& network) {
  return Bytes::copy(network.SerializeAsString(), "net.caffemodel");
}

inline caffe::BlobProto& add_blob(caffe::LayerParameter& layer, const std::vector<int64_t>& shape,
                                  const std::vector<float>& values) {
  caffe::BlobProto& blob = *layer.add_blobs();
  blob.mutable_shape();
  for (const int64_t size : shape) blob.mutable_shape()->add_dim(size);
  for (const float value : values) blob.add_data(value);
  return blob;
}

inline caffe::LayerParameter& add_layer(caffe::NetParameter& network, const std::string& name,
                                        const std::string& type) {
  caffe::LayerParameter& layer = *network.add_layer();
  layer.set_name(name);
  layer.set_type(type);
  return layer;
}

// 1, 2, 3, … as f32.
inline Tensor counting(const Shape& shape, float first = 1, float step = 1) {
  Tensor result(DType::f32, shape);
  for (float& value : result.data<float>()) value = first, first += step;
  return result;
}

// All outputs for one input named "data".
inline std::vector<Tensor> run(const Model& model, const Tensor& data) {
  std::map<std::string, Tensor> feeds(model.weights.begin(), model.weights.end());
  feeds["data"] = data;
  std::vector<Value> wants;
  for (const NamedValue& output : model.graph.outputs) wants.push_back(output.value);
  return evaluate(model.graph, feeds, wants);
}

// An input [1,C,H,W] named "data", then `layers`.
inline std::string network(const std::string& sizes, const std::string& layers) {
  std::string text = "input: \"data\" input_shape {";
  for (const char c : sizes) text += c == ' ' ? std::string() : " dim: " + std::string(1, c);
  return text + " }\n" + layers;
}

// The result of one layer that reads "data" and has no weights.
inline Tensor through(const std::string& type, const std::string& settings, const Tensor& data) {
  std::string shape;
  for (const int64_t size : data.shape()) shape += " dim: " + std::to_string(size);
  const Model model = read_caffe(prototxt("input: \"data\" input_shape {" + shape + " }\nlayer { name: \"y\" type: \"" +
                                          type + "\" bottom: \"data\" top: \"y\" " + settings + " }"),
                                 std::nullopt);
  return run(model, data)[0];
}

inline void expect_values(const Tensor& got, const Shape& shape, const std::vector<double>& want,
                          double tolerance = 1e-6) {
  ASSERT_EQ(got.shape(), shape);
  ASSERT_EQ(got.count(), static_cast<int64_t>(want.size()));
  for (int64_t i = 0; i < got.count(); ++i)
    EXPECT_NEAR(got.at(i), want[static_cast<size_t>(i)],
                tolerance * std::max(1.0, std::abs(want[static_cast<size_t>(i)])))
        << "element " << i;
}

// The message of the Error that reading throws; "" when it does not.
inline std::string error_of(const std::string& text, const std::optional<Bytes>& weights = std::nullopt,
                            ErrorKind* kind = nullptr) {
  try {
    read_caffe(prototxt(text), weights);
  } catch (const Error& error) {
    if (kind) *kind = error.kind();
    return error.message();
  }
  return {};
}

}  // namespace fovea
