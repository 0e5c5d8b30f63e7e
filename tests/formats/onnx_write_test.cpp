// Models written as ONNX: read back they have the same weights and outputs, and python3-onnx accepts the files.
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>

#include "fovea/formats/onnx_vectors.h"
#include "fovea/formats/onnx_write.h"
#include "fovea/formats/open.h"
#include "fovea/transform/respecialise.h"
#include "tests/data_folder.h"
#include "tests/formats/onnx_bytes.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fmt::format("fovea_onnx_{}", getpid())) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

bool has_checker() { return std::system("/usr/bin/python3 -c 'import onnx' 2>/dev/null") == 0; }

// On a copy: the full check writes the shapes that it inferred into the file.
bool checker_accepts(const fs::path& written) {
  const fs::path path = written.string() + ".checked";
  fs::copy_file(written, path, fs::copy_options::overwrite_existing);
  const std::string code = "import onnx,sys; onnx.checker.check_model(sys.argv[1], full_check=True)";
  return std::system(fmt::format("/usr/bin/python3 -c '{}' '{}'", code, path.string()).c_str()) == 0;
}

void expect_same_weights(const Weights& a, const Weights& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) {
    ASSERT_TRUE(b.contains(name)) << name;
    EXPECT_TRUE(tensor.same_bits(b.find(name)->second)) << name;
  }
}

// Written and read again; weights, interface and text of the meaning are the same.
Model round_trip(const Model& model, const fs::path& path) {
  write_onnx(model, path);
  Model again = open_model(path);
  expect_same_weights(model.weights, again.weights);
  EXPECT_EQ(again.graph.outputs.size(), model.graph.outputs.size());
  EXPECT_EQ(again.meaning.name, model.meaning.name);
  EXPECT_EQ(again.meaning.classes, model.meaning.classes);
  EXPECT_EQ(again.meaning.scores, model.meaning.scores);
  EXPECT_EQ(again.meaning.input, model.meaning.input);
  return again;
}

TEST(OnnxWrite, SmallModelKeepsEverything) {
  Folder folder;
  Model model = read_onnx(bytes_of(small_model()));
  model.meaning.name = "small one";
  model.meaning.classes = {"cat", "dög"};
  model.meaning.preprocess = Preprocess{.name = "custom",
                                        .colour = "bgr",
                                        .scale = 1,
                                        .mean = {104, 117, 123},
                                        .size = 9,
                                        .crop_height = 8,
                                        .crop_width = 8};
  const Model again = round_trip(model, folder / "small.onnx");
  ASSERT_TRUE(again.meaning.preprocess);
  EXPECT_TRUE(again.meaning.preprocess_stated);
  EXPECT_EQ(again.meaning.preprocess->colour, "bgr");
  EXPECT_EQ(again.meaning.preprocess->mean, model.meaning.preprocess->mean);
  Tensor x(DType::f32, {1, 3, 8, 8});
  for (int64_t i = 0; i < x.count(); ++i) x.set(i, static_cast<double>(i % 7) - 3);
  EXPECT_TRUE(run_reference(model, {{"x", x}})[0].same_bits(run_reference(again, {{"x", x}})[0]));
}

TEST(OnnxWrite, SharedNetworksAndTheChecker) {
  const auto root = data_folder() / "weights";
  if (!fs::exists(root)) GTEST_SKIP() << "no networks at " << root << "; set FOVEA_DATA";
  Folder folder;
  const bool checks = has_checker();
  for (const std::string name : {"squeezenet1.1_onnx", "mnist_onnx"}) {
    const Model model = open_model(root / name / "model.onnx");
    const Model again = round_trip(model, folder / (name + ".onnx"));
    EXPECT_TRUE(!checks || checker_accepts(folder / (name + ".onnx"))) << name;
    const Value input = model.graph.inputs()[0];
    Tensor x(DType::f32, model.graph.shape(input));
    for (int64_t i = 0; i < x.count(); ++i) x.set(i, static_cast<double>(i * 37 % 101) / 101);
    const std::string fed = model.graph.node(input).name;
    const Tensor before = run_reference(model, {{fed, x}})[0], after = run_reference(again, {{fed, x}})[0];
    EXPECT_TRUE(before.same_bits(after)) << name << ": " << compare_tensors(after, before);
  }
  if (!checks)
    GTEST_SKIP() << "written and read back, but python3-onnx is not installed: the checker did not see the files";
}

TEST(OnnxWrite, ExportedNetworksAndTheChecker) {
  const auto root = fs::path(FOVEA_SOURCE_DIR) / "build" / "bench" / "networks";
  if (!fs::exists(root)) GTEST_SKIP() << "no networks at " << root << "; bench/networks.py makes them";
  if (!has_checker()) GTEST_SKIP() << "python3-onnx is not installed";
  Folder folder;
  for (const std::string name : {"resnet18", "googlenet", "densenet121", "squeezenet1_1"}) {
    if (!fs::exists(root / name / "model.onnx")) continue;
    round_trip(open_model(root / name / "model.onnx"), folder / "network.onnx");
    EXPECT_TRUE(checker_accepts(folder / "network.onnx")) << name;
  }
}

// Every vector that passes is written, read, checked and run again.
TEST(OnnxWrite, VectorsSurviveARoundTrip) {
  const auto root = data_folder() / "onnx";
  if (!fs::exists(root)) GTEST_SKIP() << "no test vectors at " << root << "; set FOVEA_DATA";
  Folder folder;
  size_t written = 0, refused = 0;
  for (const auto& path : find_vectors(root)) {
    const VectorResult result = run_vector(path, [&](const Model& model, const std::map<std::string, Tensor>& inputs) {
      std::vector<std::byte> file;
      try {
        file = write_onnx(model);
      } catch (const Error& error) {
        EXPECT_EQ(to_string(error.kind()), to_string(ErrorKind::unsupported)) << error.message();
        ++refused;
        fmt::print("refused: {}\n", error.message());
        return run_reference(model, inputs);
      }
      ++written;
      OnnxOptions options;
      for (const Value input : model.graph.inputs())
        if (model.graph.known(input)) options.bound[model.graph.node(input).name] = *model.graph.known(input);
      Model again = read_onnx(Bytes::own(std::move(file), path.filename().string() + " (written)"), options);
      return run_reference(again, inputs);
    });
    EXPECT_NE(result.status, "failed") << path << ": " << result.detail;
  }
  fmt::print("{} written and read again, {} refused\n", written, refused);
  EXPECT_GE(written, refused * 10);
}

TEST(OnnxRead, KeepsShapeArithmetic) {
  const auto path = data_folder() / "weights" / "squeezenet1.1_onnx" / "model.onnx";
  if (!fs::exists(path)) GTEST_SKIP() << "no network at " << path << "; set FOVEA_DATA";
  const Model model = open_model(path);
  const Graph larger = respecialise(model.graph, {{model.meaning.input, {DType::f32, {2, 3, 256, 300}}}});
  EXPECT_EQ(larger.shape(larger.outputs[0].value)[0], 2);
}

TEST(OnnxRead, Meaning) {
  const auto root = data_folder() / "weights";
  if (!fs::exists(root)) GTEST_SKIP() << "no networks at " << root << "; set FOVEA_DATA";
  const Model digits = open_model(root / "mnist_onnx" / "model.onnx");
  ASSERT_TRUE(digits.meaning.preprocess);
  EXPECT_EQ(digits.meaning.preprocess->colour, "grey");
  EXPECT_EQ(digits.meaning.preprocess->scale, 1);
  EXPECT_EQ(digits.meaning.name, "mnist_onnx");
  const Model pictures = open_model(root / "squeezenet1.1_onnx" / "model.onnx");
  EXPECT_EQ(pictures.meaning.name, "squeezenet1.1");
  EXPECT_EQ(pictures.meaning.input, "data");
  EXPECT_FALSE(pictures.meaning.scores.empty());
  EXPECT_FALSE(pictures.meaning.preprocess_stated);
  EXPECT_EQ(pictures.meaning.preprocess->crop_height, 224);
}

}  // namespace
}  // namespace fovea
