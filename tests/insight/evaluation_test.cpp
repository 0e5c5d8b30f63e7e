// The arithmetic of an evaluation, by hand.
#include "fovea/insight/evaluation.h"

#include <cmath>
#include <limits>

#include "fovea/base/error.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using testing_data::expect_error;

// Pictures of one pixel whose value says which row of scores the network gives.
class Numbered : public Dataset {
 public:
  explicit Numbered(std::vector<int64_t> labels) : labels_(std::move(labels)) {}
  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  Sample get(int64_t index) const override {
    require(index != broken, ErrorKind::format, "picture {} is broken", index);
    return {Image::own(1, 1, 1, std::vector<uint8_t>{static_cast<uint8_t>(index)}),
            labels_[static_cast<size_t>(index)]};
  }
  const std::vector<std::string>& classes() const override { return none_; }
  int64_t broken = -1;

 private:
  std::vector<int64_t> labels_;
  std::vector<std::string> none_;
};

class Rows : public BatchClassifier {
 public:
  Rows(int64_t batch, std::vector<std::vector<double>> rows)
      : batch_(batch), rows_(std::move(rows)), slots_(static_cast<size_t>(batch)) {}
  int64_t batch() const override { return batch_; }
  int64_t classes() const override { return static_cast<int64_t>(rows_[0].size()); }
  void prepare(int64_t slot, const Image& picture) override {
    slots_[static_cast<size_t>(slot)] = static_cast<size_t>(picture.at(0, 0, 0));
  }
  std::vector<double> log_probabilities(int64_t count) override {
    std::vector<double> result;
    for (int64_t slot = 0; slot < count; ++slot)
      for (const double p : rows_[slots_[static_cast<size_t>(slot)]]) result.push_back(std::log(p));
    return result;
  }

 private:
  int64_t batch_;
  std::vector<std::vector<double>> rows_;
  std::vector<size_t> slots_;
};

// Seven classes. True ranks of the labels below: 0, 1, 5, 0, 6.
const std::vector<std::vector<double>> kRows = {{0.5, 0.2, 0.1, 0.1, 0.05, 0.03, 0.02},
                                                {0.5, 0.2, 0.1, 0.1, 0.05, 0.03, 0.02},
                                                {0.5, 0.2, 0.1, 0.1, 0.05, 0.03, 0.02},
                                                {0.2, 0.4, 0.4, 0, 0, 0, 0},
                                                {0.2, 0.4, 0.4, 0, 0, 0, 0}};
const std::vector<int64_t> kLabels = {0, 1, 5, 1, 6};

TEST(Evaluation, CountsByHand) {
  for (const int64_t batch : {1, 2, 5, 64}) {
    Rows network(batch, kRows);
    const Evaluation result = evaluate({}, Numbered(kLabels), network, {.confusion = true});
    EXPECT_EQ(result.count, 5);
    EXPECT_EQ(result.errors, 3);
    EXPECT_DOUBLE_EQ(result.top1, 2.0 / 5);
    EXPECT_DOUBLE_EQ(result.top5, 3.0 / 5);
    EXPECT_TRUE(std::isinf(result.loss));  // the last label has no probability at all
    ASSERT_EQ(result.classes.size(), 7u);
    EXPECT_EQ(result.classes[1].count, 2);
    EXPECT_EQ(result.classes[1].errors, 1);
    EXPECT_DOUBLE_EQ(result.classes[1].top1, 0.5);
    EXPECT_EQ(result.classes[2].count, 0);
    const auto taken = [&](size_t truth, size_t guess) { return result.confusion[truth * 7 + guess]; };
    EXPECT_EQ(taken(0, 0), 1);
    EXPECT_EQ(taken(1, 0), 1);
    EXPECT_EQ(taken(1, 1), 1);
    EXPECT_EQ(taken(5, 0), 1);
    EXPECT_EQ(taken(6, 1), 1);  // of equal ones the first
  }
}

TEST(Evaluation, LossAndLimit) {
  Rows network(2, kRows);
  const Evaluation result = evaluate({}, Numbered(kLabels), network, {.limit = 4});
  EXPECT_EQ(result.count, 4);
  EXPECT_NEAR(result.loss, -(std::log(0.5) + std::log(0.2) + std::log(0.03) + std::log(0.4)) / 4, 1e-12);
  EXPECT_TRUE(result.confusion.empty());
}

TEST(Evaluation, NanIsNeverRight) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Rows network(2, {{nan, 0.1, 0.1}, {nan, nan, nan}, {nan, 0.9, 0.1}});
  const Evaluation result = evaluate({}, Numbered({0, 0, 1}), network);
  EXPECT_EQ(result.errors, 2);
  EXPECT_TRUE(std::isnan(result.loss));
}

TEST(Evaluation, NamesALabelThatTheNetworkDoesNotKnow) {
  Rows network(4, kRows);
  expect_error(ErrorKind::usage, {"sample 3", "label 7", "7 classes"}, [&] {
    evaluate({}, Numbered({0, 1, 5, 7, -1}), network);
  });
}

TEST(Evaluation, BrokenPicturesAreFatalOrCounted) {
  Numbered data(kLabels);
  data.broken = 1;
  Rows network(2, kRows);
  expect_error(ErrorKind::format, {"picture 1 is broken"}, [&] { evaluate({}, data, network); });
  const Evaluation result = evaluate({}, data, network, {.limit = 4, .skip_broken = true});
  EXPECT_EQ(result.count, 3);
  EXPECT_EQ(result.errors, 1);
  ASSERT_EQ(result.skipped.size(), 1u);
  EXPECT_NEAR(result.loss, -(std::log(0.5) + std::log(0.03) + std::log(0.4)) / 3, 1e-12);
  expect_error(ErrorKind::format, {"0 of 1 picture can be read", "picture 0"}, [&] {
    data.broken = 0;
    evaluate({}, data, network, {.limit = 1, .skip_broken = true});
  });
}

TEST(Evaluation, StopsAndRefuses) {
  Rows network(2, kRows);
  std::atomic<bool> cancel{true};
  Context context;
  context.cancel = &cancel;
  expect_error(ErrorKind::usage, {"interrupted"}, [&] { evaluate(context, Numbered(kLabels), network); });
  expect_error(ErrorKind::usage, {"empty"}, [&] { evaluate({}, Numbered({}), network); });
}

}  // namespace
}  // namespace fovea
