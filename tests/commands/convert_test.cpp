// fovea convert: one column of a fractal network, by way of a file.
#include "fovea/commands/convert.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/rng.h"
#include "fovea/formats/open.h"
#include "fovea/formats/save.h"
#include "fovea/model/column.h"
#include "fovea/model/initialise.h"
#include "fovea/model/zoo/fractalnet.h"

namespace fovea {
namespace {

Tensor scores(const Model& model, const Tensor& picture) {
  const auto cpu = cpu_backend();
  const Value wants[] = {model.graph.outputs.at(0).value};
  return compile(model.graph, wants, model.weights, *cpu, {.tune = false}).run({{model.meaning.input, picture}})[0];
}

TEST(Convert, TakesAColumnOfAFile) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("fovea_convert_{}", getpid());
  std::filesystem::create_directories(folder);
  Model model = build(fractalnet(2, 3, 4));
  model.weights = initial_weights(model.graph, 1);
  save_model(model, folder / "fractal.onnx", {});
  Tensor picture(DType::f32, {1, 3, 32, 32});
  for (int64_t i = 0; i < picture.count(); ++i) picture.set(i, Rng(3).normal(static_cast<uint64_t>(i)));
  for (const auto& [text, column] : {std::pair<const char*, int64_t>{"deepest", 3}, {"1", 1}}) {
    ConvertOptions options;
    options.model.model = (folder / "fractal.onnx").string();
    options.output = (folder / "column.onnx").string();
    options.column = text;
    run(Context{}, options);
    const Tensor got = scores(open_model(options.output), picture), own = scores(column_of(model, column), picture);
    EXPECT_EQ(0, std::memcmp(got.raw(), own.raw(), own.bytes())) << text;
  }
  ConvertOptions wrong;
  wrong.model.model = (folder / "column.onnx").string();
  wrong.output = (folder / "none.onnx").string();
  for (const char* column : {"deepest", "0", "4x", "-1"}) {
    wrong.column = column;
    EXPECT_THROW(run(Context{}, wrong), Error) << column;
    EXPECT_FALSE(std::filesystem::exists(wrong.output));
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace fovea
