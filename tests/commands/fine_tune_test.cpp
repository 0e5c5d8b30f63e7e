// A carried network goes on learning, and the file that comes of it says what it is, each thing once and no path.
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "fovea/commands/convert.h"
#include "fovea/commands/train.h"
#include "fovea/data/drawn_glyphs.h"
#include "fovea/formats/open.h"
#include "fovea/image/codec.h"
#include "fovea/model/stated_test.h"
#include "fovea/train/recipe_text.h"

namespace fs = std::filesystem;

namespace fovea {
namespace {

// Sub-folders train and test with the digits 0 to 9, a few of each.
void write_digits(const fs::path& folder) {
  for (const char* split : {"train", "test"})
    for (int64_t digit = 0; digit < 10; ++digit) {
      const fs::path of_digit = folder / split / std::to_string(digit);
      fs::create_directories(of_digit);
      for (uint64_t i = 0; i < 3; ++i)
        write_image(of_digit / fmt::format("{}.png", i), draw_glyph(digit, {}, Rng(i).fork(split)));
    }
}

void expect_each_key_once(const Model& model) {
  std::set<std::string> keys;
  for (const auto& [key, value] : model.meaning.metadata) EXPECT_TRUE(keys.insert(key).second) << key;
}

TEST(FineTune, ACarriedNetworkGoesOn) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("fovea_fine_tune_{}", getpid());
  fs::remove_all(folder);
  write_digits(folder / "digits");
  TrainOptions options;
  options.model.model = "builtin:digits";
  options.data = (folder / "digits").string();
  options.output = (folder / "run").string();
  options.epochs = 1, options.batch = 10;
  options.engine.tune = "off";
  run(Context{}, options);

  const Model model = open_model((folder / "run/final.onnx").string());
  expect_each_key_once(model);
  const auto test = stated_test(model.meaning);
  ASSERT_TRUE(test.has_value());
  EXPECT_EQ(test->count, 30);
  EXPECT_LE(test->errors, 5);  // an untrained one would get 27 wrong
  const std::string recipe = metadata_of(model.meaning, "recipe");
  const RunDescription said = read_run_description(Bytes::copy(recipe, "recipe"));
  EXPECT_EQ(said.model, "builtin:digits");
  EXPECT_EQ(said.data, "digits");
  EXPECT_EQ(recipe.find(folder.string()), std::string::npos);

  // Written and read again and again it says the same.
  ConvertOptions convert;
  convert.model.model = (folder / "run/final.onnx").string();
  convert.output = (folder / "half.onnx").string();
  convert.half = true, convert.licence = "CC0-1.0";
  run(Context{}, convert);
  convert.model.model = convert.output;
  convert.output = (folder / "again.onnx").string();
  convert.half = false, convert.licence = "";
  run(Context{}, convert);
  EXPECT_EQ(fs::file_size(folder / "half.onnx"), fs::file_size(folder / "again.onnx"));
  const Model again = open_model(convert.output);
  expect_each_key_once(again);
  EXPECT_EQ(again.meaning.licence, "CC0-1.0");
  EXPECT_EQ(again.meaning.metadata, model.meaning.metadata);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace fovea
