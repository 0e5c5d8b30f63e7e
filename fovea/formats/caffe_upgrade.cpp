// V0 → V1: the words of `layers { layer { type: "conv" } }` become numbers, and the settings of the one flat message go
// to the message of their kind. V1 → V2: the numbers become words again; the messages of settings are the same.
// Source: Caffe's published message definitions, and the layer catalogues of its releases of 2013, 2014 and 2015.
#include "fovea/formats/caffe_upgrade.h"

#include <map>
#include <string_view>

#include "fovea/base/error.h"

namespace fovea {

namespace {

using V1 = caffe::V1LayerParameter;

struct OldType {
  V1::LayerType number;
  std::string_view v0;  // "" where V0 had none
  std::string_view v2;
};

constexpr OldType kTypes[] = {
    {V1::ABSVAL, "", "AbsVal"},
    {V1::ACCURACY, "accuracy", "Accuracy"},
    {V1::ARGMAX, "", "ArgMax"},
    {V1::BNLL, "bnll", "BNLL"},
    {V1::CONCAT, "concat", "Concat"},
    {V1::CONTRASTIVE_LOSS, "", "ContrastiveLoss"},
    {V1::CONVOLUTION, "conv", "Convolution"},
    {V1::DATA, "data", "Data"},
    {V1::DECONVOLUTION, "", "Deconvolution"},
    {V1::DROPOUT, "dropout", "Dropout"},
    {V1::DUMMY_DATA, "", "DummyData"},
    {V1::ELTWISE, "", "Eltwise"},
    {V1::EUCLIDEAN_LOSS, "euclidean_loss", "EuclideanLoss"},
    {V1::EXP, "", "Exp"},
    {V1::FLATTEN, "flatten", "Flatten"},
    {V1::HDF5_DATA, "hdf5_data", "HDF5Data"},
    {V1::HDF5_OUTPUT, "hdf5_output", "HDF5Output"},
    {V1::HINGE_LOSS, "hinge_loss", "HingeLoss"},
    {V1::IM2COL, "im2col", "Im2col"},
    {V1::IMAGE_DATA, "images", "ImageData"},
    {V1::INFOGAIN_LOSS, "infogain_loss", "InfogainLoss"},
    {V1::INNER_PRODUCT, "innerproduct", "InnerProduct"},
    {V1::LRN, "lrn", "LRN"},
    {V1::MEMORY_DATA, "", "MemoryData"},
    {V1::MULTINOMIAL_LOGISTIC_LOSS, "multinomial_logistic_loss", "MultinomialLogisticLoss"},
    {V1::MVN, "", "MVN"},
    {V1::POOLING, "pool", "Pooling"},
    {V1::POWER, "", "Power"},
    {V1::RELU, "relu", "ReLU"},
    {V1::SIGMOID, "sigmoid", "Sigmoid"},
    {V1::SIGMOID_CROSS_ENTROPY_LOSS, "", "SigmoidCrossEntropyLoss"},
    {V1::SILENCE, "", "Silence"},
    {V1::SLICE, "", "Slice"},
    {V1::SOFTMAX, "softmax", "Softmax"},
    {V1::SOFTMAX_LOSS, "softmax_loss", "SoftmaxWithLoss"},
    {V1::SPLIT, "split", "Split"},
    {V1::TANH, "tanh", "TanH"},
    {V1::THRESHOLD, "", "Threshold"},
    {V1::WINDOW_DATA, "window_data", "WindowData"},
};

constexpr std::string_view kPadding = "padding";

V1::LayerType number_of(const caffe::V0LayerParameter& old) {
  for (const OldType& type : kTypes)
    if (!type.v0.empty() && type.v0 == old.type()) return type.number;
  fail(ErrorKind::unsupported, "layer \"{}\" ({}): unsupported layer type of the form V0", old.name(), old.type());
}

template <class Data>
void upgrade_data(const caffe::V0LayerParameter& old, Data& data) {
  data.set_source(old.source());
  data.set_batch_size(old.batchsize());
  if (old.has_scale()) data.set_scale(old.scale());
  if (old.has_meanfile()) data.set_mean_file(old.meanfile());
  if (old.has_cropsize()) data.set_crop_size(old.cropsize());
}

void upgrade_windows(const caffe::V0LayerParameter& old, V1& layer) {
  if (layer.type() == V1::CONVOLUTION) {
    auto& conv = *layer.mutable_convolution_param();
    if (old.has_num_output()) conv.set_num_output(old.num_output());
    conv.set_bias_term(old.biasterm());
    if (old.has_pad()) conv.add_pad(old.pad());
    if (old.has_kernelsize()) conv.add_kernel_size(old.kernelsize());
    if (old.has_stride()) conv.add_stride(old.stride());
    conv.set_group(old.group());
  } else {
    auto& pool = *layer.mutable_pooling_param();
    pool.set_pool(static_cast<caffe::PoolingParameter::PoolMethod>(old.pool()));
    if (old.has_pad()) pool.set_pad(old.pad());
    if (old.has_kernelsize()) pool.set_kernel_size(old.kernelsize());
    pool.set_stride(old.stride());
  }
}

void upgrade_settings(const caffe::V0LayerParameter& old, V1& layer) {
  switch (layer.type()) {
    case V1::CONVOLUTION:
    case V1::POOLING: return upgrade_windows(old, layer);
    case V1::INNER_PRODUCT:
      if (old.has_num_output()) layer.mutable_inner_product_param()->set_num_output(old.num_output());
      layer.mutable_inner_product_param()->set_bias_term(old.biasterm());
      return;
    case V1::DROPOUT: layer.mutable_dropout_param()->set_dropout_ratio(old.dropout_ratio()); return;
    case V1::LRN:
      layer.mutable_lrn_param()->set_local_size(old.local_size());
      layer.mutable_lrn_param()->set_alpha(old.alpha());
      layer.mutable_lrn_param()->set_beta(old.beta());
      layer.mutable_lrn_param()->set_k(old.k());
      return;
    case V1::CONCAT: layer.mutable_concat_param()->set_concat_dim(old.concat_dim()); return;
    case V1::DATA: return upgrade_data(old, *layer.mutable_data_param());
    case V1::WINDOW_DATA: return upgrade_data(old, *layer.mutable_window_data_param());
    case V1::IMAGE_DATA:
      upgrade_data(old, *layer.mutable_image_data_param());
      layer.mutable_image_data_param()->set_new_height(old.new_height());
      layer.mutable_image_data_param()->set_new_width(old.new_width());
      return;
    default: return;
  }
}

void upgrade_v0(V1& layer) {
  const caffe::V0LayerParameter old = std::move(*layer.mutable_layer());
  layer.clear_layer();
  layer.set_name(old.name());
  layer.set_type(number_of(old));
  for (const auto& blob : old.blobs()) *layer.add_blobs() = blob;
  upgrade_settings(old, layer);
}

// V0 padded pictures by a layer of its own: its padding goes into the layer that reads it.
void remove_padding(caffe::NetParameter& network) {
  struct Padding {
    std::string from, layer;
    uint32_t pad;
  };
  std::map<std::string, Padding> paddings;  // by the blob they write
  google::protobuf::RepeatedPtrField<V1> kept;
  for (V1& layer : *network.mutable_layers()) {
    if (layer.layer().type() == kPadding) {
      require(layer.bottom_size() == 1 && layer.top_size() == 1, ErrorKind::format,
              "layer \"{}\" (padding): expected one bottom and one top", layer.layer().name());
      paddings[layer.top(0)] = {layer.bottom(0), layer.layer().name(), layer.layer().pad()};
      continue;
    }
    for (std::string& bottom : *layer.mutable_bottom()) {
      const auto found = paddings.find(bottom);
      if (found == paddings.end()) continue;
      const std::string& type = layer.layer().type();
      require(type == "conv" || type == "pool", ErrorKind::unsupported,
              "layer \"{}\" (padding): the layer \"{}\" ({}) that reads it cannot pad", found->second.layer,
              layer.layer().name(), type);
      layer.mutable_layer()->set_pad(found->second.pad);
      bottom = found->second.from;
    }
    *kept.Add() = std::move(layer);
  }
  network.mutable_layers()->Swap(&kept);
}

template <class Data>
void move_transform(const Data& data, caffe::LayerParameter& layer) {
  auto& to = *layer.mutable_transform_param();
  if (data.has_scale() && !to.has_scale()) to.set_scale(data.scale());
  if (data.has_mean_file() && !to.has_mean_file()) to.set_mean_file(data.mean_file());
  if (data.has_crop_size() && !to.has_crop_size()) to.set_crop_size(data.crop_size());
}

caffe::LayerParameter upgrade_v1(V1& old) {
  caffe::LayerParameter layer;
  layer.set_name(old.name());
  for (const OldType& type : kTypes)
    if (type.number == old.type()) layer.set_type(std::string(type.v2));
  require(!layer.type().empty(), ErrorKind::format, "layer \"{}\": it has no type", old.name());
  layer.mutable_bottom()->Swap(old.mutable_bottom());
  layer.mutable_top()->Swap(old.mutable_top());
  layer.mutable_blobs()->Swap(old.mutable_blobs());
  layer.mutable_include()->Swap(old.mutable_include());
  layer.mutable_exclude()->Swap(old.mutable_exclude());
  for (const std::string& name : old.param()) layer.add_param()->set_name(name);
#define FOVEA_MOVE(field) \
  if (old.has_##field()) layer.mutable_##field()->Swap(old.mutable_##field())
  FOVEA_MOVE(argmax_param);
  FOVEA_MOVE(concat_param);
  FOVEA_MOVE(convolution_param);
  FOVEA_MOVE(data_param);
  FOVEA_MOVE(dropout_param);
  FOVEA_MOVE(dummy_data_param);
  FOVEA_MOVE(eltwise_param);
  FOVEA_MOVE(exp_param);
  FOVEA_MOVE(image_data_param);
  FOVEA_MOVE(inner_product_param);
  FOVEA_MOVE(lrn_param);
  FOVEA_MOVE(memory_data_param);
  FOVEA_MOVE(mvn_param);
  FOVEA_MOVE(pooling_param);
  FOVEA_MOVE(power_param);
  FOVEA_MOVE(relu_param);
  FOVEA_MOVE(slice_param);
  FOVEA_MOVE(softmax_param);
  FOVEA_MOVE(threshold_param);
  FOVEA_MOVE(transform_param);
  FOVEA_MOVE(window_data_param);
#undef FOVEA_MOVE
  return layer;
}

// `input: "data" input_dim: 1 input_dim: 3 …` (four an input) or `input_shape { dim: 1 … }` (one an input).
void upgrade_inputs(caffe::NetParameter& network) {
  const int count = network.input_size();
  if (count == 0) return;
  const bool shapes = network.input_shape_size() == count, sizes = network.input_dim_size() == 4 * count;
  require(shapes || sizes, ErrorKind::format,
          "{} inputs with {} input_shape and {} input_dim; expected one shape or four sizes for each", count,
          network.input_shape_size(), network.input_dim_size());
  google::protobuf::RepeatedPtrField<caffe::LayerParameter> layers;
  for (int i = 0; i < count; ++i) {
    caffe::LayerParameter& layer = *layers.Add();
    layer.set_name(network.input(i));
    layer.set_type("Input");
    layer.add_top(network.input(i));
    auto& shape = *layer.mutable_input_param()->add_shape();
    if (shapes) shape = network.input_shape(i);
    else
      for (int k = 0; k < 4; ++k) shape.add_dim(network.input_dim(4 * i + k));
  }
  for (caffe::LayerParameter& layer : *network.mutable_layer()) *layers.Add() = std::move(layer);
  network.mutable_layer()->Swap(&layers);
  network.clear_input();
  network.clear_input_shape();
  network.clear_input_dim();
}

}  // namespace

void upgrade_caffe(caffe::NetParameter& network) {
  require(network.layer_size() == 0 || network.layers_size() == 0, ErrorKind::format,
          "the network has both `layer` (V2) and `layers` (V1) entries");
  remove_padding(network);
  for (V1& layer : *network.mutable_layers()) {
    if (layer.has_layer()) upgrade_v0(layer);
    *network.add_layer() = upgrade_v1(layer);
  }
  network.clear_layers();
  for (caffe::LayerParameter& layer : *network.mutable_layer()) {
    if (layer.has_data_param()) move_transform(layer.data_param(), layer);
    if (layer.has_image_data_param()) move_transform(layer.image_data_param(), layer);
    if (layer.has_window_data_param()) move_transform(layer.window_data_param(), layer);
  }
  upgrade_inputs(network);
}

}  // namespace fovea
