// Weights: torchvision 0.14, torchvision/models/*.py; the eight digits in a file's name begin its SHA-256. VGG of
// Oxford for PyTorch: J. Johnson, web.eecs.umich.edu/~justincj. GoogLeNet of BVLC and its SHA-1:
// github.com/BVLC/caffe, models/bvlc_googlenet/readme.md. Data sets: the MD5 sums that torchvision and the
// publishers (yann.lecun.com/exdb/mnist, github.com/zalandoresearch/fashion-mnist, cs.toronto.edu/~kriz/cifar.html)
// name.
#include "fovea/data/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace fovea {

namespace {

using Kind = CatalogueEntry::Kind;

// 7be5be79 from alexnet-owt-7be5be79.pth; empty when the name does not end in eight or more hexadecimal digits.
std::string digits_of(std::string_view file) {
  const std::string_view stem = file.substr(0, file.rfind('.'));
  const size_t dash = stem.rfind('-');
  if (dash == stem.npos || dash == 0) return "";
  const std::string_view digits = stem.substr(dash + 1);
  const auto hexadecimal = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (digits.size() < 8 || digits.size() > 64 || !std::all_of(digits.begin(), digits.end(), hexadecimal)) return "";
  return std::string(digits);
}

CatalogueEntry weights(std::string name, std::string file, int64_t parameters, std::string description,
                       std::string base = "https://download.pytorch.org/models/") {
  CatalogueEntry entry{std::move(name), Kind::weights, "weights", std::move(description), {}, {}};
  entry.files.push_back({file, {base + file}, {Checksum::Kind::sha256, digits_of(file)}, 0, 4 * parameters, ""});
  return entry;
}

// DeepDream's network, with the two heads that it was trained with.
CatalogueEntry googlenet_of_bvlc() {
  CatalogueEntry entry{"googlenet_bvlc", Kind::weights, "weights", "GoogLeNet of BVLC (Caffe), DeepDream's", {}, {}};
  entry.files.push_back({"bvlc_googlenet.caffemodel",
                         {"http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel"},
                         {Checksum::Kind::sha1, "405fc5acd08a3bb12de8ee5e23a96bec22f08204"},
                         0,
                         4 * 13378280,
                         ""});
  return entry;
}

std::vector<CatalogueEntry> weight_entries() {
  const std::string michigan = "https://web.eecs.umich.edu/~justincj/models/";
  return {
      weights("alexnet", "alexnet-owt-7be5be79.pth", 61100840, "AlexNet (one weird trick), torchvision"),
      weights("vgg11", "vgg11-8a719046.pth", 132863336, "VGG A, torchvision"),
      weights("vgg13", "vgg13-19584684.pth", 133047848, "VGG B, torchvision"),
      weights("vgg16", "vgg16-397923af.pth", 138357544, "VGG D, torchvision"),
      weights("vgg19", "vgg19-dcbb9e9d.pth", 143667240, "VGG E, torchvision"),
      weights("vgg11_bn", "vgg11_bn-6002323d.pth", 132868840, "VGG A with batch norm, torchvision"),
      weights("vgg13_bn", "vgg13_bn-abd245e5.pth", 133053736, "VGG B with batch norm, torchvision"),
      weights("vgg16_bn", "vgg16_bn-6c64b313.pth", 138365992, "VGG D with batch norm, torchvision"),
      weights("vgg19_bn", "vgg19_bn-c79401a0.pth", 143678248, "VGG E with batch norm, torchvision"),
      weights("vgg16_caffe", "vgg16-00b39a1b.pth", 138357544, "VGG D of Oxford (BGR 0..255), by J. Johnson", michigan),
      weights("vgg19_caffe", "vgg19-d01eb7cb.pth", 143667240, "VGG E of Oxford (BGR 0..255), by J. Johnson", michigan),
      weights("resnet18", "resnet18-f37072fd.pth", 11689512, "ResNet-18, torchvision"),
      weights("resnet34", "resnet34-b627a593.pth", 21797672, "ResNet-34, torchvision"),
      weights("resnet50", "resnet50-0676ba61.pth", 25557032, "ResNet-50, torchvision, first weights"),
      weights("resnet101", "resnet101-63fe2227.pth", 44549160, "ResNet-101, torchvision, first weights"),
      weights("resnet152", "resnet152-394f9c45.pth", 60192808, "ResNet-152, torchvision, first weights"),
      weights("resnet50_v2", "resnet50-11ad3fa6.pth", 25557032,
              "ResNet-50, torchvision, second weights (short side 232)"),
      weights("resnet101_v2", "resnet101-cd907fc2.pth", 44549160,
              "ResNet-101, torchvision, second weights (short side 232)"),
      weights("resnet152_v2", "resnet152-f82ba261.pth", 60192808,
              "ResNet-152, torchvision, second weights (short side 232)"),
      googlenet_of_bvlc(),
      weights("googlenet", "googlenet-1378be20.pth", 13004888, "GoogLeNet with batch norm and heads, torchvision"),
      weights("squeezenet1_0", "squeezenet1_0-b66bff10.pth", 1248424, "SqueezeNet 1.0, torchvision"),
      weights("squeezenet1_1", "squeezenet1_1-b8a52dc0.pth", 1235496, "SqueezeNet 1.1, torchvision"),
      weights("densenet121", "densenet121-a639ec97.pth", 7978856, "DenseNet-121, torchvision"),
      weights("densenet161", "densenet161-8d451a50.pth", 28681000, "DenseNet-161, torchvision"),
      weights("densenet169", "densenet169-b2777c0a.pth", 14149480, "DenseNet-169, torchvision"),
      weights("densenet201", "densenet201-c1103571.pth", 20013928, "DenseNet-201, torchvision"),
  };
}

// Four IDX files under the names of MNIST.
struct IdxFile {
  const char* name;
  const char* md5;
  int64_t bytes;
  const char* content_md5;
};

CatalogueEntry idx_entry(std::string name, std::string description, const std::vector<std::string>& bases,
                         const std::vector<IdxFile>& files) {
  CatalogueEntry entry{name, Kind::data, name, std::move(description), {}, {}};
  for (const IdxFile& f : files) {
    CatalogueFile file{f.name, {}, {Checksum::Kind::md5, f.md5}, f.bytes, 0, f.content_md5};
    for (const std::string& base : bases) file.addresses.push_back(base + f.name);
    entry.files.push_back(std::move(file));
  }
  return entry;
}

CatalogueEntry cifar_entry(std::string name, std::string description, std::string file, std::string md5, int64_t bytes,
                           std::vector<CataloguePart> parts) {
  CatalogueEntry entry{name, Kind::data, name, std::move(description), {}, std::move(parts)};
  entry.files.push_back(
      {file, {"https://www.cs.toronto.edu/~kriz/" + file}, {Checksum::Kind::md5, std::move(md5)}, bytes, 0, ""});
  return entry;
}

std::vector<CatalogueEntry> data_entries() {
  return {
      idx_entry("mnist", "handwritten digits, 60 000 + 10 000 of 28x28",
                {"https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"},
                {{"train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873", 9912422,
                  "6bbc9ace898e44ae57da46a324031adb"},
                 {"train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432", 28881,
                  "a25bea736e30d166cdddb491f175f624"},
                 {"t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3", 1648877,
                  "2646ac647ad5339dbf082846283269ea"},
                 {"t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c", 4542,
                  "27ae3e4e09519cfbb04c329615203637"}}),
      idx_entry("fashion-mnist", "pictures of clothes, 60 000 + 10 000 of 28x28",
                {"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"},
                {{"train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d", 0, ""},
                 {"train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe", 0, ""},
                 {"t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79", 0, ""},
                 {"t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310", 0, ""}}),
      cifar_entry("cifar10", "small photographs, 10 classes, 50 000 + 10 000 of 32x32", "cifar-10-binary.tar.gz",
                  "c32a1d4ab5d03f1284b67883e8d87530", 170052171,
                  {{"data_batch_1.bin", "5dd7e06a14cb22eb9f671a540d1b7c25"},
                   {"data_batch_2.bin", "5ea93a67294ea407fff1d09f752e9692"},
                   {"data_batch_3.bin", "942cd6a4bcdd0dd3c604fbe906cb4421"},
                   {"data_batch_4.bin", "ae636b3ba5c66a11e91e8cb52e771fcb"},
                   {"data_batch_5.bin", "53f37980c15c3d472c316c40844f3f0d"},
                   {"test_batch.bin", "803d5f7f4d78ea53de84dbe85f74fb6d"}}),
      cifar_entry("cifar100", "small photographs, 100 classes, 50 000 + 10 000 of 32x32", "cifar-100-binary.tar.gz",
                  "03b5dce01913d631647c71ecec9e9cb8", 168513733, {}),
  };
}

}  // namespace

const std::vector<CatalogueEntry>& catalogue() {
  static const std::vector<CatalogueEntry> entries = [] {
    std::vector<CatalogueEntry> all = weight_entries();
    for (CatalogueEntry& entry : data_entries()) all.push_back(std::move(entry));
    return all;
  }();
  return entries;
}

const CatalogueEntry* find_entry(std::string_view name) {
  for (const CatalogueEntry& entry : catalogue()) {
    if (entry.name == name) return &entry;
    if (entry.files.size() != 1) continue;
    const std::string_view file = entry.files[0].name;
    if (file == name || (entry.kind == Kind::weights && file.substr(0, file.rfind('.')) == name)) return &entry;
  }
  return nullptr;
}

std::vector<std::string> catalogue_names() {
  std::vector<std::string> names;
  for (const CatalogueEntry& entry : catalogue()) names.push_back(entry.name);
  return names;
}

std::optional<CatalogueEntry> entry_of_file_name(std::string_view name) {
  const bool plain = name.find_first_of("/\\") == name.npos && !name.starts_with(".") && name.size() < 200;
  const size_t dot = name.rfind('.');
  if (!plain || dot == name.npos || digits_of(name).empty()) return std::nullopt;
  for (const char c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
  CatalogueEntry entry = weights(std::string(name.substr(0, dot)), std::string(name), 0, "named by its checksum", "");
  entry.files[0].addresses.clear();
  return entry;
}

}  // namespace fovea
