#include "fovea/train/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "fovea/base/error.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kDeepest = 8;                    // of the JSON in a line
constexpr size_t kLongest = size_t{64} << 20;  // bytes of a line: a million layers

// ---- records to JSON -------------------------------------------------------------------------------------------

Json json_of(const RunStart& r) {
  return {{"kind", "start"},
          {"model", r.model},
          {"data", r.data},
          {"parameters", r.parameters},
          {"train_count", r.train_count},
          {"test_count", r.test_count},
          {"classes", r.classes},
          {"steps_per_epoch", r.steps_per_epoch},
          {"epochs", r.epochs},
          {"batch", r.batch},
          {"seed", r.seed}};
}

Json json_of(const StepRecord& r) {
  return {{"kind", "step"},
          {"step", r.step},
          {"epoch", r.epoch},
          {"loss", r.loss},
          {"accuracy", r.accuracy},
          {"rate", r.rate},
          {"samples_per_second", r.samples_per_second}};
}

Json json_of(const EpochRecord& r) {
  Json json = {{"kind", "epoch"},
               {"step", r.step},
               {"epoch", r.epoch},
               {"train", {{"loss", r.train_loss}, {"accuracy", r.train_accuracy}}}};
  if (r.test)
    json["test"] = {{"count", r.test->count},
                    {"errors", r.test->errors},
                    {"top1", r.test->top1},
                    {"top5", r.test->top5},
                    {"loss", r.test->loss}};
  json["rate"] = r.rate;
  json["seconds"] = r.seconds;
  Json layers = Json::array();
  for (const LayerNorms& layer : r.layers)
    layers.push_back({{"name", layer.name}, {"weight_norm", layer.weight}, {"gradient_norm", layer.gradient}});
  json["layers"] = layers;
  return json;
}

Json json_of(const ResumedRecord& r) { return {{"kind", "resumed"}, {"step", r.step}}; }

Json json_of(const RunEnd& r) {
  Json json = {{"kind", "end"}, {"step", r.step}, {"seconds", r.seconds}, {"reason", r.reason}};
  if (!r.message.empty()) json["message"] = r.message;
  return json;
}

// ---- JSON to records -------------------------------------------------------------------------------------------

// An object's members, checked; `where` names it in messages.
struct Members {
  const Json& json;
  const char* where;

  const Json* find(const char* key) const {
    const auto found = json.find(key);
    return found == json.end() ? nullptr : &*found;
  }
  [[noreturn]] void wrong(const char* key, const char* expected, const Json& got) const {
    fail(ErrorKind::format, "\"{}\" of {}: expected {}, got {}", key, where, expected, got.type_name());
  }
  double number(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || value->is_null()) return NAN;
    if (!value->is_number()) wrong(key, "a number", *value);
    return value->get<double>();
  }
  int64_t count(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || value->is_null()) return 0;
    if (value->is_number_unsigned()) {
      const auto n = value->get<uint64_t>();
      require(n <= static_cast<uint64_t>(INT64_MAX), ErrorKind::format, "\"{}\" of {}: {} is too large", key, where, n);
      return static_cast<int64_t>(n);
    }
    wrong(key, "a count", *value);
  }
  std::string text(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || value->is_null()) return {};
    if (!value->is_string()) wrong(key, "a text", *value);
    return value->get<std::string>();
  }
  // The elements of a list; none when it is missing.
  const Json& list(const char* key) const {
    static const Json kNone = Json::array();
    const Json* value = find(key);
    if (value == nullptr || value->is_null()) return kNone;
    if (!value->is_array()) wrong(key, "a list", *value);
    return *value;
  }
  // A member that is an object; null when it is missing.
  const Json* object(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || value->is_null()) return nullptr;
    if (!value->is_object()) wrong(key, "an object", *value);
    return value;
  }
};

RunStart start_of(const Members& m) {
  RunStart r;
  r.model = m.text("model");
  r.data = m.text("data");
  r.parameters = m.count("parameters");
  r.train_count = m.count("train_count");
  r.test_count = m.count("test_count");
  for (const Json& name : m.list("classes")) {
    if (!name.is_string()) m.wrong("classes", "a list of texts", name);
    r.classes.push_back(name.get<std::string>());
  }
  r.steps_per_epoch = m.count("steps_per_epoch");
  r.epochs = m.number("epochs");
  r.batch = m.count("batch");
  if (const Json* seed = m.find("seed")) {
    if (!seed->is_number_unsigned()) m.wrong("seed", "a count", *seed);
    r.seed = seed->get<uint64_t>();
  }
  return r;
}

StepRecord step_of(const Members& m) {
  return {m.count("step"),      m.number("epoch"), m.number("loss"),
          m.number("accuracy"), m.number("rate"),  m.number("samples_per_second")};
}

EpochRecord epoch_of(const Members& m) {
  EpochRecord r;
  r.step = m.count("step");
  r.epoch = m.number("epoch");
  r.train_loss = r.train_accuracy = NAN;
  if (const Json* train = m.object("train")) {
    const Members members{*train, "\"train\""};
    r.train_loss = members.number("loss");
    r.train_accuracy = members.number("accuracy");
  }
  if (const Json* test = m.object("test")) {
    const Members t{*test, "\"test\""};
    r.test = TestResult{t.count("count"), t.count("errors"), t.number("top1"), t.number("top5"), t.number("loss")};
  }
  r.rate = m.number("rate");
  r.seconds = m.number("seconds");
  for (const Json& layer : m.list("layers")) {
    if (!layer.is_object()) m.wrong("layers", "a list of objects", layer);
    const Members l{layer, "\"layers\""};
    r.layers.push_back({l.text("name"), l.number("weight_norm"), l.number("gradient_norm")});
  }
  return r;
}

// Where each whole line of a log begins and ends; the rest is a line that was cut.
struct Lines {
  std::vector<std::string_view> whole;
  size_t size = 0;  // bytes of the whole lines, with their ends
};
Lines lines_of(std::string_view text) {
  Lines lines;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', lines.size)) {
    lines.whole.push_back(text.substr(lines.size, end - lines.size));
    lines.size = end + 1;
  }
  return lines;
}

template <class F>
void each_record(const Bytes& file, const Lines& lines, F&& f) {
  for (size_t i = 0; i < lines.whole.size(); ++i) {
    if (lines.whole[i].empty()) continue;
    try {
      f(lines.whole[i], parse_json_line(lines.whole[i]));
    } catch (const Error& error) { throw error.within(fmt::format("{}: line {}", file.label(), i + 1)); }
  }
}

std::string reason() { return std::strerror(errno); }

}  // namespace

std::string to_json_line(const LogRecord& record) {
  const Json json = std::visit([](const auto& r) { return json_of(r); }, record);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<LogRecord> parse_json_line(std::string_view line) {
  require(line.size() <= kLongest, ErrorKind::format, "a line of {} bytes; at most {}", line.size(), kLongest);
  Json json;
  try {
    json = Json::parse(line, [](int depth, Json::parse_event_t, Json&) {
      require(depth <= kDeepest, ErrorKind::format, "lists and objects are nested more than {} deep", kDeepest);
      return true;
    });
  } catch (const Json::exception& error) { fail(ErrorKind::format, "is not JSON: {}", error.what()); }
  require(json.is_object(), ErrorKind::format, "expected an object, got {}", json.type_name());
  const Members members{json, "the record"};
  const std::string kind = members.text("kind");
  if (kind == "start") return start_of(members);
  if (kind == "step") return step_of(members);
  if (kind == "epoch") return epoch_of(members);
  if (kind == "resumed") return ResumedRecord{members.count("step")};
  if (kind == "end")
    return RunEnd{members.count("step"), members.number("seconds"), members.text("reason"), members.text("message")};
  return {};
}

const EpochRecord* RunHistory::best() const {
  const EpochRecord* best = nullptr;
  for (const EpochRecord& e : epochs)
    if (e.test && (best == nullptr || e.test->errors < best->test->errors)) best = &e;
  return best;
}

RunHistory parse_run_log(const Bytes& file) {
  RunHistory history;
  const Lines lines = lines_of(file.view());
  history.cut = lines.size < file.size();
  each_record(file, lines, [&](std::string_view, const std::optional<LogRecord>& record) {
    if (!record) ++history.unknown;
    else if (const auto* start = std::get_if<RunStart>(&*record)) history.start = *start;
    else if (const auto* step = std::get_if<StepRecord>(&*record)) history.steps.push_back(*step);
    else if (const auto* epoch = std::get_if<EpochRecord>(&*record)) history.epochs.push_back(*epoch);
    else if (const auto* resumed = std::get_if<ResumedRecord>(&*record)) history.resumed.push_back(*resumed);
    else history.end = std::get<RunEnd>(*record);
  });
  return history;
}

RunHistory read_run_log(const std::filesystem::path& path) { return parse_run_log(Bytes::map(path)); }

RunLog::RunLog(std::filesystem::path path) : path_(std::move(path)) {
  open();
  const off_t size = ::lseek(file_, 0, SEEK_END);
  if (size <= 0) return;
  const size_t whole = [&] {
    const Bytes file = Bytes::map(path_);
    return lines_of(file.view()).size;
  }();
  if (whole < static_cast<size_t>(size))
    require(::ftruncate(file_, static_cast<off_t>(whole)) == 0, ErrorKind::io, "{}: cannot be shortened: {}",
            path_.string(), reason());
}

RunLog::~RunLog() {
  if (file_ >= 0) ::close(file_);
}

void RunLog::open() {
  file_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  require(file_ >= 0, ErrorKind::io, "{}: cannot be opened for writing: {}", path_.string(), reason());
}

void RunLog::append(const LogRecord& record) {
  const std::string line = to_json_line(record) + "\n";
  for (size_t done = 0; done < line.size();) {
    const ssize_t wrote = ::write(file_, line.data() + done, line.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    require(wrote >= 0, ErrorKind::io, "{}: cannot be written: {}", path_.string(), reason());
    done += static_cast<size_t>(wrote);
  }
}

void RunLog::truncate_after(int64_t step) {
  std::string kept;
  {
    const Bytes file = Bytes::map(path_);
    each_record(file, lines_of(file.view()), [&](std::string_view line, const std::optional<LogRecord>& record) {
      const auto logged = [&](const auto& r) {
        using Record = std::decay_t<decltype(r)>;
        if constexpr (std::is_same_v<Record, RunStart>) return true;
        else if constexpr (std::is_same_v<Record, RunEnd>) return false;
        else return r.step <= step;
      };
      if (!record || std::visit(logged, *record)) kept.append(line).push_back('\n');
    });
  }
  write_file(path_, std::string_view(kept));
  ::close(file_);
  open();
}

}  // namespace fovea
