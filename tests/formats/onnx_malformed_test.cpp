// Bad ONNX files end in one clear Error, whatever the bytes.
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>

#include "fovea/base/rng.h"
#include "fovea/formats/open.h"
#include "tests/formats/onnx_bytes.h"

namespace fovea {
namespace {

void expect_error(const onnx::ModelProto& model, std::string_view part, ErrorKind kind) {
  ErrorKind found = ErrorKind::internal;
  const std::string message = error_of(bytes_of(model), &found);
  EXPECT_NE(message.find(part), std::string::npos) << "expected \"" << part << "\" in: " << message;
  EXPECT_EQ(to_string(found), to_string(kind)) << message;
}

TEST(OnnxMalformed, GoodModelReads) {
  const Model model = read_onnx(bytes_of(small_model()));
  EXPECT_EQ(model.weights.size(), 2u);
  EXPECT_EQ(model.meaning.input, "x");
}

TEST(OnnxMalformed, GoldenModelsRead) {
  const auto files = std::filesystem::path(FOVEA_SOURCE_DIR) / "tests" / "golden" / "onnx" / "files";
  for (const std::string name : {"modern", "old", "shapes"})
    EXPECT_EQ(open_model(files / (name + ".onnx")).graph.outputs.size(), 1u);
}

TEST(OnnxMalformed, UnknownOperator) {
  onnx::ModelProto model = small_model();
  model.mutable_graph()->mutable_node(1)->set_op_type("Frobnicate");
  expect_error(model, "unsupported operator Frobnicate (node \"Relu_y\", test.onnx)", ErrorKind::unsupported);
  model.mutable_graph()->mutable_node(1)->set_op_type("Relu");
  model.mutable_graph()->mutable_node(1)->set_domain("com.example");
  expect_error(model, "unsupported operator com.example.Relu", ErrorKind::unsupported);
}

TEST(OnnxMalformed, UnknownAttribute) {
  onnx::ModelProto model = small_model();
  auto& attribute = *model.mutable_graph()->mutable_node(1)->add_attribute();
  attribute.set_name("slope");
  attribute.set_type(1);
  attribute.set_f(0.5f);
  expect_error(model, "unsupported attribute slope", ErrorKind::unsupported);
}

TEST(OnnxMalformed, Cycle) {
  onnx::ModelProto model = frame();
  add_node(model, "Add", {"x", "b"}, {"a"});
  add_node(model, "Relu", {"a"}, {"b"});
  add_node(model, "Relu", {"b"}, {"y"});
  expect_error(model, "cycle", ErrorKind::format);
}

TEST(OnnxMalformed, MissingAndRepeatedNames) {
  onnx::ModelProto missing = frame();
  add_node(missing, "Add", {"x", "nothing"}, {"y"});
  expect_error(missing, "\"nothing\" does not exist", ErrorKind::format);
  onnx::ModelProto twice = small_model();
  add_node(twice, "Relu", {"c"}, {"y"});
  expect_error(twice, "exists already", ErrorKind::format);
  onnx::ModelProto weights = small_model();
  add_tensor(weights, "w", {1}, {1});
  expect_error(weights, "two initializers", ErrorKind::format);
  onnx::ModelProto lacking = frame();
  add_node(lacking, "Conv", {"x"}, {"y"});
  expect_error(lacking, "input 1 is missing", ErrorKind::format);
  onnx::ModelProto output = small_model();
  output.mutable_graph()->mutable_output(0)->set_name("z");
  expect_error(output, "output \"z\"", ErrorKind::format);
}

TEST(OnnxMalformed, Shapes) {
  onnx::ModelProto weight = small_model();
  weight.mutable_graph()->mutable_initializer(0)->set_dims(1, 2);
  expect_error(weight, "6 values for shape 2x2x1x1", ErrorKind::format);
  onnx::ModelProto channels = frame();
  add_tensor(channels, "w", {2, 2, 1, 1}, {1, 2, 3, 4});
  add_node(channels, "Conv", {"x", "w"}, {"y"});
  expect_error(channels, "channels", ErrorKind::shape);
  onnx::ModelProto declared = small_model();
  declare(*declared.mutable_graph()->add_value_info(), "c", {1, 2, 8, 9});
  expect_error(declared, "\"c\" is declared as 1x2x8x9", ErrorKind::shape);
  onnx::ModelProto type = small_model();
  type.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(7);
  expect_error(type, "declared as INT64", ErrorKind::type);
}

TEST(OnnxMalformed, Sizes) {
  for (const int64_t size : {int64_t{-1}, INT64_MAX, INT64_MIN, int64_t{1} << 50}) {
    onnx::ModelProto model = small_model();
    auto& shape = *model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
    shape.mutable_dim(2)->set_dim_value(size);
    expect_error(model, "negative or overflowing", ErrorKind::format);
    onnx::ModelProto weight = small_model();
    weight.mutable_graph()->mutable_initializer(0)->set_dims(0, size);
    EXPECT_NE(error_of(bytes_of(weight)), "");
  }
}

TEST(OnnxMalformed, ElementTypes) {
  for (const auto& [type, name] :
       {std::pair(8, "STRING"), std::pair(14, "COMPLEX64"), std::pair(17, "FLOAT8E4M3FN"), std::pair(22, "INT4")}) {
    onnx::ModelProto model = small_model();
    model.mutable_graph()->mutable_initializer(0)->set_data_type(type);
    expect_error(model, name, ErrorKind::unsupported);
  }
}

TEST(OnnxMalformed, Versions) {
  onnx::ModelProto model = small_model();
  model.mutable_opset_import(0)->set_version(99);
  expect_error(model, "operator set 99", ErrorKind::unsupported);
  model.mutable_opset_import(0)->set_version(-1);
  expect_error(model, "operator set -1", ErrorKind::format);
}

TEST(OnnxMalformed, ExternalData) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / fmt::format("fovea_external_{}", getpid());
  fs::create_directories(folder / "model");
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  for (const fs::path& path : {folder / "outside.bin", folder / "model" / "inside.bin"})
    write_file(path, std::string_view(reinterpret_cast<const char*>(values.data()), 24));
  fs::create_symlink(folder / "outside.bin", folder / "model" / "link.bin");
  const auto message = [&](const std::string& location, const std::string& length = "24") {
    onnx::ModelProto model = small_model();
    auto& tensor = *model.mutable_graph()->mutable_initializer(0);
    tensor.clear_float_data();
    tensor.set_data_location(1);
    for (const auto& [key, value] : {std::pair<std::string, std::string>("location", location), {"length", length}}) {
      auto& entry = *tensor.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    }
    write_file(folder / "model" / "model.onnx", model.SerializeAsString());
    try {
      const Model read = open_model(folder / "model" / "model.onnx");
      return std::string(read.weights.at("w").at(5) == 6 ? "" : "wrong values");
    } catch (const Error& error) { return error.message(); }
  };
  EXPECT_EQ(message("inside.bin"), "");
  EXPECT_EQ(message("./inside.bin"), "");
  for (const std::string& bad : {std::string("../outside.bin"), (folder / "outside.bin").string(),
                                 std::string("link.bin"), std::string("a/../../outside.bin")})
    EXPECT_NE(message(bad).find("outside of the model's folder"), std::string::npos) << message(bad);
  EXPECT_NE(message("none.bin").find("none.bin"), std::string::npos);
  EXPECT_NE(message("inside.bin", "20").find("20 bytes"), std::string::npos);
  EXPECT_NE(message("inside.bin", "9999").find("9999"), std::string::npos);
  EXPECT_NE(message("inside.bin", "x").find("expected a number"), std::string::npos);
  fs::remove_all(folder);
}

TEST(OnnxMalformed, OtherFiles) {
  const auto message = [](std::string_view text) { return error_of(Bytes::copy(text, "some.onnx")); };
  EXPECT_NE(message("").find("empty"), std::string::npos) << message("");
  EXPECT_NE(message("\x89PNG\r\n\x1a\n12345678").find("PNG"), std::string::npos)
      << message("\x89PNG\r\n\x1a\n12345678");
  EXPECT_NE(message("<!DOCTYPE html><html>").find("HTML"), std::string::npos) << message("<!DOCTYPE html><html>");
  EXPECT_NE(message("hello there, this is text").find("text"), std::string::npos)
      << message("hello there, this is text");
  EXPECT_NE(message("PK\x03\x04 zip").find("zip"), std::string::npos);
}

TEST(OnnxMalformed, TruncatedAnywhere) {
  const std::string whole = small_model().SerializeAsString();
  for (size_t size = 0; size < whole.size(); ++size)
    error_of(Bytes::copy(std::string_view(whole).substr(0, size), "cut.onnx"));
}

TEST(OnnxMalformed, BitFlips) {
  const std::string whole = small_model().SerializeAsString();
  const Rng rng(7);
  uint64_t draw = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    std::string bad = whole;
    for (int flips = 1 + trial % 3; flips > 0; --flips, draw += 2)
      bad[rng.below(draw, bad.size())] ^= static_cast<char>(1 << rng.below(draw + 1, 8));
    error_of(Bytes::copy(bad, "flipped.onnx"));
  }
}

}  // namespace
}  // namespace fovea
