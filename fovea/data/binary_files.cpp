#include "fovea/data/binary_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "fovea/base/error.h"

namespace fovea {

namespace {

using Names = std::map<std::string, std::string>;  // without packing → as it is there

bool is_idx_pictures(std::string_view plain) {
  return plain.find("images") != plain.npos &&
         (plain.find("ubyte") != plain.npos || plain.ends_with(".idx") || plain.find("idx3") != plain.npos);
}
bool is_idx_labels(std::string_view plain) {
  return plain.find("labels") != plain.npos &&
         (plain.find("ubyte") != plain.npos || plain.ends_with(".idx") || plain.find("idx1") != plain.npos);
}

// The number in data_batch_3.bin; 0 for another name.
int batch_number(std::string_view plain) {
  constexpr std::string_view kBefore = "data_batch_", kAfter = ".bin";
  if (!plain.starts_with(kBefore) || !plain.ends_with(kAfter)) return 0;
  plain.remove_prefix(kBefore.size());
  if (plain.size() <= kAfter.size() || plain.size() > kAfter.size() + 3) return 0;
  plain.remove_suffix(kAfter.size());
  int number = 0;
  for (const char c : plain) {
    if (c < '0' || c > '9') return 0;
    number = number * 10 + (c - '0');
  }
  return number;
}

// train, test or val; empty for a name that tells nothing.
std::string split_of(std::string_view plain) {
  if (plain.find("train") != plain.npos) return "train";
  if (plain.find("t10k") != plain.npos || plain.find("test") != plain.npos) return "test";
  return plain.find("val") != plain.npos ? "val" : "";
}

std::optional<BinaryFiles> idx_files(const Names& names, const std::string& split, const std::string& where) {
  std::vector<std::string> here, others;
  for (const auto& [plain, name] : names) {
    if (!is_idx_pictures(plain)) continue;
    const std::string of = split_of(plain);
    (of == split || of.empty() ? here : others).push_back(plain);
  }
  if (here.empty() && others.empty()) return std::nullopt;
  require(!here.empty(), ErrorKind::io, "{}: has no {} split, only {}", where, split, fmt::join(others, ", "));
  require(here.size() == 1, ErrorKind::usage, "{}: holds several sets ({}); give one of these files", where,
          fmt::join(here, ", "));
  const std::string labels = label_file_name(here[0]);
  const auto found = names.find(labels);
  require(found != names.end(), ErrorKind::io, "{}: the labels of {} are missing: expected {} (or {}.gz) beside it",
          where, names.at(here[0]), labels, labels);
  return BinaryFiles{false, {names.at(here[0])}, found->second, {}};
}

std::optional<BinaryFiles> cifar_files(const Names& names, const std::string& split, const std::string& where) {
  BinaryFiles result{true, {}, {}, {}};
  std::map<int, std::string> batches;
  for (const auto& [plain, name] : names)
    if (const int number = batch_number(plain); number > 0) batches[number] = name;
  const bool test_batch = names.count("test_batch.bin") > 0, ten = test_batch || !batches.empty();
  const bool hundred = names.count("test.bin") > 0 || names.count("train.bin") > 0;
  if (!ten && !hundred) return std::nullopt;
  require(!ten || !hundred, ErrorKind::usage, "{}: holds the files of both CIFAR-10 and CIFAR-100; give one of them",
          where);
  const auto add = [&](const std::string& plain) {
    if (const auto found = names.find(plain); found != names.end()) result.pictures.push_back(found->second);
  };
  if (hundred) {
    if (split == "train" || split == "test") add(split + ".bin");
  } else if (split == "test") {
    add("test_batch.bin");
  } else if (split == "train" && !batches.empty()) {
    for (int number = 1; number <= batches.rbegin()->first; ++number) {
      require(batches.count(number) > 0, ErrorKind::io, "{}: data_batch_{}.bin is missing, data_batch_{}.bin is there",
              where, number, batches.rbegin()->first);
      result.pictures.push_back(batches[number]);
    }
  }
  require(!result.pictures.empty(), ErrorKind::io, "{}: has no {} split of CIFAR-{}; expected {}", where, split,
          ten ? 10 : 100,
          split == "val"    ? "one of the splits train and test"
          : hundred         ? split + ".bin"
          : split == "test" ? "test_batch.bin"
                            : "data_batch_1.bin and so on");
  if (const auto found = names.find(ten ? "batches.meta.txt" : "fine_label_names.txt"); found != names.end())
    result.class_names = found->second;
  return result;
}

}  // namespace

std::string_view without_packing(std::string_view name) {
  static constexpr std::array<std::string_view, 4> kEndings = {".gz", ".xz", ".bz2", ".zst"};
  for (const std::string_view ending : kEndings)
    if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  return name;
}

bool is_binary_file_name(std::string_view name) {
  const std::string_view plain = without_packing(name);
  return is_idx_pictures(plain) || is_idx_labels(plain) || batch_number(plain) > 0 || plain == "test_batch.bin" ||
         plain == "train.bin" || plain == "test.bin" || plain == "batches.meta.txt" || plain == "fine_label_names.txt";
}

std::string label_file_name(const std::string& pictures) {
  std::string name(without_packing(pictures));
  const size_t at = name.rfind("images");
  if (at == name.npos) return {};
  name.replace(at, 6, "labels");
  if (const size_t rank = name.find("idx3", at); rank != name.npos) name.replace(rank, 4, "idx1");
  return name;
}

std::optional<BinaryFiles> binary_files(const std::vector<std::string>& names, const std::string& split,
                                        const std::string& where) {
  Names known;
  for (const std::string& name : names) {
    const std::string plain(without_packing(name));
    if (!known.count(plain) || plain == name) known[plain] = name;
  }
  std::optional<BinaryFiles> idx = idx_files(known, split, where);
  return idx ? idx : cifar_files(known, split, where);
}

}  // namespace fovea
