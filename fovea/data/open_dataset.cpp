#include "fovea/data/open_dataset.h"

#include <algorithm>
#include <array>
#include <map>

#include "fovea/base/counted.h"
#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/data/arrays.h"
#include "fovea/data/binary_files.h"
#include "fovea/data/cifar.h"
#include "fovea/data/idx.h"
#include "fovea/data/image_folder.h"
#include "fovea/data/label_list.h"
#include "fovea/data/packed.h"
#include "fovea/data/svhn.h"
#include "fovea/data/text_table.h"
#include "fovea/formats/archive.h"
#include "fovea/formats/npy_read.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

constexpr std::string_view kExpected =
    "IDX files (t10k-images-idx3-ubyte.gz and its labels), CIFAR batches (test_batch.bin), an archive of these, "
    "SVHN's .mat files, arrays (.npz, .npy), a table (.csv), a list of lines \"file,class\", or folders of pictures, "
    "one a class";

std::vector<std::string> text_lines(const Bytes& file) {
  require(is_text(file), ErrorKind::format, "{}: not a text file of class names", file.label());
  std::vector<std::string> lines;
  for (std::string_view text = file.view(); !text.empty();) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (!line.empty()) lines.emplace_back(line);
  }
  return lines;
}

// The set in the files that were found; `file_of` gives one by its name.
template <class FileOf>
std::unique_ptr<Dataset> opened(const BinaryFiles& found, const std::string& split, const FileOf& file_of) {
  if (!found.cifar)
    return std::make_unique<IdxDataset>(file_of(found.pictures[0]), file_of(found.labels), "IDX, " + split);
  std::vector<Bytes> files;
  for (const std::string& name : found.pictures) files.push_back(file_of(name));
  std::vector<std::string> classes;
  if (!found.class_names.empty()) classes = text_lines(unpacked_part(file_of(found.class_names)));
  const bool ten = found.pictures[0].find("batch") != std::string::npos;
  auto set = std::make_unique<Cifar>(files, fmt::format("CIFAR-{}, {}", ten ? 10 : 100, split), std::move(classes));
  require((set->kind() == CifarKind::cifar10) == ten, ErrorKind::format, "{}: expected records of CIFAR-{}, not of {}",
          files[0].label(), ten ? 10 : 100, ten ? 100 : 10);
  return set;
}

std::vector<std::string> file_names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code unknown;
    if (it->is_regular_file(unknown)) names.push_back(it->path().filename().string());
  }
  require(!error, ErrorKind::io, "{}: cannot read this folder: {}", folder.string(), error.message());
  std::sort(names.begin(), names.end());
  return names;
}

bool has_file(const std::vector<std::string>& names, const std::string& name) {
  return std::binary_search(names.begin(), names.end(), name);
}

// "3 files (a.txt, b.txt, …) and 1 folder".
std::string contents_of(const std::vector<std::string>& files, size_t folders) {
  const std::vector<std::string> some(files.begin(),
                                      files.begin() + static_cast<int64_t>(std::min<size_t>(3, files.size())));
  return fmt::format("{}{} and {}", counted(files.size(), "file"),
                     files.empty() ? "" : fmt::format(" ({}{})", fmt::join(some, ", "), files.size() > 3 ? ", …" : ""),
                     counted(folders, "folder"));
}

// A folder of one split; `description` names the set.
class Folder {
 public:
  Folder(fs::path path, const DatasetOptions& options)
      : path_(std::move(path)), options_(options), files_(file_names_in(path_)), folders_(folders_in(path_)) {}

  // Nothing when the folder holds no set.
  std::unique_ptr<Dataset> open() const {
    if (auto set = from_binaries()) return set;
    if (auto set = from_known_folder()) return set;
    if (auto set = from_svhn()) return set;
    if (auto set = from_split()) return set;
    if (auto set = from_list_or_classes()) return set;
    if (auto set = from_arrays()) return set;
    if (auto set = from_archive()) return set;
    if (auto set = from_classes()) return set;
    return from_list_above();
  }
  [[noreturn]] void refuse() const {
    const bool pickled = std::any_of(files_.begin(), files_.end(),
                                     [](const std::string& n) { return n == "data_batch_1" || n == "test_batch"; });
    fail(ErrorKind::format, "{}: no data set: it holds {}; expected {}", path_.string(),
         pickled ? "CIFAR as Python pickles (take cifar-10-binary.tar.gz instead)"
                 : contents_of(files_, folders_.size()),
         kExpected);
  }

 private:
  std::unique_ptr<Dataset> from_binaries() const {
    const auto found = binary_files(files_, options_.split, path_.string());
    if (!found) return nullptr;
    return opened(*found, options_.split, [&](const std::string& name) { return Bytes::map(path_ / name); });
  }

  // The folders that the archives of CIFAR and torchvision make.
  std::unique_ptr<Dataset> from_known_folder() const {
    static constexpr std::array<const char*, 4> kKnown = {"cifar-10-batches-bin", "cifar-100-binary", "raw", "MNIST"};
    for (const char* name : kKnown) {
      std::error_code error;
      if (!fs::is_directory(path_ / name, error)) continue;
      const Folder inner(path_ / name, options_);
      if (auto set = inner.from_binaries()) return set;
      if (fs::is_directory(path_ / name / "raw", error))
        if (auto set = Folder(path_ / name / "raw", options_).from_binaries()) return set;
    }
    return nullptr;
  }

  // A sub-folder is a split, not a class called "train" or "test", when it holds folders or a list itself.
  bool is_split(const std::string& name) const {
    std::error_code error;
    if (!fs::is_directory(path_ / name, error)) return false;
    const Folder inner(path_ / name, options_);
    return !inner.folders_.empty() || !inner.list_name().empty();
  }
  std::unique_ptr<Dataset> from_split() const {
    static const std::map<std::string, std::vector<std::string>> kNames = {
        {"train", {"train", "training"}},
        {"test", {"test", "testing", "val", "valid", "validation"}},
        {"val", {"val", "valid", "validation", "test", "testing"}}};
    std::vector<std::string> others;
    for (const std::string& name : kNames.at(options_.split)) {
      if (!is_split(name)) continue;
      const Folder inner(path_ / name, options_);
      if (auto set = inner.from_list(name)) return set;
      std::vector<std::string> known;
      if (options_.split != "train") known = trained_classes();
      return std::make_unique<ImageFiles>(class_folders(inner.path_, "folders of pictures, " + name, std::move(known)));
    }
    for (const auto& [split, names] : kNames)
      for (const std::string& name : names)
        if (is_split(name) && std::find(others.begin(), others.end(), name) == others.end()) others.push_back(name);
    require(others.empty(), ErrorKind::io, "{}: has no {} split, only {}", path_.string(), options_.split,
            fmt::join(others, ", "));
    return nullptr;
  }

  // The classes of the training set beside another part; empty when it is not there.
  std::vector<std::string> trained_classes() const {
    std::vector<std::string> names;
    for (const char* name : {"train", "training"}) {
      if (!names.empty() || !is_split(name)) continue;
      const Folder inner(path_ / name, options_);
      if (inner.list_name().empty())
        for (const fs::path& folder : inner.folders_) names.push_back(folder.filename().string());
    }
    return names;
  }

  std::unique_ptr<Dataset> from_svhn() const {
    std::vector<std::string> others;
    for (const char* split : {"train", "test", "extra"}) {
      const std::string name = std::string(split) + "_32x32.mat";
      if (!has_file(files_, name)) continue;
      if (split == options_.split)
        return std::make_unique<Svhn>(Bytes::map(path_ / name), "SVHN, " + options_.split, kMaxUnpacked);
      others.push_back(name);
    }
    require(others.empty(), ErrorKind::io, "{}: has no {} split of SVHN, only {}", path_.string(), options_.split,
            fmt::join(others, ", "));
    return nullptr;
  }

  // Arrays of the split, or of the whole set.
  std::unique_ptr<Dataset> from_arrays() const {
    std::vector<std::string> others;
    for (const char* split : {"train", "test", "val", ""})
      for (const std::string& name : array_names(split)) {
        if (!has_file(files_, name)) continue;
        for (const std::string& labels : label_array_names(name)) {
          if (!has_file(files_, labels)) continue;
          if (*split == 0 || split == options_.split)
            return array_set(read_npy(Bytes::map(path_ / name)), read_npy(Bytes::map(path_ / labels)),
                             (path_ / name).string(), *split ? "arrays, " + options_.split : "arrays");
          others.push_back(name);
          break;
        }
      }
    require(others.empty(), ErrorKind::io, "{}: has no {} split, only {}", path_.string(), options_.split,
            fmt::join(others, ", "));
    return nullptr;
  }
  static std::vector<std::string> array_names(const std::string& split) {
    if (split.empty()) return {"images.npy", "x.npy", "X.npy", "data.npy"};
    return {"x_" + split + ".npy", "X_" + split + ".npy", split + "_images.npy"};
  }

  std::string list_name() const {
    for (const std::string& stem : {std::string("labels"), options_.split})
      for (const char* ending : {".csv", ".txt"})
        if (has_file(files_, stem + ending)) return stem + ending;
    return {};
  }
  std::unique_ptr<Dataset> from_list(const std::string& split = {}) const {
    const std::string name = list_name();
    if (name.empty()) return nullptr;
    if (!name.starts_with("labels") && looks_like_table(Bytes::map(path_ / name))) return table(name);
    return std::make_unique<ImageFiles>(
        listed_files(path_ / name, {}, options_.missing_allowed,
                     "pictures listed in " + name + (split.empty() ? "" : ", " + split)));
  }

  // The table of one split; its classes are numbered as in train.csv where that is there.
  std::unique_ptr<Dataset> table(const std::string& name) const {
    TextTableOptions how{options_.label, options_.header, {}, "table"};
    const std::string trained = "train" + fs::path(name).extension().string();
    if (name != trained && has_file(files_, trained) && how.label != "none")
      how.classes = read_text_table(Bytes::map(path_ / trained), how)->classes();
    how.description = "table, " + options_.split;
    return read_text_table(Bytes::map(path_ / name), how);
  }

  // A labels.txt may also hold the names of the classes, beside their folders.
  std::unique_ptr<Dataset> from_list_or_classes() const {
    try {
      return from_list();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::format) throw;
      if (auto set = from_classes()) return set;
      throw;
    }
  }

  std::unique_ptr<Dataset> from_archive() const {
    std::vector<std::string> found;
    for (const char* name : {"cifar-10-binary.tar.gz", "cifar-100-binary.tar.gz"})
      if (has_file(files_, name)) found.emplace_back(name);
    if (found.empty()) return nullptr;
    require(found.size() == 1, ErrorKind::usage, "{}: holds several sets ({}); give one of them", path_.string(),
            fmt::join(found, ", "));
    return open_archive(Bytes::map(path_ / found[0]), options_);
  }

  std::unique_ptr<Dataset> from_classes() const {
    for (const fs::path& folder : folders_)
      if (Folder(folder, options_).has_pictures())
        return std::make_unique<ImageFiles>(class_folders(path_, "folders of pictures"));
    return nullptr;
  }
  // Whether a picture lies in the folder or in one below it.
  bool has_pictures() const {
    if (std::any_of(files_.begin(), files_.end(), [](const std::string& n) { return is_picture_name(n); })) return true;
    std::error_code error;
    for (fs::recursive_directory_iterator it(path_, error), end; !error && it != end; it.increment(error))
      if (is_picture_name(it->path())) return true;
    return false;
  }

  // Pictures whose list lies one folder above, as in imagenet/labels.csv and imagenet/images/.
  std::unique_ptr<Dataset> from_list_above() const {
    std::error_code error;
    const fs::path above = fs::weakly_canonical(path_, error).parent_path();
    if (error || !has_pictures() || !fs::is_regular_file(above / "labels.csv", error)) return nullptr;
    return std::make_unique<ImageFiles>(
        listed_files(above / "labels.csv", {path_}, options_.missing_allowed, "pictures listed in labels.csv"));
  }

  fs::path path_;
  DatasetOptions options_;
  std::vector<std::string> files_;
  std::vector<fs::path> folders_;
};

bool is_regular(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

std::unique_ptr<Dataset> open_array_file(const fs::path& path, const fs::path& folder, const Bytes& file) {
  const std::vector<std::string> names = label_array_names(path.filename().string());
  for (const std::string& name : names)
    if (is_regular(folder / name))
      return array_set(read_npy(file), read_npy(Bytes::map(folder / name)), path.string(), "arrays");
  fail(ErrorKind::io, "{}: its labels are missing: expected {} beside it", path.string(), fmt::join(names, " or "));
}

// Whether a text is a table rather than a list of pictures.
bool is_table(const fs::path& path, const Bytes& text, const DatasetOptions& options) {
  if (!options.label.empty() || options.header != "auto") return true;
  const std::string name(without_packing(path.filename().string()));
  const bool ending = name.ends_with(".csv") || name.ends_with(".tsv") || name.ends_with(".data");
  return ending && looks_like_table(text);
}

// One file: pictures in IDX (the labels lie beside it), a batch, arrays, a table, or a list.
std::unique_ptr<Dataset> open_file(const fs::path& path, const DatasetOptions& options) {
  const Bytes file = Bytes::map(path);
  if (path.extension() == ".npz") return open_npz(file, options.split);
  if (is_archive(file)) return open_archive(file, options);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const Bytes plain = unpacked_part(file);
  if (is_mat(plain)) return std::make_unique<Svhn>(plain, "SVHN", kMaxUnpacked);
  if (is_npy(plain)) return open_array_file(path, folder, plain);
  if (is_idx(plain)) {
    const std::string labels = label_file_name(path.filename().string());
    require(!labels.empty(), ErrorKind::usage, "{}: {}", path.string(),
            plain.size() > 3 && std::to_integer<int>(plain.data()[3]) == 1
                ? "holds labels; give the file of their pictures, or the folder"
                : "its name does not contain \"images\", so the file of its labels is not known; give the folder");
    for (const char* ending : {"", ".gz", ".xz", ".bz2", ".zst"}) {
      const fs::path beside = folder / (labels + ending);
      if (is_regular(beside)) return std::make_unique<IdxDataset>(plain, Bytes::map(beside), "IDX");
    }
    fail(ErrorKind::io, "{}: its labels are missing: expected {} (or {}.gz) beside it", path.string(),
         (folder / labels).string(), labels);
  }
  if (!plain.empty() && is_text(plain) && is_table(path, plain, options))
    return read_text_table(plain, {options.label, options.header, {}, "table"});
  if (!plain.empty() && is_text(plain))
    return std::make_unique<ImageFiles>(
        listed_files(path, {}, options.missing_allowed, "pictures listed in " + path.filename().string()));
  if (!plain.empty() && (plain.size() % 3073 == 0 || plain.size() % 3074 == 0)) {
    const bool ten = cifar_kind(plain) == CifarKind::cifar10;
    return std::make_unique<Cifar>(std::vector<Bytes>{plain}, ten ? "CIFAR-10" : "CIFAR-100");
  }
  fail(ErrorKind::format, "{}: no data set: {} bytes beginning with {}; expected {}", path.string(), plain.size(),
       first_bytes(plain), kExpected);
}

}  // namespace

std::unique_ptr<Dataset> open_archive(const Bytes& archive, const DatasetOptions& options, size_t limit) {
  std::vector<std::string> some;
  std::vector<ArchiveEntry> entries = read_archive(
      archive,
      [&](std::string_view path) {
        const std::string_view name = path.substr(path.rfind('/') + 1);
        if (some.size() < 3) some.emplace_back(path);
        return is_binary_file_name(name);
      },
      limit);
  std::map<std::string, Bytes> parts;
  std::vector<std::string> names;
  for (ArchiveEntry& entry : entries) {
    const std::string name = entry.path.substr(entry.path.rfind('/') + 1);
    require(parts.emplace(name, std::move(entry.data)).second, ErrorKind::usage, "{}: holds several files {}",
            archive.label(), name);
    names.push_back(name);
  }
  const auto found = binary_files(names, options.split, archive.label());
  require(found.has_value(), ErrorKind::format,
          "{}: no data set: an archive of {}; expected IDX files or CIFAR batches (unpack archives of pictures first)",
          archive.label(), some.empty() ? "nothing" : fmt::format("{}, …", fmt::join(some, ", ")));
  return opened(*found, options.split, [&](const std::string& name) { return unpacked(parts.at(name), limit); });
}

std::unique_ptr<Dataset> open_dataset(const fs::path& path, const DatasetOptions& options) {
  static const std::vector<std::string> kSplits = {"train", "test", "val"};
  require(std::find(kSplits.begin(), kSplits.end(), options.split) != kSplits.end(), ErrorKind::usage,
          "unknown split \"{}\"; known: train, test, val", options.split);
  std::error_code error;
  const auto status = fs::status(path, error);
  if (!fs::exists(status)) {
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    std::vector<std::string> names;
    for (fs::directory_iterator it(folder, error), end; !error && it != end && names.size() < 5000; it.increment(error))
      names.push_back(it->path().filename().string());
    std::sort(names.begin(), names.end());
    fail(ErrorKind::io, "{}: no such file or folder{}", path.string(), did_you_mean(path.filename().string(), names));
  }
  if (!fs::is_directory(status)) return open_file(path, options);
  const Folder folder(path, options);
  if (auto set = folder.open()) return set;
  folder.refuse();
}

}  // namespace fovea
