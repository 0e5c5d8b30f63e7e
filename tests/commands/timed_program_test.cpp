// What `fovea bench --train` and `fovea explain --train` time is a whole training step: every weight moves, every time.
#include <gtest/gtest.h>

#include "fovea/commands/model_options.h"
#include "fovea/model/for_pictures.h"
#include "fovea/model/zoo/zoo.h"

namespace fovea {
namespace {

TEST(TimedProgram, MovesEveryWeightInEveryStep) {
  for (const char* network : {"lenet5", "resnet20_cifar"})
    for (const char* backend : {"cpu", "reference"}) {
      if (std::string(network) == "resnet20_cifar" && std::string(backend) == "reference") continue;  // slow
      SCOPED_TRACE(std::string(network) + " on " + backend);
      const EngineOptions options{.backend = backend, .tune = "off"};
      const Engine engine(options);
      Model model = for_pictures(zoo_model(network, {}, 1), 8);
      const Weights start = model.weights;
      Program program = std::move(timed_program(engine, model, true, 1).program);
      std::map<std::string, Tensor> before;
      for (const std::string& name : program.state_names()) {
        before[name] = program.state(name);
        if (const auto first = start.find(name); first != start.end()) {
          EXPECT_TRUE(before[name].same_bits(first->second)) << name << " does not begin as the network's";
        }
      }
      size_t weights = 0, velocities = 0;
      for (int run = 0; run < 3; ++run) {
        program.execute();
        ASSERT_TRUE(std::isfinite(program.want(0).at(0)));
        for (auto& [name, last] : before) {
          const Tensor now = program.state(name);
          EXPECT_FALSE(now.same_bits(last)) << name << " is as before step " << run;
          weights += start.contains(name);
          velocities += name.starts_with("velocity of ");
          last = now;
        }
      }
      EXPECT_GT(weights, 0u);
      EXPECT_GT(velocities, 0u);
    }
}

// The loss of one batch, shown again and again, falls.
TEST(TimedProgram, Learns) {
  const EngineOptions options{.tune = "off"};
  const Engine engine(options);
  Model model = for_pictures(zoo_model("lenet5", {}, 1), 8);
  TimedProgram step = timed_program(engine, model, true, 1);
  step.program.execute();
  const double first = step.program.want(0).at(0);
  step.program.profile(20);
  for (int i = 0; i < 20; ++i) step.program.execute();
  EXPECT_LT(step.program.want(0).at(0), first);
}

}  // namespace
}  // namespace fovea
