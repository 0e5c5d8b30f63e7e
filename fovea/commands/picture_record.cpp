#include "fovea/commands/picture_record.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fovea/base/parallel.h"
#include "fovea/commands/doctor.h"
#include "fovea/compile/plan_book.h"
#include "fovea/data/checksum.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kRecord = "fovea";
constexpr const char* kPlans = "fovea plans";

void add(Digest& digest, std::string_view text) { digest.add(std::as_bytes(std::span(text.data(), text.size()))); }

}  // namespace

std::string weights_hash(const Weights& weights) {
  Digest digest;
  for (const auto& [name, tensor] : weights) {
    add(digest, fmt::format("{} {} {} {}\n", name.size(), name, to_string(tensor.dtype()), to_string(tensor.shape())));
    digest.add({reinterpret_cast<const std::byte*>(tensor.raw()), tensor.bytes()});
  }
  return digest.sha256();
}

PictureRecord picture_record(std::string command, std::vector<std::string> arguments, uint64_t seed, const Model& model,
                             const ModelOptions& named, const std::vector<std::string>& inputs) {
  PictureRecord record;
  record.command = {std::move(command)};
  record.command.insert(record.command.end(), std::make_move_iterator(arguments.begin()),
                        std::make_move_iterator(arguments.end()));
  record.seed = seed;
  record.model = printable(model.meaning.name);
  record.model_hash = weights_hash(model.weights);
  record.threads = thread_count();
  record.version = version();
  if (const PlanBook* book = PlanBook::current()) record.plans = book->plans();
  std::vector<std::string> files = {named.model, named.weights, named.prototxt, named.labels, named.mean};
  files.insert(files.end(), inputs.begin(), inputs.end());
  for (const std::string& file : files) {
    std::error_code error;  // names of the zoo, of label lists, and "noise" are no files
    if (file.empty() || !fs::is_regular_file(file, error)) continue;
    record.inputs.emplace_back(file, digest_of(file).sha256());
  }
  return record;
}

OptionList plan_option(std::string& plan) {
  return {{"--plan", "FILE", "compute exactly as this PNG by fovea was, layer by layer (see fovea again)", &plan}};
}

std::vector<std::string> plans_to_follow(const std::string& plan) {
  if (plan.empty()) return {};
  require_file(plan, "a PNG that fovea has written");
  return read_picture_record(Bytes::map(plan)).plans;
}

std::string command_line(const PictureRecord& record) {
  std::vector<std::string> words = {"fovea"};
  words.insert(words.end(), record.command.begin(), record.command.end());
  words.insert(words.end(), {"-o", "OUT.png"});
  return shell_line(words);
}

TextPairs record_text(const PictureRecord& record, const std::string& caption, const std::string& part) {
  Json inputs = Json::array();
  for (const auto& [file, sum] : record.inputs) inputs.push_back({{"file", file}, {"sha256", sum}});
  Json json = {{"command", record.command},
               {"seed", record.seed},
               {"model", {{"name", record.model}, {"sha256", record.model_hash}}},
               {"inputs", inputs},
               {"threads", record.threads},
               {"version", record.version}};
  if (!part.empty()) json["part"] = part;
  const auto text = [](const Json& value) {
    return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  };
  TextPairs pairs = {{"Software", "fovea " + record.version},
                     {"Description", caption},
                     {"Comment", command_line(record)},
                     {kRecord, text(json)}};
  if (!record.plans.empty()) pairs.emplace_back(kPlans, text(Json(record.plans)));
  return pairs;
}

PictureRecord read_picture_record(const Bytes& png) {
  const std::string& label = png.label();
  std::string json, plans;
  for (const auto& [key, value] : png_text(png)) {
    if (key == kRecord) json = value;
    if (key == kPlans) plans = value;
  }
  require(!json.empty(), ErrorKind::format,
          "{}: holds no record of how it was made: expected a PNG that maximise, invert, dream, texture or style has "
          "written (other programs drop the texts in it when they save it)",
          label);
  PictureRecord record;
  try {
    const Json root = Json::parse(json);
    record.command = root.at("command").get<std::vector<std::string>>();
    record.seed = root.at("seed").get<uint64_t>();
    record.model = root.at("model").at("name").get<std::string>();
    record.model_hash = root.at("model").at("sha256").get<std::string>();
    for (const Json& input : root.at("inputs"))
      record.inputs.emplace_back(input.at("file").get<std::string>(), input.at("sha256").get<std::string>());
    record.threads = root.at("threads").get<int>();
    record.version = root.at("version").get<std::string>();
    record.part = root.value("part", "");
    if (!plans.empty()) record.plans = Json::parse(plans).get<std::vector<std::string>>();
  } catch (const nlohmann::json::exception& e) {
    fail(ErrorKind::format, "{}: the record of how it was made is damaged: {}", label, e.what());
  }
  require(!record.command.empty() && record.threads >= 1 && record.threads <= 1024, ErrorKind::format,
          "{}: the record of how it was made is damaged: {} words, {} threads", label, record.command.size(),
          record.threads);
  require(record.part.find('/') == record.part.npos, ErrorKind::format,
          "{}: the record of how it was made is damaged: \"{}\" is no name of a file", label, record.part);
  return record;
}

}  // namespace fovea
