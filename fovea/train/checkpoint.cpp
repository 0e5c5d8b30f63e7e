#include "fovea/train/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "fovea/base/bytes.h"
#include "fovea/base/error.h"
#include "fovea/data/checksum.h"
#include "fovea/formats/safetensors_read.h"
#include "fovea/formats/safetensors_write.h"
#include "fovea/graph/op.h"

namespace fovea {

namespace {

constexpr const char* kKind = "fovea checkpoint";
constexpr const char* kVersion = "1";

using Texts = std::map<std::string, std::string>;

// Of all texts but the sum itself, and all names, types and bytes, in the order of their names.
std::string sum_of(const Texts& texts, const Weights& states) {
  Digest digest;
  const auto add = [&](const std::string& line) { digest.add(std::as_bytes(std::span(line))); };
  for (const auto& [name, text] : texts)
    if (name != "sha256") add(fmt::format("{} {} {}\n", name, text.size(), text));
  for (const auto& [name, tensor] : states) {
    add(fmt::format("{} {} {}\n", name, to_string(tensor.dtype()), to_string(tensor.shape())));
    digest.add({static_cast<const std::byte*>(tensor.raw()), tensor.bytes()});
  }
  return digest.sha256();
}

const std::string& entry(const WeightsFile& file, const char* key, const std::string& label) {
  const auto found = file.metadata.find(key);
  require(found != file.metadata.end(), ErrorKind::format, "{}: the checkpoint does not say its \"{}\"", label, key);
  return found->second;
}

int64_t whole_number(const WeightsFile& file, const char* key, const std::string& label) {
  const std::string& text = entry(file, key, label);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  require(error == std::errc() && end == text.data() + text.size() && number >= 0, ErrorKind::format,
          "{}: the checkpoint's \"{}\" is \"{}\", expected a number from 0", label, key, text);
  return number;
}

std::map<std::string, double> numbers_of(const std::string& text, const std::string& label) {
  std::map<std::string, double> numbers;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  require(json.is_object(), ErrorKind::format, "{}: the checkpoint's numbers are damaged", label);
  for (const auto& [name, value] : json.items()) {
    require(value.is_number(), ErrorKind::format, "{}: the checkpoint's number \"{}\" is damaged", label, name);
    numbers[name] = value.get<double>();
  }
  return numbers;
}

}  // namespace

bool is_checkpoint(const std::map<std::string, std::string>& metadata) {
  const auto kind = metadata.find("kind");
  return kind != metadata.end() && kind->second == kKind;
}

void write_checkpoint(const Checkpoint& checkpoint, const std::filesystem::path& path) {
  Texts texts = {{"kind", kKind},
                 {"version", kVersion},
                 {"step", std::to_string(checkpoint.step)},
                 {"epoch", std::to_string(checkpoint.next.epoch)},
                 {"batch", std::to_string(checkpoint.next.batch)},
                 {"model", checkpoint.model},
                 {"recipe", checkpoint.recipe},
                 {"plan", checkpoint.plan},
                 {"threads", std::to_string(checkpoint.threads)},
                 {"numbers", nlohmann::json(checkpoint.numbers).dump()}};
  texts["sha256"] = sum_of(texts, checkpoint.states);
  write_file(path, safetensors_bytes({checkpoint.states.begin(), checkpoint.states.end()}, texts));
}

Checkpoint read_checkpoint(const std::filesystem::path& path) {
  const std::string label = path.string();
  const Bytes bytes = Bytes::map(path);
  require(is_safetensors(bytes), ErrorKind::format, "{}: this is no checkpoint of fovea", label);
  WeightsFile file = read_safetensors(bytes);
  require(is_checkpoint(file.metadata), ErrorKind::format,
          "{}: this file holds weights, but it is no checkpoint of a run", label);
  const std::string& version = entry(file, "version", label);
  require(version == kVersion, ErrorKind::unsupported,
          "{}: a checkpoint of version {}, expected {}: it was written by another version of fovea", label, version,
          kVersion);
  Checkpoint checkpoint;
  checkpoint.step = whole_number(file, "step", label);
  checkpoint.next = {whole_number(file, "epoch", label), whole_number(file, "batch", label)};
  checkpoint.model = entry(file, "model", label);
  checkpoint.recipe = entry(file, "recipe", label);
  checkpoint.plan = entry(file, "plan", label);
  checkpoint.threads = static_cast<int>(whole_number(file, "threads", label));
  checkpoint.numbers = numbers_of(entry(file, "numbers", label), label);
  checkpoint.states = std::move(file.weights);
  require(sum_of(file.metadata, checkpoint.states) == entry(file, "sha256", label), ErrorKind::format,
          "{}: the checkpoint is damaged: it does not have the SHA-256 that was written with it", label);
  return checkpoint;
}

std::string fingerprint(const Model& model) {
  // What says a size that follows from the picture's, or the batch.
  static constexpr std::string_view kSizes[] = {"input", "reshape", "expand"};
  Digest digest;
  for (const Node& node : model.graph.nodes()) {
    std::string line(node.op->name);
    for (const Value& from : node.inputs) line += fmt::format(" {}.{}", from.node, from.output);
    if (node.op->name == "parameter") line += fmt::format(" {} {}", node.name, to_string(node.outputs[0]));
    else if (std::find(std::begin(kSizes), std::end(kSizes), node.op->name) == std::end(kSizes))
      line += " " + node.attributes.text();
    line += '\n';
    digest.add(std::as_bytes(std::span(line)));
  }
  return digest.sha256().substr(0, 16);
}

}  // namespace fovea
