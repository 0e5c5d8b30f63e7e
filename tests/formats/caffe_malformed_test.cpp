// Bad Caffe files end in one clear Error, whatever the bytes.
#include <filesystem>

#include "fovea/base/rng.h"
#include "tests/formats/caffe_bytes.h"

namespace fovea {
namespace {

void expect_error(const std::string& text, std::string_view part, ErrorKind kind = ErrorKind::format,
                  const std::optional<Bytes>& weights = std::nullopt) {
  ErrorKind found = ErrorKind::internal;
  const std::string message = error_of(text, weights, &found);
  EXPECT_NE(message.find(part), std::string::npos) << "expected \"" << part << "\" in: " << message;
  EXPECT_NE(message.find("net."), std::string::npos) << message;
  EXPECT_EQ(to_string(found), to_string(kind)) << message;
}

std::string conv(const std::string& settings) {
  return network("1388",
                 "layer { name: \"conv1\" type: \"Convolution\" bottom: \"data\" top: \"conv1\" convolution_param { " +
                     settings + " } }");
}

TEST(CaffeMalformed, Texts) {
  expect_error("", "no layers");
  expect_error("layer {\n name: \"a\"\n  type \"ReLU\"\n}", "line 3");
  expect_error("layer {\n name: 5 }", "line 2");
  expect_error("layers { type: FROBNICATE }", "FROBNICATE");
  expect_error(std::string(100000, '{'), "nest more than");
  expect_error("layer { x " + std::string(100000, '[') + "}", "nest more than");
  expect_error("layer { name: \"a\" } layers { name: \"b\" }", "both `layer` (V2) and `layers` (V1)");
  expect_error(std::string("layer\0{}", 8), "not a prototxt");
  expect_error("\x89PNG\r\n", "line 1");
}

TEST(CaffeMalformed, Layers) {
  expect_error(network("1388", "layer { name: \"roi\" type: \"Python\" bottom: \"data\" top: \"y\" }"),
               "layer \"roi\" (Python): unsupported layer type", ErrorKind::unsupported);
  expect_error(network("1388", "layer { name: \"x\" type: \"Frobnicate\" bottom: \"data\" top: \"y\" }"),
               "layer \"x\" (Frobnicate): unsupported layer type", ErrorKind::unsupported);
  expect_error("layers { layer { name: \"x\" type: \"frob\" } }", "layer \"x\" (frob)", ErrorKind::unsupported);
  expect_error(network("1388", "layer { name: \"r\" type: \"ReLU\" bottom: \"nope\" top: \"y\" }"),
               "its bottom \"nope\" is written by no layer before it");
  expect_error(network("1388", "layer { name: \"r\" type: \"ReLU\" top: \"y\" }"), "it has 0 bottoms, expected 1");
  expect_error(network("1388", R"(layer { name: "a" type: "ReLU" bottom: "data" top: "y" }
                                  layer { name: "b" type: "TanH" bottom: "data" top: "y" })"),
               "layer \"b\" (TanH): the blob \"y\" that it writes exists already");
  expect_error(network("1388", "layer { name: \"r\" type: \"ReLU\" bottom: \"data\" top: \"y\" top: \"z\" }"),
               "it has 2 tops, expected 1");
  expect_error(network("1388", R"(layer { name: "r" type: "ReLU" bottom: "data" top: "y"
                                  include { phase: TEST } exclude { phase: TRAIN } })"),
               "not both");
  expect_error("input: \"data\" input_dim: 1 layer { name: \"r\" type: \"ReLU\" bottom: \"data\" top: \"y\" }",
               "1 inputs with 0 input_shape and 1 input_dim");
  expect_error("input: \"data\" input_shape { dim: 1 dim: -3 } layer { name: \"r\" type: \"ReLU\" bottom: \"data\" }",
               "expected positive sizes");
  expect_error(R"(layer { name: "d" type: "Data" top: "data" top: "label" data_param { source: "some_lmdb" } })",
               "some_lmdb");
  expect_error(R"(layer { name: "d" type: "Data" top: "data" top: "label" transform_param { crop_size: 4 } }
                  layer { name: "r" type: "ReLU" bottom: "data" top: "y" }
                  layer { name: "e" type: "Eltwise" bottom: "y" bottom: "label" top: "z" })",
               "\"label\", which comes with the training data", ErrorKind::unsupported);
}

TEST(CaffeMalformed, Settings) {
  expect_error(conv("kernel_size: 3"), "layer \"conv1\" (Convolution): num_output is missing");
  expect_error(conv("num_output: 4"), "its kernel has no size");
  expect_error(conv("num_output: 4 kernel_size: 3 group: 2"), "2 groups do not divide 3 channels");
  expect_error(conv("num_output: 4 kernel_size: 3 kernel_size: 3 kernel_size: 3"), "3 values of kernel for 2");
  expect_error(conv("num_output: 4 kernel_size: 30"), "does not fit", ErrorKind::shape);
  expect_error(conv("num_output: 4294967295 kernel_size: 8"), "Caffe's limit is 2^31 - 1");
  expect_error(conv("num_output: 9000000 kernel_size: 8 stride: 8"), "weights, more than the", ErrorKind::unsupported);
  const auto layer = [](const std::string& type, const std::string& settings) {
    return network("1388", "layer { name: \"y\" type: \"" + type + "\" bottom: \"data\" top: \"y\" " + settings + " }");
  };
  expect_error(layer("Pooling", "pooling_param { kernel_size: 2 pad: 2 }"), "less padding than the kernel");
  expect_error(layer("Pooling", "pooling_param { kernel_h: 2 }"), "both kernel_h and kernel_w");
  expect_error(layer("Pooling", "pooling_param { kernel_size: 1 stride: 9 }"), "outside of the picture",
               ErrorKind::unsupported);
  expect_error(layer("Pooling", "pooling_param { kernel_size: 20 stride: 2 }"), "does not fit", ErrorKind::shape);
  expect_error(layer("LRN", "lrn_param { local_size: 4 }"), "local_size 4: expected an odd one");
  expect_error(layer("Softmax", "softmax_param { axis: 7 }"), "axis 7 of a bottom 1x3x8x8");
  expect_error(layer("Reshape", "reshape_param { shape { dim: -1 dim: -1 } }"), "2 sizes of -1");
  expect_error(layer("Reshape", "reshape_param { shape { dim: 5 dim: 5 } }"), "layer \"y\" (Reshape)",
               ErrorKind::shape);
  expect_error(layer("Slice", "slice_param { slice_point: 2 }"), "1 slice points for 1 tops");
  expect_error(layer("Dropout", "dropout_param { dropout_ratio: 1 }"), "dropout_ratio 1");
  expect_error(layer("Log", "log_param { base: 1 }"), "base 1");
}

TEST(CaffeMalformed, Weights) {
  caffe::NetParameter weights;
  auto& layer = add_layer(weights, "conv1", "Convolution");
  const std::string text = conv("num_output: 2 kernel_size: 1");
  add_blob(layer, {2, 4, 1, 1}, std::vector<float>(8, 1));
  add_blob(layer, {2}, {1, 2});
  expect_error(text, "layer \"conv1\": its weight is 2x4x1x1, expected 2x3x1x1", ErrorKind::format,
               caffemodel(weights));
  layer.mutable_blobs(0)->mutable_shape()->set_dim(1, 3);
  expect_error(text, "layer \"conv1\" (Convolution), blob 0: shape 2x3x1x1 has 6 numbers, the file holds 8",
               ErrorKind::format, caffemodel(weights));
  layer.mutable_blobs(0)->mutable_data()->Truncate(6);
  EXPECT_EQ(error_of(text, caffemodel(weights)), "");
  layer.mutable_blobs()->RemoveLast();
  expect_error(text, "the weights of 1 layer of net.prototxt are not there: conv1", ErrorKind::format,
               caffemodel(weights));
  layer.mutable_blobs(0)->mutable_shape()->set_dim(0, int64_t{1} << 60);
  expect_error(text, "overflowing", ErrorKind::format, caffemodel(weights));
  *weights.add_layer() = weights.layer(0);
  expect_error(text, "blob 0", ErrorKind::format, caffemodel(weights));
  expect_error(text, "it has no layers", ErrorKind::format, Bytes::copy("", "net.caffemodel"));
  expect_error(text, "not a Caffe model, cut off or damaged: byte 0", ErrorKind::format,
               Bytes::copy("\xff\xff\xff", "net.caffemodel"));
}

TEST(CaffeMalformed, BatchNormNeedsThreeBlobs) {
  caffe::NetParameter weights;
  auto& layer = add_layer(weights, "bn", "BatchNorm");
  add_blob(layer, {1}, {1});
  try {
    read_caffemodel(caffemodel(weights));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(),
              "net.caffemodel: layer \"bn\" (BatchNorm): 1 blobs, expected mean, variance and one factor");
  }
}

TEST(CaffeMalformed, PayloadFieldsOfAFileAreIgnored) {
  caffe::NetParameter weights;
  caffe::BlobProto& blob = *add_layer(weights, "fc", "InnerProduct").add_blobs();
  blob.mutable_shape()->add_dim(1);
  blob.set_payload_offset(0);
  blob.set_payload_size(4);
  EXPECT_THROW(read_caffemodel(caffemodel(weights)), Error);
  expect_error(network("1388", R"(layer { name: "b" type: "Bias" bottom: "data" top: "y"
                                  blobs { shape { dim: 3 } payload_offset: 0 payload_size: 12 } })"),
               "a blob with payload fields");
}

// Cut anywhere, and with any byte changed, the files are read or refused.
TEST(CaffeMalformed, AnyBytes) {
  const auto folder = std::filesystem::path(FOVEA_SOURCE_DIR) / "tests/golden/caffe";
  for (const std::string name : {"windows", "normalise", "elementwise"}) {
    const std::string text(Bytes::map(folder / (name + ".prototxt")).view());
    const std::string binary(Bytes::map(folder / (name + ".caffemodel")).view());
    const auto attempt = [](const std::string& network_text, const std::string& blobs) {
      try {
        read_caffe(prototxt(network_text), Bytes::copy(blobs, "net.caffemodel"));
      } catch (const Error&) {}
    };
    const Rng rng(7);
    for (uint64_t i = 0; i < 300; ++i) {
      const auto place = [&](const std::string& s, uint64_t key) {
        return static_cast<size_t>(rng.uniform(4 * i + key) * static_cast<float>(s.size())) % s.size();
      };
      std::string damaged_text = text, damaged_binary = binary;
      damaged_text[place(text, 0)] = static_cast<char>(32 + place(text, 1) % 95);
      damaged_binary[place(binary, 2)] = static_cast<char>(place(binary, 3));
      attempt(damaged_text, binary);
      attempt(text, damaged_binary);
      attempt(text.substr(0, place(text, 0)), binary);
      attempt(text, binary.substr(0, place(binary, 2)));
    }
  }
}

TEST(CaffeMalformed, MeanImages) {
  EXPECT_THROW(read_binaryproto(Bytes::copy("", "mean.binaryproto")), Error);
  EXPECT_THROW(read_binaryproto(Bytes::copy("not a mean image at all", "mean.binaryproto")), Error);
  caffe::BlobProto blob;
  blob.set_num(2), blob.set_channels(1), blob.set_height(1), blob.set_width(1);
  blob.add_data(1), blob.add_data(2);
  EXPECT_THROW(read_binaryproto(Bytes::copy(blob.SerializeAsString(), "mean.binaryproto")), Error);
}

}  // namespace
}  // namespace fovea
