#include "fovea/commands/johnson_flags.h"

#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/commands/command_line.h"

namespace fovea {
namespace {

using Words = std::vector<std::string>;

std::string rewritten(const Words& words) { return shell_line(without_johnson_flags(words).arguments); }

bool has(const std::string& line, const std::string& part) {
  return (" " + line + " ").find(" " + part + " ") != std::string::npos;
}

TEST(JohnsonFlags, AreToldFromFoveasOwn) {
  EXPECT_TRUE(has_johnson_flags({"-style_image", "a.jpg"}));
  EXPECT_TRUE(has_johnson_flags({"--content_image=c.jpg"}));
  EXPECT_TRUE(has_johnson_flags({"c.jpg", "a.jpg", "-init", "image"}));
  EXPECT_FALSE(has_johnson_flags({"c.jpg", "a.jpg", "-o", "x.png", "--style-weight", "3", "-q"}));
}

TEST(JohnsonFlags, EveryFlagOfTheToolIsTaken) {
  const OwnArguments own = without_johnson_flags({"-content_image",
                                                  "c.jpg",
                                                  "-style_image",
                                                  "a.jpg,b.jpg",
                                                  "-style_blend_weights",
                                                  "3,7",
                                                  "-image_size",
                                                  "400",
                                                  "-num_iterations",
                                                  "70",
                                                  "-optimizer",
                                                  "adam",
                                                  "-learning_rate",
                                                  "5",
                                                  "-seed",
                                                  "12",
                                                  "-init",
                                                  "image",
                                                  "-init_image",
                                                  "s.png",
                                                  "-normalize_gradients",
                                                  "1",
                                                  "-lbfgs_num_correction",
                                                  "30",
                                                  "-print_iter",
                                                  "10",
                                                  "-save_iter",
                                                  "0",
                                                  "-content_weight",
                                                  "4",
                                                  "-style_weight",
                                                  "200",
                                                  "-style_scale",
                                                  "0.5",
                                                  "-tv_weight",
                                                  "0",
                                                  "-original_colors",
                                                  "1",
                                                  "-pooling",
                                                  "avg",
                                                  "-content_layers",
                                                  "relu4_2,relu5_2",
                                                  "-style_layers",
                                                  "relu1_1",
                                                  "-output_image",
                                                  "o.png",
                                                  "-gpu",
                                                  "0",
                                                  "-backend",
                                                  "cudnn",
                                                  "-model_file",
                                                  "m.caffemodel",
                                                  "-proto_file",
                                                  "p.prototxt"});
  const std::string line = shell_line(own.arguments);
  EXPECT_TRUE(line.starts_with("c.jpg a.jpg b.jpg --preset johnson")) << line;
  for (const char* part : {"--style-weights 3,7",
                           "--size 400",
                           "--steps 70",
                           "--optimiser adam",
                           "--rate 5",
                           "--seed 12",
                           "--start s.png",
                           "--normalise-gradients",
                           "--history 30",
                           "--save-every 0",
                           "--content-weight 4",
                           "--style-weight 200",
                           "--style-scale 0.5",
                           "--tv-weight 0",
                           "--colours luminance",
                           "--pooling average",
                           "--content-layers relu4_2,relu5_2",
                           "--style-layers relu1_1",
                           "--output o.png",
                           "--model m.caffemodel",
                           "--prototxt p.prototxt"})
    EXPECT_TRUE(has(line, part)) << part << " in " << line;
  EXPECT_EQ(own.notes.size(), 3u) << "print_iter, gpu, backend";
}

TEST(JohnsonFlags, DefaultsAreTheTools) {
  const std::string line = rewritten({"-content_image", "c.jpg", "-style_image", "a.jpg"});
  EXPECT_TRUE(has(line, "--output out.png")) << line;
  EXPECT_TRUE(has(line, "--save-every 100")) << line;
  EXPECT_FALSE(has(line, "--rate")) << line;
  EXPECT_FALSE(has(line, "--start")) << "random is the preset's: " << line;
  EXPECT_TRUE(has(rewritten({"c.jpg", "-style_image", "a.jpg", "--preset", "gatys"}), "--preset gatys"));
}

TEST(JohnsonFlags, ARateIsForAdamOnlyAsInTheTool) {
  const OwnArguments own = without_johnson_flags({"-learning_rate", "5", "-content_image", "c", "-style_image", "a"});
  EXPECT_FALSE(has(shell_line(own.arguments), "--rate 5"));
  EXPECT_EQ(own.notes.size(), 1u);
}

TEST(JohnsonFlags, MistakesAreSaid) {
  EXPECT_THROW(without_johnson_flags({"-style_imag", "a.jpg"}), Error);
  EXPECT_THROW(without_johnson_flags({"-style_image"}), Error);
  EXPECT_THROW(without_johnson_flags({"-init", "noise"}), Error);
  EXPECT_THROW(without_johnson_flags({"-pooling", "min"}), Error);
  EXPECT_THROW(without_johnson_flags({"-normalize_gradients", "0.5"}), Error);
  EXPECT_THROW(without_johnson_flags({"-normalize_gradients", "much"}), Error);
}

}  // namespace
}  // namespace fovea
