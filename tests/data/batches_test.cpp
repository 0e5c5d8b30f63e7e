// Batches: the same bits however they are made, resumed in the middle, with broken pictures, and given up halfway.
#include "fovea/data/batches.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <set>
#include <thread>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/data/drawn.h"
#include "fovea/data/open_dataset.h"
#include "fovea/data/subset.h"
#include "fovea/model/preprocess.h"

namespace fovea {
namespace {

const Preprocess kHow = preset("cifar", 16, 16);

BatchOptions options() {
  BatchOptions result;
  result.size = 8;
  result.seed = 5;
  result.augmentations = parse_augmentations("flip,crop:2:reflect,affine:turn=10:mean,colour:0.3:0.3:0.3,cutout:4");
  return result;
}

std::shared_ptr<DrawnShapes> shapes(int64_t count = 45) { return std::make_shared<DrawnShapes>(count, 16, 2); }

std::vector<Batch> taken(BatchReader& reader, int count) {
  std::vector<Batch> batches;
  for (int i = 0; i < count; ++i) batches.push_back(reader.next());
  return batches;
}

void expect_same(const std::vector<Batch>& a, const std::vector<Batch>& b, size_t skip = 0) {
  ASSERT_EQ(a.size(), b.size() + skip);
  for (size_t i = 0; i < b.size(); ++i) {
    EXPECT_TRUE(a[i + skip].pictures.same_bits(b[i].pictures)) << "batch " << i;
    EXPECT_TRUE(a[i + skip].labels.same_bits(b[i].labels)) << "batch " << i;
    EXPECT_EQ(a[i + skip].samples, b[i].samples);
    EXPECT_EQ(a[i + skip].position, b[i].position);
  }
}

// A set in which some samples fail, that counts how often it is read, and may be slow.
class Watched : public Dataset {
 public:
  explicit Watched(std::set<int64_t> broken = {}, int64_t count = 20, int wait_ms = 0)
      : broken_(std::move(broken)), shapes_(count, 16, 2), wait_ms_(wait_ms) {}
  int64_t size() const override { return shapes_.size(); }
  Sample get(int64_t index) const override {
    ++reads;
    if (wait_ms_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms_));
    if (broken_.contains(index)) fail(ErrorKind::format, "cut short");
    Sample sample = shapes_.get(index);
    if (index == wrong_label) sample.label = 6;
    return sample;
  }
  const std::vector<std::string>& classes() const override { return shapes_.classes(); }
  mutable std::atomic<int> reads = 0;
  int64_t wrong_label = -1;

 private:
  std::set<int64_t> broken_;
  DrawnShapes shapes_;
  int wait_ms_;
};

TEST(Batches, HoldPreprocessedSamplesInTheEpochsOrder) {
  const auto set = shapes();
  BatchOptions plain = options();
  plain.augmentations.clear();
  BatchReader reader(set, kHow, plain);
  EXPECT_EQ(reader.batches_per_epoch(), 5);
  for (int64_t b = 0; b < 7; ++b) {
    const Batch batch = reader.next();
    EXPECT_EQ(batch.position, (BatchPosition{b / 5, b % 5}));
    ASSERT_EQ(batch.pictures.shape(), (Shape{8, 3, 16, 16}));
    ASSERT_EQ(batch.labels.shape(), (Shape{8}));
    const std::vector<int64_t> order = shuffled_order(45, 5, b / 5);
    for (int64_t i = 0; i < 8; ++i) {
      const int64_t index = order[static_cast<size_t>(b % 5 * 8 + i)];
      EXPECT_EQ(batch.samples[static_cast<size_t>(i)], index);
      const Sample sample = set->get(index);
      EXPECT_EQ(batch.labels.data<int64_t>()[static_cast<size_t>(i)], sample.label);
      const Tensor expected = preprocess(sample.image, kHow);
      EXPECT_EQ(std::memcmp(batch.pictures.raw() + static_cast<size_t>(i) * expected.bytes(), expected.raw(),
                            expected.bytes()),
                0);
    }
  }
}

TEST(Batches, AreTheSameWhateverTheThreads) {
  const auto set = shapes();
  BatchReader reader(set, kHow, options());
  const std::vector<Batch> expected = taken(reader, 12);
  EXPECT_FALSE(expected[0].pictures.same_bits(expected[5].pictures));
  for (const auto& [prefetch, threads] : {std::pair{0, 1}, {1, 1}, {3, 1}, {4, 4}, {7, 4}, {2, 4}}) {
    BatchOptions other = options();
    other.prefetch = prefetch;
    other.threads = threads;
    for (const int loops : {1, 4}) {
      set_thread_count(loops);
      BatchReader again(set, kHow, other);
      expect_same(expected, taken(again, 12));
    }
  }
  set_thread_count(0);
}

TEST(Batches, ResumeInTheMiddle) {
  const auto set = shapes();
  BatchReader reader(set, kHow, options());
  const std::vector<Batch> expected = taken(reader, 12);
  for (const size_t at : {1u, 4u, 5u, 8u}) {
    BatchReader first(set, kHow, options());
    taken(first, static_cast<int>(at));
    const BatchPosition saved = first.position();
    EXPECT_EQ(saved, expected[at].position);
    BatchReader second(set, kHow, options(), saved);
    expect_same(expected, taken(second, static_cast<int>(12 - at)), at);
    first.seek({0, 0});
    expect_same(expected, taken(first, 12));
  }
  EXPECT_THROW(reader.seek({0, 5}), Error);
  EXPECT_THROW(reader.seek({-1, 0}), Error);
  EXPECT_THROW(reader.seek({INT64_MAX, 0}), Error);
  EXPECT_EQ(reader.next().position, (BatchPosition{2, 2}));  // a refused position leaves the reader at work
}

TEST(Batches, KeepOrDropTheLastOne) {
  BatchOptions keep = options();
  keep.drop_last = false;
  keep.shuffle = false;
  BatchReader reader(shapes(), kHow, keep);
  EXPECT_EQ(reader.batches_per_epoch(), 6);
  const std::vector<Batch> batches = taken(reader, 7);
  EXPECT_EQ(batches[5].pictures.shape(), (Shape{5, 3, 16, 16}));
  EXPECT_EQ(batches[5].samples, (std::vector<int64_t>{40, 41, 42, 43, 44}));
  EXPECT_EQ(batches[6].samples, batches[0].samples);
  EXPECT_FALSE(batches[6].pictures.same_bits(batches[0].pictures));  // augmented for the next epoch
  BatchOptions large = options();
  large.size = 46;
  EXPECT_THROW(BatchReader(shapes(), kHow, large), Error);
  large.drop_last = false;
  BatchReader whole(shapes(), kHow, large);
  EXPECT_EQ(whole.next().samples.size(), 45u);
  EXPECT_THROW(BatchReader(shapes(0), kHow, large), Error);
}

TEST(Batches, FailAtTheBatchWithTheBrokenPicture) {
  for (const int prefetch : {0, 1, 4}) {
    BatchOptions ordered = options();
    ordered.size = 4;
    ordered.shuffle = false;
    ordered.prefetch = prefetch;
    ordered.threads = 4;
    BatchReader reader(std::make_shared<Watched>(std::set<int64_t>{9}), kHow, ordered);
    EXPECT_EQ(reader.next().samples.size(), 4u);
    EXPECT_EQ(reader.next().samples.size(), 4u);
    for (int again = 0; again < 2; ++again) {
      try {
        reader.next();
        ADD_FAILURE() << "prefetch " << prefetch;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::format);
        EXPECT_EQ(error.message(), "sample 9: cut short");
      }
      EXPECT_EQ(reader.position(), (BatchPosition{0, 2}));
    }
    reader.seek({0, 3});
    EXPECT_EQ(reader.next().samples.front(), 12);
  }
}

TEST(Batches, LeaveBrokenPicturesOutOrReplaceThem) {
  BatchOptions ordered = options();
  ordered.size = 4;
  ordered.shuffle = false;
  ordered.broken = Broken::leave_out;
  const auto set = std::make_shared<Watched>(std::set<int64_t>{9, 10, 19});
  BatchReader reader(set, kHow, ordered, {0, 2});
  const Batch shorter = reader.next();
  EXPECT_EQ(shorter.samples, (std::vector<int64_t>{8, 11}));
  EXPECT_EQ(shorter.pictures.shape(), (Shape{2, 3, 16, 16}));
  EXPECT_EQ(shorter.skipped, (std::vector<std::string>{"sample 9: cut short", "sample 10: cut short"}));
  ordered.broken = Broken::replace;
  BatchReader whole(set, kHow, ordered, {0, 2});
  EXPECT_EQ(whole.next().samples, (std::vector<int64_t>{8, 11, 11, 11}));
  whole.next();
  EXPECT_EQ(whole.next().samples, (std::vector<int64_t>{16, 17, 18, 0}));
  const auto ruined = std::make_shared<Watched>(std::set<int64_t>{0, 1, 2, 3}, 4);
  BatchReader hopeless(ruined, kHow, ordered);
  EXPECT_THROW(hopeless.next(), Error);
  ordered.broken = Broken::leave_out;
  BatchReader empty(ruined, kHow, ordered);
  EXPECT_EQ(empty.next().pictures.shape(), (Shape{0, 3, 16, 16}));
}

TEST(Batches, NameTheSampleWithAWrongLabel) {
  const auto set = std::make_shared<Watched>();
  set->wrong_label = 3;
  BatchOptions lenient = options();
  lenient.shuffle = false;
  lenient.broken = Broken::leave_out;  // a wrong label is no broken picture
  BatchReader reader(set, kHow, lenient);
  try {
    reader.next();
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_EQ(error.message(), "sample 3: has label 6, expected 0 to 5");
  }
  lenient.classes = 7;
  BatchReader wider(set, kHow, lenient);
  EXPECT_EQ(wider.next().labels.data<int64_t>()[3], 6);
}

TEST(Batches, KeepNoMoreReadyThanAsked) {
  const auto set = std::make_shared<Watched>(std::set<int64_t>{}, 200);
  BatchOptions two = options();
  two.prefetch = 2;
  two.threads = 4;
  BatchReader reader(set, kHow, two);
  reader.next();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (set->reads < 24 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(set->reads, 24);  // the one that was taken and two more, of 8 samples each
}

TEST(Batches, StopInTheMiddleOfABatch) {
  const auto set = std::make_shared<Watched>(std::set<int64_t>{}, 10000, 20);
  BatchOptions slow = options();
  slow.size = 5000;  // 100 seconds each
  slow.threads = 2;
  const auto begin = std::chrono::steady_clock::now();
  {
    BatchReader reader(set, kHow, slow);
    while (set->reads == 0) std::this_thread::yield();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  EXPECT_LT(set->reads, 2000);
}

TEST(Batches, RefuseOptionsOutOfRange) {
  const auto refused = [](auto change) {
    BatchOptions wrong = options();
    change(wrong);
    EXPECT_THROW(BatchReader(shapes(), kHow, wrong), Error);
  };
  refused([](BatchOptions& o) { o.size = 0; });
  refused([](BatchOptions& o) { o.prefetch = -1; });
  refused([](BatchOptions& o) { o.threads = 0; });
  refused([](BatchOptions& o) { o.classes = -1; });
  refused([](BatchOptions& o) { o.augmentations = {RandomFlip{3}}; });
  BatchReader reader(shapes(), preset("cifar", 16, 16), options());
}

TEST(Batches, ReadRealDigits) {
  const char* data = std::getenv("FOVEA_DATA");
  if (!data) GTEST_SKIP() << "FOVEA_DATA is not set";
  const std::shared_ptr<Dataset> digits = open_dataset(std::filesystem::path(data) / "mnist", {.split = "train"});
  BatchOptions distorted = options();
  distorted.size = 64;
  distorted.augmentations = parse_augmentations("affine:scale=0.15:turn=10,elastic:34:4");
  BatchReader reader(digits, preset("mnist", 28, 28), distorted);
  EXPECT_EQ(reader.batches_per_epoch(), 937);
  const Batch batch = reader.next();
  EXPECT_EQ(batch.pictures.shape(), (Shape{64, 1, 28, 28}));
  double sum = 0;
  for (const float value : batch.pictures.data<float>()) sum += value;
  EXPECT_NEAR(sum / (64 * 784), 33.3, 8);  // the training set's mean is 33.3 of 255
}

}  // namespace
}  // namespace fovea
