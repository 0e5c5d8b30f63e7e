// Attribution on a real network and photograph, where the data folder has them.
#include <gtest/gtest.h>

#include <algorithm>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/formats/open.h"
#include "fovea/image/codec.h"
#include "fovea/insight/attribution.h"
#include "fovea/insight/class_scores.h"
#include "fovea/model/conventions.h"
#include "fovea/model/preprocess.h"
#include "tests/data_folder.h"

namespace fovea {
namespace {

// The butterfly sits in the lower left; its body is near (80, 100) of 224 x 224.
TEST(AttributionReal, SqueezeNetLooksAtTheButterfly) {
  const auto file = data_folder() / "weights" / "squeezenet1.1_onnx" / "model.onnx",
             photograph = data_folder() / "imagenet" / "images" / "n02279972_monarch.JPEG";
  if (!std::filesystem::exists(file) || !std::filesystem::exists(photograph))
    GTEST_SKIP() << "no " << file << " and " << photograph;
  Model model = open_model(file.string());
  complete_meaning(model);
  const auto backend = cpu_backend({});
  AttributionNetwork network(model, *backend, {.tune = false});
  const Tensor input = preprocess(read_image(photograph), *model.meaning.preprocess);
  const std::vector<double> scores = network.scores_of(input, {});
  const int64_t monarch = find_class(model, "monarch");
  EXPECT_EQ(std::max_element(scores.begin(), scores.end()) - scores.begin(), monarch);
  for (const char* method : {"grad-cam", "cam", "layer-cam"}) {
    const AttributionMap map = attribute(network, method, input, monarch, {});
    ASSERT_TRUE(map.empty.empty()) << method;
    const auto at = std::max_element(map.values.begin(), map.values.end()) - map.values.begin();
    const double y = static_cast<double>(at / map.width) / static_cast<double>(map.height),
                 x = static_cast<double>(at % map.width) / static_cast<double>(map.width);
    EXPECT_GT(y, 0.25) << method;
    EXPECT_LT(x, 0.7) << method;
    // Nothing of the class is in the flower at the upper right.
    const float corner = map.values[static_cast<size_t>(map.width + map.width - 2)];
    EXPECT_LT(corner, 0.5f * map.values[static_cast<size_t>(at)]) << method;
  }
}

}  // namespace
}  // namespace fovea
