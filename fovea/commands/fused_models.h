// Several networks as one: the probabilities that they give are averaged.
#pragma once

#include <vector>

#include "fovea/commands/model_options.h"
#include "fovea/data/statistics.h"
#include "fovea/insight/evaluation.h"
#include "fovea/model/test_views.h"

namespace fovea {

// The models that a MODEL argument names: files joined by '+'. A '+' may also stand in a file's name: from the left,
// the longest piece that is a file counts as one name.
std::vector<std::string> joined_models(const std::string& argument);

// p = (p_1 + … + p_n) / n, each p_i from its own network with its own preprocessing. Source: K. Simonyan, A. Zisserman,
// "Very deep convolutional networks" (2015), section 4.4, "ConvNet fusion". With one network it is that network.
class FusedModels : public BatchClassifier {
 public:
  // Opens and compiles each model for `batch` pictures at once (0: as many as suit the size of the input); a network
  // whose batch is fixed runs as often as it must. Throws what opening throws, and Error{usage} when a network has
  // several inputs and none for pictures, scores no classes, or another number of classes than the first.
  // views: of each picture; the weighted mean of each network's scores for them is taken (of the logarithms where it
  // gives probabilities, which is the same but for a constant). Throws Error{usage} with more than one view for a
  // network that takes no pictures.
  FusedModels(const Context& context, const ModelOptions& options, const EngineOptions& engine, int64_t batch,
              std::vector<TestView> views = {{}});
  // The same for a model that is in memory already.
  FusedModels(Model model, const EngineOptions& engine, int64_t batch, std::vector<TestView> views = {{}});

  int64_t batch() const override { return batch_; }
  int64_t classes() const override { return classes_; }
  void prepare(int64_t slot, const Image& picture) override;
  // Standardised as the network's file states it (see state_standardisation); their count must be the input's.
  void prepare_values(int64_t slot, const Tensor& values) override;
  std::vector<double> log_probabilities(int64_t count) override;

  size_t size() const { return members_.size(); }
  // Of the fused network: its name is "a + b", its classes are those of the first model that names them. Where there is
  // more than one network, `scores` are probabilities.
  const Meaning& meaning() const { return meaning_; }
  // How many pictures each network takes at once.
  std::vector<int64_t> batches() const;

  // One picture: the scores [classes] as the network gives them, or the averaged probabilities of several.
  Tensor scores(const Image& picture);

 private:
  struct Member {
    std::string input;
    std::optional<Preprocess> how;  // not given: the network takes rows of numbers
    Standardisation standardise;
    std::string name;
    bool probabilities = false;
    int64_t batch = 1;
    Program program;
    Tensor pictures;  // [slots,C,H,W], slots a multiple of batch
  };
  void check(const std::string& name, const Model& model, int64_t batch, bool first);
  Member member(Model model, int64_t batch) const;
  // Rows of scores [count, classes]; with several views they are logarithms.
  void run(Member& member, int64_t count, std::vector<double>& scores) const;
  void run_view(Member& member, const TestView& view, int64_t count, std::vector<double>& scores) const;
  bool gives_probabilities(const Member& member) const { return member.probabilities && views_.size() == 1; }

  std::vector<TestView> views_;
  Engine engine_;  // outlives the programs
  std::vector<Member> members_;
  Meaning meaning_;
  int64_t batch_ = 1, classes_ = 0;
};

}  // namespace fovea
