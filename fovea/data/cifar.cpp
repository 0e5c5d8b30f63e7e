// A record of CIFAR-10: one label byte (0..9), then 3072 bytes: the red, green and blue planes, each 32x32 in rows. A
// record of CIFAR-100 has two label bytes, coarse (0..19) and fine (0..99). Source: A. Krizhevsky, "Learning multiple
// layers of features from tiny images" (2009) and the page of the data sets, section "Binary version".
#include "fovea/data/cifar.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/base/parallel_tasks.h"
#include "fovea/data/packed.h"

namespace fovea {

namespace {

constexpr int kSide = 32;
constexpr size_t kPixels = size_t{kSide} * kSide, kPicture = 3 * kPixels;

size_t label_bytes(CifarKind kind) { return kind == CifarKind::cifar10 ? 1 : 2; }
size_t record_size(CifarKind kind) { return label_bytes(kind) + kPicture; }

int byte_at(const Bytes& file, size_t offset) { return std::to_integer<int>(file.data()[offset]); }

// The number of the first record whose label is out of range, or -1.
int64_t wrong_record(const Bytes& file, CifarKind kind) {
  const size_t each = record_size(kind), count = file.size() / each;
  for (size_t i = 0; i < count; ++i) {
    const int first = byte_at(file, i * each);
    const bool right = kind == CifarKind::cifar10 ? first < 10 : first < 20 && byte_at(file, i * each + 1) < 100;
    if (!right) return static_cast<int64_t>(i);
  }
  return -1;
}

void require_labels(const Bytes& file, CifarKind kind) {
  const int64_t wrong = wrong_record(file, kind);
  if (wrong < 0) return;
  const size_t at = static_cast<size_t>(wrong) * record_size(kind);
  if (kind == CifarKind::cifar10)
    fail(ErrorKind::format, "{}: record {} (byte {}) has label {}, expected 0 to 9", file.label(), wrong, at,
         byte_at(file, at));
  fail(ErrorKind::format, "{}: record {} (byte {}) has labels {} and {}, expected 0 to 19 and 0 to 99", file.label(),
       wrong, at, byte_at(file, at), byte_at(file, at + 1));
}

}  // namespace

CifarKind cifar_kind(const Bytes& records) {
  const bool ten = records.size() % record_size(CifarKind::cifar10) == 0;
  const bool hundred = records.size() % record_size(CifarKind::cifar100) == 0;
  require(
      !records.empty() && (ten || hundred), ErrorKind::format,
      "{}: {} bytes beginning with {} are no CIFAR file: expected a multiple of 3073 (CIFAR-10) or 3074 (CIFAR-100)",
      records.label(), records.size(), first_bytes(records));
  if (ten && hundred) return wrong_record(records, CifarKind::cifar10) < 0 ? CifarKind::cifar10 : CifarKind::cifar100;
  return ten ? CifarKind::cifar10 : CifarKind::cifar100;
}

const std::vector<std::string>& cifar_classes(CifarKind kind) {
  static const std::vector<std::string> ten = {"airplane", "automobile", "bird",  "cat",  "deer",
                                               "dog",      "frog",       "horse", "ship", "truck"};
  static const std::vector<std::string> hundred = {
      "apple",      "aquarium_fish", "baby",         "bear",       "beaver",      "bed",         "bee",
      "beetle",     "bicycle",       "bottle",       "bowl",       "boy",         "bridge",      "bus",
      "butterfly",  "camel",         "can",          "castle",     "caterpillar", "cattle",      "chair",
      "chimpanzee", "clock",         "cloud",        "cockroach",  "couch",       "crab",        "crocodile",
      "cup",        "dinosaur",      "dolphin",      "elephant",   "flatfish",    "forest",      "fox",
      "girl",       "hamster",       "house",        "kangaroo",   "keyboard",    "lamp",        "lawn_mower",
      "leopard",    "lion",          "lizard",       "lobster",    "man",         "maple_tree",  "motorcycle",
      "mountain",   "mouse",         "mushroom",     "oak_tree",   "orange",      "orchid",      "otter",
      "palm_tree",  "pear",          "pickup_truck", "pine_tree",  "plain",       "plate",       "poppy",
      "porcupine",  "possum",        "rabbit",       "raccoon",    "ray",         "road",        "rocket",
      "rose",       "sea",           "seal",         "shark",      "shrew",       "skunk",       "skyscraper",
      "snail",      "snake",         "spider",       "squirrel",   "streetcar",   "sunflower",   "sweet_pepper",
      "table",      "tank",          "telephone",    "television", "tiger",       "tractor",     "train",
      "trout",      "tulip",         "turtle",       "wardrobe",   "whale",       "willow_tree", "wolf",
      "woman",      "worm"};
  return kind == CifarKind::cifar10 ? ten : hundred;
}

Cifar::Cifar(const std::vector<Bytes>& files, std::string description, std::vector<std::string> classes)
    : files_(files.size()), classes_(std::move(classes)), description_(std::move(description)) {
  require(!files.empty(), ErrorKind::usage, "no CIFAR files are given");
  parallel_tasks(static_cast<int64_t>(files.size()),
                 [&](int64_t i) { files_[static_cast<size_t>(i)] = unpacked_part(files[static_cast<size_t>(i)]); });
  kind_ = cifar_kind(files_[0]);
  for (const Bytes& file : files_) {
    require(!file.empty() && file.size() % record_size(kind_) == 0, ErrorKind::format,
            "{}: {} bytes are no whole number of records of {} bytes, as {} has them", file.label(), file.size(),
            record_size(kind_), files_[0].label());
    require_labels(file, kind_);
    starts_.push_back(starts_.back() + static_cast<int64_t>(file.size() / record_size(kind_)));
  }
  const std::vector<std::string>& usual = cifar_classes(kind_);
  if (classes_.empty()) classes_ = usual;
  require(classes_.size() == usual.size(), ErrorKind::format, "{}: {} names for its {} classes", files_[0].label(),
          classes_.size(), usual.size());
}

const uint8_t* Cifar::record(int64_t index) const {
  require(index >= 0 && index < size(), ErrorKind::usage, "there is no picture {} of {}", index, size());
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), index);
  const auto file = static_cast<size_t>(after - starts_.begin()) - 1;
  return reinterpret_cast<const uint8_t*>(files_[file].data()) +
         static_cast<size_t>(index - starts_[file]) * record_size(kind_);
}

int64_t Cifar::label(int64_t index) const { return record(index)[label_bytes(kind_) - 1]; }

Sample Cifar::get(int64_t index) const {
  const uint8_t* from = record(index);
  const size_t labels = label_bytes(kind_);
  const uint8_t *red = from + labels, *green = red + kPixels, *blue = green + kPixels;
  std::vector<uint8_t> samples(kPicture);
  for (size_t i = 0; i < kPixels; ++i) {
    samples[i * 3] = red[i];
    samples[i * 3 + 1] = green[i];
    samples[i * 3 + 2] = blue[i];
  }
  return {Image::own(kSide, kSide, 3, std::move(samples)), from[labels - 1]};
}

}  // namespace fovea
