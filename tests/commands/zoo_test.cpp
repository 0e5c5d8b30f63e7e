#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "fovea/commands/zoo.h"
#include "fovea/model/zoo/vgg_table.h"
#include "fovea/model/zoo/zoo.h"

namespace fovea {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const ZooCommandOptions& options) { return *run(Context{}, options).json; }

TEST(ZooCommand, ListsEveryArchitecture) {
  const Json list = json_of({})["architectures"];
  ASSERT_EQ(list.size(), architectures().size());
  const std::set<std::string> keys = {"name", "family", "input", "classes", "parameters",
                                      "macs", "depth",  "year",  "paper",   "preprocess"};
  bool found = false;
  for (const Json& entry : list) {
    for (const std::string& key : keys) EXPECT_TRUE(entry.contains(key)) << key;
    EXPECT_GT(entry["parameters"], 0);
    EXPECT_GT(entry["macs"], 0);
    if (entry["name"] != "alexnet") continue;
    found = true;
    EXPECT_EQ(entry["parameters"], 61'100'840);
    EXPECT_EQ(entry["input"], Json({3, 224, 224}));
    EXPECT_EQ(entry["macs"], 714'188'480);
    EXPECT_EQ(entry["depth"], 8);
  }
  EXPECT_TRUE(found);
}

TEST(ZooCommand, NamesTheNetworksThatAreCarried) {
  EXPECT_EQ(json_of({})["builtin"], Json({"builtin:cifar10", "builtin:digits"}));
  ZooCommandOptions options;
  for (const auto& [name, hint] : {std::pair{"digits", "did you mean \"builtin:digits\"?"},
                                   std::pair{"builtin:digits", "`fovea summary builtin:digits`"}}) {
    options.name = name;
    try {
      run(Context{}, options);
      ADD_FAILURE() << name;
    } catch (const Error& e) { EXPECT_NE(e.message().find(hint), std::string::npos) << e.message(); }
  }
}

TEST(ZooCommand, ShowsAFamilyOrOneNetwork) {
  ZooCommandOptions options;
  options.name = "vgg";
  const Json family = json_of(options);
  ASSERT_FALSE(family["architectures"].empty());
  for (const Json& entry : family["architectures"]) EXPECT_EQ(entry["family"], "VGG");
  options.name = "vgg16";
  const Json summary = json_of(options);
  EXPECT_EQ(summary["name"], "vgg16");
  EXPECT_EQ(summary["parameters"], 138'357'544);
  EXPECT_EQ(summary["weight_bytes"], 138'357'544 * 4);
  options.name = "zoo:vgg16";
  options.classes = 10;
  EXPECT_EQ(json_of(options)["outputs"][0]["shape"], Json({1, 10}));
  options = {};
  options.name = "googlenet";
  options.heads = true;
  EXPECT_EQ(json_of(options)["parameters"], 13'004'888);
}

TEST(ZooCommand, ListsWhatCanBeBuiltAndNamesTheRest) {
  ZooCommandOptions options;
  options.name = "lenet";
  options.classes = 26;
  const Json result = json_of(options);
  ASSERT_EQ(result["architectures"].size(), 2u);
  EXPECT_EQ(result["architectures"][0]["classes"], 26);
  ASSERT_EQ(result["refused"].size(), 1u);
  EXPECT_EQ(result["refused"][0]["name"], "lenet5_1998");
  EXPECT_NE(run(Context{}, options).text.find("left out: lenet5_1998"), std::string::npos);
}

TEST(ZooCommand, PrintsTheTableAndCountsLayers) {
  ZooCommandOptions options;
  options.name = "vgg";
  options.table = true;
  EXPECT_EQ(run(Context{}, options).text, vgg_table());
  options = {};
  options.layer = "local 10x10 1";
  options.input = "200x200";
  const Json count = json_of(options);
  EXPECT_EQ(count["weights"], 4'000'000);
  EXPECT_EQ(count["biases"], 40'000);
  EXPECT_EQ(count["output"], Json({1, 200, 200}));
}

TEST(ZooCommand, RefusesWhatDoesNotGoTogether) {
  const auto refused = [](const ZooCommandOptions& options) {
    try {
      run(Context{}, options);
    } catch (const Error& e) { return e.kind() == ErrorKind::usage ? e.message() : "another kind: " + e.message(); }
    return std::string("taken");
  };
  ZooCommandOptions options;
  options.name = "googlnet";
  EXPECT_NE(refused(options).find("did you mean \"googlenet\""), std::string::npos) << refused(options);
  options = {.name = "alexnet", .table = true};
  EXPECT_NE(refused(options).find("no table of \"alexnet\""), std::string::npos) << refused(options);
  options = {};
  options.name = "vgg16";
  options.heads = true;
  EXPECT_NE(refused(options).find("no auxiliary classifiers"), std::string::npos) << refused(options);
  options = {.table = true};
  EXPECT_NE(refused(options).find("no table"), std::string::npos) << refused(options);
  options = {};
  options.layer = "conv 3x3 4";
  EXPECT_NE(refused(options).find("--input"), std::string::npos) << refused(options);
  options = {};
  options.input = "8x8";
  EXPECT_NE(refused(options).find("--layer"), std::string::npos) << refused(options);
}

}  // namespace
}  // namespace fovea
