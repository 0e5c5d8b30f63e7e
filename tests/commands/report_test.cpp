// The page of a run, and what a run writes to be looked at.
#include "fovea/commands/report.h"

#include <nlohmann/json.hpp>

#include "fovea/commands/report_page.h"
#include "fovea/commands/run_records.h"
#include "fovea/image/draw.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using namespace testing_data;

class Dots : public Dataset {
 public:
  int64_t size() const override { return 4; }
  Sample get(int64_t) const override { return {blank(8, 8, kBlack), 0}; }
  const std::vector<std::string>& classes() const override { return names_; }
  std::string description() const override { return "dots"; }

 private:
  std::vector<std::string> names_{"a", "b"};
};

EpochRecord epoch(int64_t step) {
  EpochRecord r;
  r.step = step;
  r.epoch = static_cast<double>(step) / 10;
  r.train_loss = 1 / r.epoch;
  r.train_accuracy = 0.9;
  r.test = TestResult{100, 100 - step, static_cast<double>(step) / 100, 1, 0.25};
  r.seconds = 61;
  r.layers = {{"conv1", 4.5, 0.125}, {"fc", 2.5, 0.25}};
  return r;
}

class RunReports : public WithFolder {
 protected:
  // A run of two epochs up to a step.
  void train(RunRecords& records, int64_t from, int64_t to) {
    for (int64_t step = from; step <= to; step += 10) {
      records.append(StepRecord{step, static_cast<double>(step) / 10, 0.5, 0.9, 0.1, 1000});
      records.append(epoch(step));
    }
  }
  void finish(RunRecords& records) {
    Evaluation result;
    result.count = 4, result.errors = 1, result.top1 = 0.75, result.top5 = 1, result.loss = 0.5;
    result.classes = {{0, 4, 1, 0.75}, {1, 0, 0, 0}};
    result.confusion = {3, 1, 0, 0};
    for (int64_t i = 0; i < 4; ++i) result.samples.push_back({i, 0, i == 2, 0.9, 0.5, i != 2});
    records.append(RunEnd{40, 99, "finished"});
    records.add_evaluation(result, Dots(), "net", {"a", "b"}, 1, "plain");
  }
  std::string page() {
    const Bytes file = Bytes::map(folder_ / "report.html");
    return std::string(file.view());
  }
  static RunStart start() {
    RunStart s;
    s.model = "net <1>";
    s.data = "dots";
    s.epochs = 4;
    s.batch = 10;
    return s;
  }
};

TEST_F(RunReports, ShowWhatTheFolderHolds) {
  {
    RunRecords records(folder_, -1);
    records.append(start());
    train(records, 10, 40);
    finish(records);
    records.write_page();
  }
  write_file(folder_ / "run.toml", std::string_view("epochs = 4\n[optimiser]\nkind = \"sgd\"\nsteps = [1, 2]\n"));
  ReportOptions options;
  options.run = folder_.string();
  const Report report = run({}, options);
  EXPECT_EQ((*report.json)["best"]["errors"], 60);
  EXPECT_EQ((*report.json)["finished"], true);
  const std::string html = page();
  for (const char* piece :
       {"net &lt;1&gt;", "id=\"curves\"", "id=\"errors\"", "id=\"confusions\"", "id=\"calibration\"", "id=\"classes\"",
        "id=\"norms\"", "id=\"epochs\"", "id=\"recipe\"", "optimiser.kind", "[ 1, 2 ]", "The run is finished.",
        "1 error in 4 pictures (25.00 %)", "1 min 39 s"})
    EXPECT_NE(html.find(piece), std::string::npos) << piece;
  // Nothing is asked of a network.
  for (const char* piece : {"http://", "https://", "src=\"/", "@import", "url("})
    EXPECT_EQ(html.find(piece), std::string::npos) << piece;
  EXPECT_EQ(html.find("id=\"filters\""), std::string::npos);
}

TEST_F(RunReports, AResumedRunLooksAsIfNothingHadHappened) {
  {
    RunRecords records(folder_, -1);
    records.append(start());
    train(records, 10, 40);
    finish(records);
  }
  {
    RunRecords records(folder_, 20);
    EXPECT_FALSE(fs::exists(folder_ / "errors.png"));
    records.append(ResumedRecord{20});
    train(records, 30, 40);
    finish(records);
  }
  const RunContents run = read_run(folder_);
  EXPECT_EQ(run.history.epochs.size(), 4u);
  EXPECT_EQ(run.history.steps.size(), 4u);
  EXPECT_TRUE(run.evaluation && run.errors);
  EXPECT_NE(run_page(run).find("It was resumed once."), std::string::npos);
  size_t files = 0, scalars = 0;
  for (const auto& entry : fs::directory_iterator(folder_ / "events")) {
    ++files;
    for (const EventRecord& record : parse_event_file(Bytes::map(entry.path())).records)
      scalars += !record.summary.empty();
  }
  EXPECT_EQ(files, 1u);
  EXPECT_EQ(scalars, 8u);
  // A new run in the folder takes all of it away.
  RunRecords records(folder_, -1);
  EXPECT_TRUE(read_run(folder_).history.epochs.empty());
}

TEST_F(RunReports, OfARunThatHasJustBegunAreMade) {
  write_file(folder_ / "metrics.jsonl", std::string_view("{\"kind\":\"sta"));
  EXPECT_NE(run_page(read_run(folder_)).find("under way or was interrupted"), std::string::npos);
}

TEST_F(RunReports, NameWhatIsNoRun) {
  const auto message = [&](const fs::path& folder) -> std::string {
    try {
      read_run(folder);
    } catch (const Error& error) { return error.message(); }
    return "no error";
  };
  EXPECT_NE(message(folder_).find("holds no metrics.jsonl"), std::string::npos);
  EXPECT_NE(message(folder_ / "missing").find("is not a folder"), std::string::npos);
  write_file(folder_ / "metrics.jsonl", std::string_view("{\"kind\":\"end\",\"step\":1}\n"));
  write_file(folder_ / "run.toml", std::string_view("a = 1\nb = = 2\n"));
  EXPECT_NE(message(folder_).find("run.toml: line 2"), std::string::npos);
  fs::remove(folder_ / "run.toml");
  write_file(folder_ / "errors.png", std::string_view("no picture"));
  EXPECT_NE(message(folder_).find("errors.png"), std::string::npos);
}

}  // namespace
}  // namespace fovea
