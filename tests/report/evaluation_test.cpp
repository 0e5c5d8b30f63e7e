// What is drawn and written of an evaluation: the sheet of errors, confusions, the JSON and back.
#include <nlohmann/json.hpp>

#include "fovea/base/error.h"
#include "fovea/image/codec.h"
#include "fovea/image/draw.h"
#include "fovea/report/error_sheet.h"
#include "fovea/report/evaluation_figures.h"
#include "fovea/report/evaluation_record.h"
#include "fovea/report/filter_history.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using namespace testing_data;

// Pictures of one colour: (10, i, 200).
class Plain : public Dataset {
 public:
  Plain(int64_t size, int width, int height) : size_(size), width_(width), height_(height) {}
  int64_t size() const override { return size_; }
  Sample get(int64_t i) const override { return {blank(width_, height_, Rgb{10, static_cast<uint8_t>(i), 200}), 0}; }
  const std::vector<std::string>& classes() const override { return names_; }

 private:
  int64_t size_;
  int width_, height_;
  std::vector<std::string> names_;
};

SampleResult result(int64_t index, bool right, double confidence) {
  return {index, 4, right ? 4 : 9, confidence, 1, right};
}

// Where pictures of sample i are on a sheet: pixels of their colour.
int64_t area(const Image& image, int i) {
  int64_t count = 0;
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < image.width(); ++x)
      count += image.at(x, y, 0) == 10 && image.at(x, y, 1) == i && image.at(x, y, 2) == 200;
  return count;
}
int64_t first_place(const Image& image, int i) {
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < image.width(); ++x)
      if (image.at(x, y, 0) == 10 && image.at(x, y, 1) == i && image.at(x, y, 2) == 200)
        return int64_t{y} * image.width() + x;
  return -1;
}

TEST(ErrorSheet, ShowsEveryErrorOnceSurestFirst) {
  const Plain data(20, 28, 28);
  std::vector<SampleResult> samples;
  for (int64_t i = 0; i < 20; ++i) samples.push_back(result(i, i % 4 != 0, 0.5 + 0.01 * static_cast<double>(i)));
  const ErrorSheet sheet = error_sheet(data, samples, {});
  EXPECT_EQ(sheet.errors, 5);
  EXPECT_EQ(sheet.shown, 5);
  EXPECT_EQ(sheet.caption, "5 errors in 20 pictures (25.00 %); surest first");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(area(sheet.image, i), i % 4 == 0 ? 56 * 56 : 0) << i;
  EXPECT_LT(first_place(sheet.image, 16), first_place(sheet.image, 0));
  const ErrorSheet in_order = error_sheet(data, samples, {}, {.order = ErrorOrder::set});
  EXPECT_LT(first_place(in_order.image, 0), first_place(in_order.image, 16));
}

TEST(ErrorSheet, OfTooManyErrorsTheSurestAreShownAndSaid) {
  const Plain data(200, 32, 32);
  std::vector<SampleResult> samples;
  for (int64_t i = 0; i < 200; ++i) samples.push_back(result(i, false, i < 10 ? 0.99 : 0.4));
  const ErrorSheet sheet = error_sheet(data, samples, {}, {.order = ErrorOrder::set, .most = 10});
  EXPECT_EQ(sheet.shown, 10);
  EXPECT_EQ(sheet.errors, 200);
  EXPECT_NE(sheet.caption.find("shown are the 10 that the network was surest of"), std::string::npos);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(area(sheet.image, i) > 0, i < 10) << i;
}

TEST(ErrorSheet, TakesPicturesOfAnySizeAndLongNames) {
  const std::vector<std::string> names(10, "a name of a class that is much too long for its picture, and a synonym");
  const std::vector<SampleResult> samples = {result(0, false, 0.9), result(1, false, NAN)};
  // Reduced to 128 pixels, its proportions kept; enlarged by whole pixels.
  EXPECT_NEAR(static_cast<double>(area(error_sheet(Plain(2, 1000, 500), samples, names).image, 0)), 128 * 64, 300);
  EXPECT_EQ(area(error_sheet(Plain(2, 1, 1), samples, names).image, 1), 84 * 84);
  EXPECT_EQ(area(error_sheet(Plain(2, 28, 28), samples, names, {.columns = 1}).image, 1), 84 * 84);
  EXPECT_GT(area(error_sheet(Plain(2, 5000, 3), samples, names, {.confidence = true}).image, 0), 0);
  const ErrorSheet none = error_sheet(Plain(2, 8, 8), std::vector<SampleResult>{result(0, true, 1)}, names);
  EXPECT_EQ(none.caption, "0 errors in 1 picture (0.00 %)");
  EXPECT_GT(none.image.height(), 10);
  EXPECT_THROW(error_sheet(Plain(2, 8, 8), std::vector<SampleResult>{result(2, false, 1)}, {}), Error);
  EXPECT_THROW(error_sheet(Plain(2, 8, 8), samples, {}, {.most = 0}), Error);
}

Evaluation three_classes() {
  Evaluation e;
  e.count = 10, e.errors = 3, e.top1 = 0.7, e.top5 = 1, e.loss = 0.5;
  e.classes = {{0, 4, 1, 0.75}, {1, 6, 2, 4.0 / 6}, {2, 0, 0, 0}};
  e.confusion = {3, 1, 0, 0, 4, 2, 0, 0, 0};
  for (int64_t i = 0; i < 10; ++i) e.samples.push_back({i, 0, 0, 0.8, 0.1, i < 7});
  return e;
}

class Records : public WithFolder {};

TEST_F(Records, OfAnEvaluationComeBackFromTheirJson) {
  EvaluationRecord record;
  record.model = "lenet5";
  record.data = "mnist";
  record.views = "mirror,translate";
  record.seconds = 2.5;
  record.result = three_classes();
  record.names = {"zero", "one"};
  const auto json = evaluation_json(record);
  EXPECT_NEAR(json["calibration"]["expected_error"].get<double>(), 0.1, 1e-12);
  const EvaluationRecord back = read_evaluation(Bytes::copy(json.dump()));
  EXPECT_EQ(back.result.errors, 3);
  EXPECT_EQ(back.views, record.views);
  EXPECT_EQ(back.result.confusion, record.result.confusion);
  EXPECT_EQ(back.result.classes.size(), 3u);
  EXPECT_EQ(back.result.classes[1].errors, 2);
  EXPECT_EQ(back.names, (std::vector<std::string>{"zero", "one", ""}));
  ASSERT_TRUE(back.calibration.has_value());
  EXPECT_EQ(back.calibration->bins.size(), 15u);
  EXPECT_EQ(evaluation_json(back).dump(), json.dump());
}

TEST_F(Records, ThatAreNoneAreRefused) {
  const std::string good = evaluation_json(three_classes(), {}).dump();
  EXPECT_NO_THROW(read_evaluation(Bytes::copy(good)));
  for (size_t i = 0; i < good.size(); ++i) EXPECT_THROW(read_evaluation(Bytes::copy(good.substr(0, i))), Error);
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    EXPECT_NE(text.find(from), std::string::npos) << from;
    return Bytes::copy(text.replace(text.find(from), from.size(), to), "evaluation.json");
  };
  EXPECT_THROW(read_evaluation(changed("\"count\":10", "\"count\":-10")), Error);
  EXPECT_THROW(read_evaluation(changed("\"index\":1", "\"index\":4000000000")), Error);
  EXPECT_THROW(read_evaluation(changed("[3,1,0]", "[3,1]")), Error);
  EXPECT_THROW(read_evaluation(changed("[3,1,0]", "[3,1,\"a\"]")), Error);
  EXPECT_THROW(read_evaluation(changed("\"bins\":[", "\"bins\":[7,")), Error);
  EXPECT_THROW(read_evaluation(changed("\"errors\":1,", "\"errors\":5,")), Error);
  EXPECT_THROW(read_evaluation(Bytes::copy(std::string(100000, '['))), Error);
}

TEST(Confusions, AreSortedTabledAndPainted) {
  const Evaluation e = three_classes();
  const auto wrong = frequent_confusions(e, 10);
  ASSERT_EQ(wrong.size(), 2u);
  EXPECT_EQ(wrong[0].truth, 1);
  EXPECT_EQ(wrong[0].guess, 2);
  EXPECT_EQ(wrong[0].count, 2);
  const std::string table = confusion_html(e, {"zero", "<one>"});
  EXPECT_NE(table.find("&lt;one&gt; guessed as class 2: 2 of 6 (33.33 %)"), std::string::npos);
  const Image image = confusion_image(e, 2);
  EXPECT_EQ(image.width(), 6);
  EXPECT_GT(image.at(0, 0, 1), image.at(0, 0, 0)) << "right ones are green";
  EXPECT_GT(image.at(4, 2, 0), image.at(4, 2, 1)) << "wrong ones are red";
  Evaluation many;
  for (int64_t i = 0; i < 100; ++i) many.classes.push_back({i, 1, 0, 1});
  many.confusion.assign(10000, 0);
  many.confusion[5] = 1;
  EXPECT_NE(confusion_html(many, {}).find("data:image/png"), std::string::npos);
  EXPECT_EQ(confusion_html(Evaluation(), {}), "");
  EXPECT_NE(reliability_html(calibration(e.samples)).find("10 pictures, 70.00 % right"), std::string::npos);
  EXPECT_NE(class_table_html(e, {"zero", "one"}).find("class 2 (2)"), std::string::npos);
}

TEST_F(Records, SheetsOfFiltersAreTakenEvenlyOverTheRun) {
  for (int64_t step = 0; step <= 20000; step += 2000)
    write_filter_sheet(folder_ / "filters", step,
                       {static_cast<double>(step) / 1000, blank(4, 4, Rgb{static_cast<uint8_t>(step / 100), 0, 0})});
  write_file(folder_ / "filters" / "notes.png", std::string_view("not a sheet"));
  size_t found = 0;
  const auto sheets = read_filter_sheets(folder_ / "filters", 3, found);
  EXPECT_EQ(found, 11u);
  ASSERT_EQ(sheets.size(), 3u);
  EXPECT_EQ(sheets[0].epoch, 0);
  EXPECT_EQ(sheets[1].epoch, 10);
  EXPECT_EQ(sheets[2].epoch, 20);
  EXPECT_EQ(sheets[2].image.at(1, 1, 0), 200);
  const Image figure = filter_history(sheets);
  EXPECT_GT(figure.height(), 3 * 12);
  remove_filter_sheets_after(folder_ / "filters", 5000);
  EXPECT_EQ(read_filter_sheets(folder_ / "filters", 100, found).size(), 3u);
  EXPECT_TRUE(read_filter_sheets(folder_ / "missing", 3, found).empty());
  EXPECT_EQ(found, 0u);
}

}  // namespace
}  // namespace fovea
