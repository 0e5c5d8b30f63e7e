// Tables in text, arrays of NumPy, and their statistics.
#include <cmath>
#include <set>

#include "fovea/data/arrays.h"
#include "fovea/data/batches.h"
#include "fovea/data/drawn.h"
#include "fovea/data/open_data.h"
#include "fovea/data/statistics.h"
#include "fovea/data/text_table.h"
#include "fovea/formats/npy_write.h"
#include "fovea/model/preprocess.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using namespace testing_data;
using Names = std::vector<std::string>;

std::unique_ptr<TableSet> table(const std::string& text, const TextTableOptions& options = {}) {
  return read_text_table(Bytes::copy(text, "t.csv"), options);
}
std::vector<float> row(const Dataset& set, int64_t index) {
  const Tensor values = set.get(index).values;
  const auto data = std::as_const(values).data<float>();
  return {data.begin(), data.end()};
}

TEST(TextTable, HeaderQuotesAndLabels) {
  const auto set =
      table("\xef\xbb\xbf\"\",\"a \"\"b\"\"\", c ,Species\r\n1,+1.5,-2e3,\"zebra, striped\"\r\n\r\n2,0,.5,ant\r\n");
  ASSERT_EQ(set->size(), 2);
  EXPECT_EQ(set->features(), (Names{"a \"b\"", "c"}));
  EXPECT_EQ(set->classes(), (Names{"ant", "zebra, striped"}));
  EXPECT_EQ(row(*set, 0), (std::vector<float>{1.5f, -2000}));
  EXPECT_EQ(row(*set, 1), (std::vector<float>{0, .5f}));
  EXPECT_EQ(set->label(0), 1);
  EXPECT_EQ(set->label(1), 0);
}

TEST(TextTable, TheLabelColumn) {
  const std::string text = "label;x;y\n3;1;2\n0;3;4\n";
  EXPECT_EQ(table(text)->features(), (Names{"x", "y"}));  // by its name
  EXPECT_EQ(table(text)->classes(), (Names{"0", "1", "2", "3"}));
  EXPECT_EQ(table(text)->label(0), 3);
  EXPECT_EQ(table(text, {"y", "auto", {}, ""})->features(), (Names{"label", "x"}));
  EXPECT_EQ(table(text, {"y", "auto", {}, ""})->classes(), (Names{"2", "4"}));
  EXPECT_EQ(table(text, {"none", "auto", {}, ""})->classes(), (Names{"unlabelled"}));
  const auto bare = table("1\t2\t10\n3\t4\t9\n");  // the last, numbers sorted as numbers
  EXPECT_EQ(bare->classes(), (Names{"9", "10"}));
  EXPECT_EQ(bare->label(0), 1);
  EXPECT_EQ(table("7,1,2\n8,3,4\n", {"1", "auto", {}, ""})->classes(), (Names{"7", "8"}));
  EXPECT_EQ(table("1,2\n3,4\n", {"", "yes", {}, ""})->size(), 1);
  const auto part = table("a,b\n1,x\n", {"", "auto", {"w", "x"}, ""});
  EXPECT_EQ(part->label(0), 1);
}

TEST(TextTable, DamageIsNamed) {
  const auto refuses = [](const std::string& text, const std::vector<std::string>& words, TextTableOptions o = {}) {
    expect_error(ErrorKind::format, words, [&] { table(text, o); });
  };
  refuses("a,b\n1,x\n\n2\n", {"t.csv line 4", "1 fields", "expected 2"});
  refuses("a,b\n1,x\n?,y\n", {"t.csv line 3", "column 1 (a)", "\"?\"", "#label="});
  refuses("a,b\n1,x\nnan,y\n", {"line 3", "nan"});
  refuses("a,b\n1,x\n1e39,y\n", {"line 3", "1e39"});
  refuses("a,b\n1,x\n2,\n", {"line 3", "expected a class"});
  refuses("a,b\n1,\"x\n2,y\n", {"line 2", "not closed"});
  refuses("a,b\n1,\"x\"z\n", {"line 2", "behind a quoted field"});
  refuses("a,b\n1,2.5\n2,3.5\n", {"last column (b)", "2.5", "#label=none"});
  refuses("a\nx\n", {"none of which holds numbers"});
  refuses("", {"empty table"});
  refuses("a,b\n", {"t.csv"}, {"", "yes", {}, ""});
  refuses("a,b\n1,z\n", {"\"z\"", "training set"}, {"", "auto", {"x", "y"}, ""});
  expect_error(ErrorKind::usage, {"no column \"Spezies\"", "did you mean \"Species\""}, [] {
    table("a,Species\n1,x\n", {"Spezies", "auto", {}, ""});
  });
}

class TableFiles : public WithFolder {
 protected:
  void array(const std::string& name, const Tensor& tensor) const { write_file(folder_ / name, npy_bytes(tensor)); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
};

TEST_F(TableFiles, OpenByPathWithOptions) {
  write("t.csv", "a,kind,b\n1,x,0\n2,y,1\n3,x,0\n4,y,0\n");
  EXPECT_EQ(open_data(path("t.csv#label=kind"))->classes(), (Names{"x", "y"}));
  EXPECT_EQ(open_data(path("t.csv#label=kind"))->features(), (Names{"a", "b"}));
  write("c#?/t.csv", "a?,b#\n1,x\n");
  EXPECT_EQ(open_data(path("c#?/t.csv#label=b#"))->classes(), Names{"x"});
  const auto train = open_data(path("t.csv?label=kind&test=0.5&seed=4"), {"train"}),
             test = open_data(path("t.csv?label=kind&test=0.5&seed=4"));
  std::set<float> seen;  // every row once, every class in both
  for (const Dataset* part : {train.get(), test.get()}) {
    ASSERT_EQ(part->size(), 2);
    EXPECT_EQ(missing_classes(*part), std::vector<int64_t>{});
    for (int64_t i = 0; i < 2; ++i) seen.insert(row(*part, i)[0]);
  }
  EXPECT_EQ(seen.size(), 4u);
  expect_error(ErrorKind::format, {"t.csv line 2", "column 2 (kind)"}, [&] { open_data(path("t.csv")); });
  expect_error(ErrorKind::usage, {"unknown option \"lable\"", "label"},
               [&] { open_data(path("t.csv#lable=kind&label=kind")); });
  expect_error(ErrorKind::usage, {"test=2"}, [&] { open_data(path("t.csv#label=kind&test=2")); });
}

TEST_F(TableFiles, SplitsNumberTheirClassesAsTheTrainingSet) {
  write("s/train.csv", "a,kind\n1,x\n2,y\n3,z\n");
  write("s/test.csv", "a,kind\n4,z\n5,x\n");
  const auto test = open_data(path("s"));
  EXPECT_EQ(test->classes(), (Names{"x", "y", "z"}));
  EXPECT_EQ(test->label(0), 2);
  EXPECT_EQ(missing_classes(*test), std::vector<int64_t>{1});
  EXPECT_TRUE(has_splits(path("s")));
  EXPECT_FALSE(has_splits(path("s/train.csv#label=kind")));
  EXPECT_FALSE(has_splits("builtin:iris"));
  EXPECT_TRUE(has_splits("builtin:iris?test=0.2"));
}

TEST_F(TableFiles, ArraysBesideTheirLabels) {
  array("x.npy", Tensor::of<double>({2, 3}, {1, 2, 3, 4, 5, 6}));
  array("y.npy", Tensor::of<int64_t>({2}, {1, 0}));
  for (const std::string& name : {path("x.npy"), folder_.string()}) {
    const auto set = open_data(name);
    ASSERT_EQ(set->size(), 2);
    EXPECT_EQ(row(*set, 1), (std::vector<float>{4, 5, 6}));
    EXPECT_EQ(set->label(0), 1);
  }
  fs::remove(folder_ / "y.npy");
  expect_error(ErrorKind::io, {"labels are missing", "labels.npy"}, [&] { open_data(path("x.npy")); });
}

TEST_F(TableFiles, ArchivesOfArrays) {
  const Tensor x = Tensor::of<float>({2, 2}, {1, 2, 3, 4}), y = Tensor::ints({0, 1});
  const auto npz = [&](const std::string& name, std::vector<std::pair<std::string, Tensor>> tensors) {
    write_file(folder_ / name, npz_bytes(tensors));
    return path(name);
  };
  const std::string split =
      npz("split.npz", {{"x_train", x}, {"y_train", Tensor::ints({0, 4})}, {"x_test", x}, {"y_test", y}});
  EXPECT_EQ(open_data(split, {"train"})->label(1), 4);
  EXPECT_EQ(open_data(split)->label(1), 1);
  EXPECT_EQ(open_data(split)->classes().size(), 5u);  // as the training set has
  EXPECT_EQ(open_data(split, {"val"})->label(1), 1);
  EXPECT_EQ(row(*open_data(npz("plain.npz", {{"images", x}, {"labels", y}})), 1), (std::vector<float>{3, 4}));
  expect_error(ErrorKind::io, {"no test split", "train"}, [&] {
    open_data(npz("half.npz", {{"train_images", x}, {"train_labels", y}}));
  });
  expect_error(ErrorKind::format, {"arrays are called a, b"}, [&] {
    open_data(npz("other.npz", {{"a", x}, {"b", y}}));
  });
}

TEST(Arrays, ShapesAndPictures) {
  const Tensor labels = Tensor::of<int64_t>({2}, {0, 1});
  Tensor bytes(DType::u8, {2, 4, 5, 3});
  for (int64_t i = 0; i < bytes.count(); ++i) bytes.set(i, static_cast<double>(i % 251));
  const auto last = array_set(bytes, labels, "a", "arrays");
  EXPECT_EQ(last->get(1).image.width(), 5);
  EXPECT_EQ(last->get(1).image.at(2, 3, 1), bytes.at(((4 + 3) * 5 + 2) * 3 + 1));
  const auto first = array_set(bytes.reshaped({2, 3, 4, 5}), labels, "a", "arrays");
  EXPECT_EQ(first->get(1).image.height(), 4);
  EXPECT_EQ(first->get(1).image.at(2, 3, 1), bytes.at(60 + 20 + 3 * 5 + 2));
  EXPECT_EQ(array_set(bytes.reshaped({2, 6, 10}), labels, "a", "")->get(0).image.channels(), 1);
  EXPECT_EQ(array_set(bytes.reshaped({2, 60}), labels, "a", "")->get(0).values.shape(), (Shape{60}));
  const Tensor floats = bytes.cast(DType::f64);
  EXPECT_EQ(array_set(floats.reshaped({2, 6, 10}), labels, "a", "")->get(0).values.shape(), (Shape{1, 6, 10}));
  const auto maps = array_set(floats.reshaped({2, 10, 2, 3}), labels, "a", "");
  EXPECT_EQ(maps->get(0).values.shape(), (Shape{3, 10, 2}));
  EXPECT_EQ(maps->get(0).values.at(20 + 3), floats.at(3 * 3 + 1));
}

TEST(Arrays, DamageIsNamed) {
  const Tensor rows = Tensor::of<float>({2, 2}, {1, 2, 3, NAN});
  const Tensor good = Tensor::of<float>({2, 2}, {1, 2, 3, 4});
  const auto refuses = [&](const Tensor& values, const Tensor& labels, const std::vector<std::string>& words) {
    expect_error(ErrorKind::format, words, [&] { array_set(values, labels, "a.npz", ""); });
  };
  refuses(rows, Tensor::ints({0, 1}), {"a.npz", "sample 1", "nan"});
  refuses(good, Tensor::ints({0, 1, 2}), {"3 labels for 2 samples"});
  refuses(good, Tensor::ints({0, -1}), {"sample 1 has label -1"});
  refuses(good, Tensor::of<float>({2}, {0, 0.5f}), {"sample 1 has label 0.5"});
  refuses(good, Tensor::of<float>({2, 2}, {0, 1, 1, 0}), {"labels of"});
  refuses(Tensor::of<float>({4}, {1, 2, 3, 4}), Tensor::ints({0, 1}), {"expected [N,F]"});
}

TEST(Statistics, OfATableByHand) {
  const TableSet set(Tensor::of<float>({4, 2}, {1, 5, 3, 5, 5, 5, 7, 5}), {0, 1, 0, 1}, {}, {"a", "b"}, "");
  const SetStatistics s = set_statistics(set);
  EXPECT_FALSE(s.pictures);
  EXPECT_EQ(s.mean, (std::vector<double>{4, 5}));
  EXPECT_EQ(s.deviation, (std::vector<double>{std::sqrt(5.0), 0}));
  EXPECT_EQ(s.least, (std::vector<double>{1, 5}));
  EXPECT_EQ(s.greatest, (std::vector<double>{7, 5}));
  const Standardisation how = standardisation(s);
  EXPECT_EQ(how.deviation[1], 1);  // what does not vary stays
  const Tensor row = standardised(set.get(3).values, how);
  EXPECT_FLOAT_EQ(static_cast<float>(row.at(0)), static_cast<float>(3 / std::sqrt(5.0)));
  EXPECT_EQ(row.at(1), 0);
  Meaning meaning;
  EXPECT_FALSE(stated_standardisation(meaning));
  state_standardisation(meaning, how);
  state_standardisation(meaning, how);
  ASSERT_EQ(meaning.metadata.size(), 1u);
  EXPECT_EQ(*stated_standardisation(meaning), how);
  meaning.metadata[0].second = "1,2;3,x";
  expect_error(ErrorKind::format, {"metadata"}, [&] { stated_standardisation(meaning); });
}

TEST(Statistics, OfPicturesAgreeWithTheirDefinition) {
  const DrawnShapes set(37, 16, 3);
  const SetStatistics s = set_statistics(set);
  double sum[3] = {}, square[3] = {}, mixed = 0;
  const double n = 37 * 256;
  for (int64_t i = 0; i < 37; ++i) {
    const Image image = set.get(i).image;
    for (int y = 0; y < 16; ++y)
      for (int x = 0; x < 16; ++x) {
        for (int c = 0; c < 3; ++c) {
          const double v = image.at(x, y, c) / 255.0;
          sum[c] += v, square[c] += v * v;
        }
        mixed += image.at(x, y, 0) / 255.0 * image.at(x, y, 2) / 255.0;
      }
  }
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(s.mean[c], sum[c] / n, 1e-12);
    EXPECT_NEAR(s.deviation[c], std::sqrt(square[c] / n - sum[c] / n * sum[c] / n), 1e-12);
  }
  EXPECT_NEAR(s.covariance[2], mixed / n - sum[0] / n * sum[2] / n, 1e-12);
  // Prepared with its own statistics, the set has mean 0 and deviation 1 in every channel.
  for (const char* name : {"unit", "caffe", "grey"}) {
    Preprocess how = with_statistics(preset(name, 16, 16), s);
    how.resize = "none";
    double all = 0, squares = 0, count = 0;
    for (int64_t i = 0; i < 37; ++i) {
      const Tensor input = preprocess(set.get(i).image, how);
      for (const float v : std::as_const(input).data<float>()) all += v, squares += v * v, ++count;
    }
    EXPECT_NEAR(all / count, 0, name[0] == 'g' ? 1e-2 : 1e-4) << name;  // grey rounds every pixel
    EXPECT_NEAR(squares / count, 1, name[0] == 'g' ? 1e-2 : 1e-4) << name;
  }
}

TEST(Statistics, ClassesWithoutSamples) {
  const TableSet set(Tensor::of<float>({2, 1}, {1, 2}), {0, 2}, {}, {"a", "b", "c"}, "");
  EXPECT_EQ(missing_classes(set), std::vector<int64_t>{1});
  expect_error(ErrorKind::usage, {"1 of the 3 classes", "train split", "b"},
               [&] { require_every_class(set, "train"); });
}

TEST(TableBatches, StandardisedNoisyAndRepeatable) {
  const std::shared_ptr<Dataset> set = open_data("builtin:iris");
  BatchOptions options;
  options.size = 10;
  options.standardise = standardisation(set_statistics(*set));
  BatchReader plain(set, {}, options);
  std::vector<double> sums(4), squares(4);
  for (int64_t b = 0; b < 15; ++b) {
    const Batch batch = plain.next();
    ASSERT_EQ(batch.pictures.shape(), (Shape{10, 4}));
    for (int64_t i = 0; i < 40; ++i) {
      sums[static_cast<size_t>(i % 4)] += batch.pictures.at(i);
      squares[static_cast<size_t>(i % 4)] += batch.pictures.at(i) * batch.pictures.at(i);
    }
  }
  for (size_t f = 0; f < 4; ++f) {
    EXPECT_NEAR(sums[f] / 150, 0, 1e-6);
    EXPECT_NEAR(squares[f] / 150, 1, 1e-6);
  }
  plain.seek({0, 0});
  options.augmentations = parse_augmentations("noise:0.5");
  BatchReader one(set, {}, options), two(set, {}, options);
  const Batch a = one.next(), b = two.next(), c = plain.next();
  EXPECT_TRUE(a.pictures.same_bits(b.pictures));
  EXPECT_EQ(a.samples, c.samples);
  double distance = 0;
  for (int64_t i = 0; i < 40; ++i) distance += std::pow(a.pictures.at(i) - c.pictures.at(i), 2);
  EXPECT_GT(distance / 40, 0.25 * 0.4);  // a variance of 0.25, 40 numbers
  EXPECT_LT(distance / 40, 0.25 * 2);
  options.augmentations = parse_augmentations("noise,flip");
  expect_error(ErrorKind::usage, {"\"flip\"", "for pictures", "noise"}, [&] { BatchReader(set, {}, options).next(); });
}

}  // namespace
}  // namespace fovea
