#include <gtest/gtest.h>

#include "fovea/commands/command.h"

#include <set>

namespace fovea {
namespace {

TEST(Commands, EveryRecordIsComplete) {
  std::set<std::string> names;
  for (const Command& command : all_commands()) {
    EXPECT_TRUE(names.insert(command.name).second);
    EXPECT_FALSE(command.summary.empty()) << command.name;
    EXPECT_FALSE(command.examples.empty()) << command.name;
    const auto options = command.make_options();
    std::set<std::string> flags;
    for (const Option& option : command.describe(options.get())) {
      EXPECT_TRUE(flags.insert(option.name).second) << command.name << " " << option.name;
      EXPECT_FALSE(option.help.empty()) << command.name << " " << option.name;
    }
    EXPECT_NE(help_text(command).find("examples:"), std::string::npos);
    EXPECT_NE(markdown_page(command).find("## Examples"), std::string::npos);
  }
}

TEST(Commands, DidYouMean) {
  EXPECT_EQ(nearest("clasify", {"classify", "convert"}), "classify");
  EXPECT_EQ(nearest("relu4_3", {"relu4_2", "pool1"}), "relu4_2");
  EXPECT_EQ(nearest("entirely else", {"classify"}), "");
}

}  // namespace
}  // namespace fovea
