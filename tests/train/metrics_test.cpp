#include "fovea/train/metrics.h"

#include <limits>

#include "tests/data/files.h"

namespace fovea {
namespace {

using namespace testing_data;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

EpochRecord epoch(int64_t step, int64_t errors) {
  EpochRecord r;
  r.step = step;
  r.epoch = static_cast<double>(step) / 10;
  r.train_loss = 0.5;
  r.train_accuracy = 0.75;
  r.test = TestResult{100, errors, 1 - static_cast<double>(errors) / 100, 1, 0.25};
  r.rate = 0.1;
  r.seconds = 3.5;
  r.layers = {{"conv1", 4.5, 0.125}};
  return r;
}

class RunLogs : public WithFolder {
 protected:
  fs::path path() const { return folder_ / "metrics.jsonl"; }
  std::string text() const { return std::string(Bytes::map(path()).view()); }
};

TEST_F(RunLogs, KeepWhatIsAppended) {
  RunStart start;
  start.model = "lenet5 \"with\" quotes\n";
  start.data = "mnist";
  start.parameters = 61706;
  start.classes = {"0", "one"};
  start.steps_per_epoch = 10;
  start.epochs = 2.5;
  start.batch = 64;
  start.seed = std::numeric_limits<uint64_t>::max();
  {
    RunLog log(path());
    log.append(start);
    log.append(StepRecord{5, 0.5, 0.1 + 0.2, 0.75, 0.05, 20000});
    log.append(epoch(10, 7));
    log.append(epoch(20, 5));
    log.append(ResumedRecord{20});
    log.append(epoch(25, 5));
    log.append(RunEnd{25, 12.5, "finished"});
  }
  const RunHistory h = read_run_log(path());
  ASSERT_TRUE(h.start.has_value());
  EXPECT_EQ(h.start->model, start.model);
  EXPECT_EQ(h.start->classes, start.classes);
  EXPECT_EQ(h.start->seed, start.seed);
  EXPECT_EQ(h.start->epochs, 2.5);
  ASSERT_EQ(h.steps.size(), 1u);
  EXPECT_EQ(h.steps[0].loss, 0.1 + 0.2) << "all digits";
  ASSERT_EQ(h.epochs.size(), 3u);
  EXPECT_EQ(h.epochs[0].test->errors, 7);
  EXPECT_EQ(h.epochs[0].layers[0].gradient, 0.125);
  EXPECT_EQ(h.best(), &h.epochs[1]) << "the first of equals";
  EXPECT_EQ(h.resumed[0].step, 20);
  EXPECT_EQ(h.end->reason, "finished");
  EXPECT_FALSE(h.cut);
}

TEST_F(RunLogs, NumbersThatAreNotFiniteComeBackAsNaN) {
  EpochRecord record = epoch(10, 7);
  record.train_loss = kNaN;
  record.test.reset();
  const auto back = parse_json_line(to_json_line(record));
  ASSERT_TRUE(back.has_value());
  EXPECT_TRUE(std::isnan(std::get<EpochRecord>(*back).train_loss));
  EXPECT_FALSE(std::get<EpochRecord>(*back).test.has_value());
}

TEST_F(RunLogs, ALineThatWasCutIsLeftOutAndWrittenOver) {
  {
    RunLog log(path());
    log.append(epoch(10, 7));
    log.append(epoch(20, 5));
  }
  const std::string whole = text();
  // A run that was killed at any byte of its second line.
  const size_t first = whole.find('\n') + 1;
  for (size_t size = first; size < whole.size(); ++size) {
    write_file(path(), whole.substr(0, size));
    const RunHistory h = read_run_log(path());
    EXPECT_EQ(h.epochs.size(), 1u);
    EXPECT_EQ(h.cut, size > first);
    RunLog log(path());
    log.append(epoch(20, 5));
    EXPECT_EQ(text(), whole);
  }
}

TEST_F(RunLogs, ResumingTakesAwayWhatComesAfterACheckpoint) {
  RunLog log(path());
  log.append(RunStart{});
  log.append(StepRecord{5, 0.5, 1, 1, 1, 1});
  log.append(epoch(10, 7));
  const std::string kept = text();
  log.append(StepRecord{15, 1.5, 1, 1, 1, 1});
  log.append(epoch(20, 5));
  log.append(RunEnd{20, 1, "finished"});
  log.truncate_after(10);
  EXPECT_EQ(text(), kept);
  log.append(ResumedRecord{10});
  log.append(StepRecord{15, 1.5, 1, 1, 1, 1});
  const RunHistory h = read_run_log(path());
  EXPECT_EQ(h.steps.size(), 2u);
  EXPECT_EQ(h.resumed.size(), 1u);
  EXPECT_FALSE(h.end.has_value());
  // A line of a later version stays.
  write_file(path(), kept + "{\"kind\":\"weather\",\"step\":99}\n");
  RunLog(path()).truncate_after(5);
  EXPECT_EQ(read_run_log(path()).unknown, 1);
  EXPECT_EQ(read_run_log(path()).epochs.size(), 0u);
}

TEST_F(RunLogs, WhatIsNoRecordIsNamedWithItsLine) {
  const auto message = [&](const std::string& content) -> std::string {
    write_file(path(), content);
    try {
      read_run_log(path());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::format);
      return error.message();
    }
    return "no error";
  };
  const std::string good = to_json_line(epoch(10, 7)) + "\n";
  EXPECT_NE(message(good + "nonsense\n").find("metrics.jsonl: line 2: is not JSON"), std::string::npos);
  EXPECT_NE(message("[1]\n").find("expected an object, got array"), std::string::npos);
  EXPECT_NE(message("{\"kind\":\"step\",\"step\":-1}\n").find("\"step\""), std::string::npos);
  EXPECT_NE(message("{\"kind\":\"step\",\"step\":1,\"loss\":\"big\"}\n").find("expected a number, got string"),
            std::string::npos);
  EXPECT_NE(message("{\"kind\":\"epoch\",\"step\":1,\"layers\":[3]}\n").find("a list of objects"), std::string::npos);
  EXPECT_NE(message("{\"kind\":\"epoch\",\"step\":1,\"test\":7}\n").find("expected an object"), std::string::npos);
  EXPECT_NE(message("{\"a\":" + std::string(100000, '[') + "\n").find("nested"), std::string::npos);
  EXPECT_NE(message("{\"kind\":\"step\",\"step\":18446744073709551615}\n").find("too large"), std::string::npos);
  EXPECT_NE(message(std::string("{\"kind\":\"\0\xff\"}\n", 14)).find("line 1"), std::string::npos);
  EXPECT_THROW(read_run_log(folder_ / "missing"), Error);
  EXPECT_THROW(RunLog(folder_ / "no" / "folder"), Error);
}

}  // namespace
}  // namespace fovea
