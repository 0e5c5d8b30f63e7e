// PyTorch checkpoints in every encoding against the values torch wrote, and hostile ones; see
// tests/golden/torch/make.py.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <tuple>

#include "fovea/base/rng.h"
#include "fovea/formats/torch_pickle.h"
#include "fovea/formats/weights_file.h"
#include "fovea/formats/zip_file.h"
#include "tests/formats/golden_tensors.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = golden_folder("torch");

WeightsFile golden(const std::string& name) { return read_weights(kGolden / "files" / name); }

std::string joined(const std::vector<std::string>& lines) { return fmt::format("{}", fmt::join(lines, "; ")); }

TEST(Torch, EveryEncodingHoldsWhatTorchWrote) { expect_golden_tensors(kGolden, 39); }

TEST(Torch, WhatStandsBesideTheWeightsIsSaid) {
  for (const std::string name : {"nested_zip.pth", "nested_legacy.pth"}) {
    SCOPED_TRACE(name);
    const WeightsFile file = golden(name);
    const std::map<std::string, std::string> expected = {
        {"epoch", "90"},    {"arch", "resnet18"},  {"best_acc1", "70.5"}, {"loss", "0.25"},
        {"done", "true"},   {"steps", "[30, 60]"}, {"args.lr", "0.1"},    {"args.milestones", "[1, 2]"},
        {"score", "0.125"}, {"count", "12"},       {"table.a", "1"}};
    for (const auto& [key, value] : expected) {
      ASSERT_TRUE(file.metadata.contains(key)) << key;
      EXPECT_EQ(file.metadata.at(key), value) << key;
    }
    EXPECT_EQ(joined(file.notes),
              "the optimiser's state (\"optimizer\") is left out; the prefix \"module.\" is removed from every name");
  }
  EXPECT_NE(joined(golden("ema.pth").notes).find("\"params_ema\" holds tensors too; it is left out"),
            std::string::npos);
  const WeightsFile odd = golden("odd_keys.pth");
  EXPECT_EQ(odd.metadata.at("history.[0, 1]"), "2.5");
  EXPECT_EQ(odd.metadata.at("history.3.0.5"), "x");
  EXPECT_EQ(golden("zip_2.pth").kind, "PyTorch checkpoint (zip)");
  EXPECT_EQ(golden("legacy_2.pth").kind, "PyTorch checkpoint (legacy)");
  EXPECT_EQ(golden("old.tar").kind, "PyTorch checkpoint (tar)");
  EXPECT_EQ(golden("script.pt").kind, "TorchScript archive");
}

TEST(Torch, SharedStoragesStayShared) {
  const WeightsFile file = golden("views_zip.pth");
  EXPECT_EQ(file.weights.at("base").raw(), file.weights.at("same").raw());
  EXPECT_EQ(file.weights.at("base").raw() + 5 * 8 * 4, file.weights.at("row").raw());
}

TEST(Torch, HostileFilesAreRefused) {
  const auto rows = read_rows(kGolden / "bad.txt");
  ASSERT_GE(rows.size(), 60u);
  for (const auto& row : rows) {
    ASSERT_EQ(row.size(), 3u);
    SCOPED_TRACE(row[0]);
    try {
      golden(row[0]);
      ADD_FAILURE() << "was read";
    } catch (const Error& error) {
      EXPECT_EQ(to_string(error.kind()), row[1]) << error.message();
      EXPECT_NE(error.message().find(row[2]), std::string::npos) << error.message();
      EXPECT_NE(error.message().find(row[0]), std::string::npos) << "names no file: " << error.message();
    }
  }
}

// Every file cut short anywhere and with bytes changed anywhere is a WeightsFile or an Error.
TEST(Torch, DamageIsAnError) {
  size_t refused = 0, tried = 0;
  uint64_t key = 0;
  for (const std::string name :
       {"legacy_2.pth", "legacy_0.pth", "views_zip.pth", "old.tar", "nested_legacy.pth", "script.pt", "arrays.pkl"}) {
    const Bytes bytes = Bytes::map(kGolden / "files" / name);
    for (int i = 0; i < 150; ++i, ++tried) {
      std::string text(bytes.view());
      const auto draw = [&](size_t below) {
        return static_cast<size_t>(Rng(7).uniform_double(key++) * static_cast<double>(below));
      };
      if (i % 3 == 0) text.resize(draw(text.size()));
      for (int k = 0; i % 3 > 0 && k < i % 3 * 2; ++k)
        text[draw(std::min<size_t>(text.size(), 2000))] = static_cast<char>(draw(256));
      try {
        read_weights(Bytes::copy(text, name));
      } catch (const Error&) { ++refused; }
    }
  }
  EXPECT_GT(refused, tried / 4);
}

// A pickle of many references to one long list must not grow with their product.
TEST(Torch, SharedListsAreNotCopiedWithoutBound) {
  std::string text = "\x80\x02]q";
  text += '\0';
  text += "(" + std::string(200000, ')') + "e";
  for (int i = 0; i < 1000; ++i) {
    text += "c__builtin__\nset\nh";
    text += '\0';
    text += "\x85R0";
  }
  text += ".";
  PickleHeap heap(Bytes::copy(text, "shared"));
  try {
    read_pickle(heap, 0);
    FAIL() << "was read";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("makes more than"), std::string::npos) << error.message();
  }
}

// A zip bomb within deflate's ratio: refused by what its directory promises, before any memory is taken.
TEST(Torch, ZipBombsAreNotUnpacked) {
  const std::vector<std::byte> packed(size_t{3} << 19);
  ZipWriter writer;
  writer.add("archive/data.pkl", packed);
  std::vector<std::byte> bytes = writer.finish();
  const auto patch = [&](size_t at, uint32_t value, size_t size) { std::memcpy(bytes.data() + at, &value, size); };
  const size_t directory = bytes.size() - 22 - 46 - std::string_view("archive/data.pkl").size();
  for (const auto& [header, method, size] : {std::tuple(size_t{0}, 8, 22), std::tuple(directory, 10, 24)}) {
    patch(header + static_cast<size_t>(method), 8, 2);          // deflated
    patch(header + static_cast<size_t>(size), 1500u << 20, 4);  // to 1500 MiB, a thousand times as much
  }
  const std::string message = reading_error(Bytes::own(std::move(bytes)));
  EXPECT_NE(message.find("unpacks to 1572864000 bytes, too much"), std::string::npos) << message;
}

// As Python 2 wrote: byte strings, "__builtin__", pairs in lists, numbers with an L; whatever the protocol.
TEST(Torch, PicklesOfPython2) {
  const std::string number = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  std::string text = "\x80\x02" + number + "\x80\x02M\xe9\x03.\x80\x02}.";
  text +=
      "ccollections\nOrderedDict\n((l(lU\x01"
      "wactorch._utils\n_rebuild_tensor\n((U\x07storagectorch\nFloatStorage\nS'5'\nU\x03";
  text += "cpuL2L\nNtQI1\n(I1\nt(I1\nttRaatR.";
  text += "(lS'5'\na.";
  text += std::string("\2\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\x40", 16);
  const WeightsFile file = read_weights(Bytes::copy(text, "old.pth"));
  EXPECT_EQ(file.order, std::vector<std::string>{"w"});
  EXPECT_EQ(file.weights.at("w").to_doubles(), std::vector<double>{2});
}

// One long key for many storages, one long text for many values: refused, not copied each time.
TEST(Torch, LongTextsAreNotCopiedWithoutBound) {
  constexpr size_t kLong = 1000000;
  const std::string size("\x40\x42\x0f\0", 4), zero(1, '\0'), begin = std::string("\x80\x02") + "}(";
  const std::string key = begin + "S'w'\nctorch._utils\n_rebuild_tensor\n((S'storage'\nctorch\nFloatStorage\nX" + size +
                          std::string(kLong, 'k') + "S'cpu'\nI1\ntQI0\n(I1\nt(I1\nttRu.";
  ZipWriter zip;
  zip.add("archive/data.pkl", std::as_bytes(std::span(key.data(), key.size())));
  EXPECT_NE(reading_error(Bytes::own(zip.finish())).find("the key of a storage has 1000000"), std::string::npos);
  std::string texts = begin + "I0\nX" + size + std::string(kLong, 't') + "q" + zero;
  for (int i = 1; i < 1000; ++i) texts += fmt::format("I{}\nh", i) + zero;
  EXPECT_NE(reading_error(Bytes::copy(texts + "u.")).find("unpack to more than 256 MiB"), std::string::npos);
}

TEST(Torch, AnUnknownFileIsNoWeightsFile) {
  for (const std::string& text :
       {std::string(), std::string("hello"), std::string(600, 'x'), std::string("PK\x03\x04")}) {
    EXPECT_FALSE(is_weights_file(Bytes::copy(text)));
    EXPECT_THROW(read_weights(Bytes::copy(text)), Error);
  }
}

TEST(Torch, ResNet20OfCifar) {
  const char* set = std::getenv("FOVEA_DATA");
  const fs::path data = set ? fs::path(set) : fs::path(FOVEA_SOURCE_DIR) / ".." / "shared" / "data";
  const fs::path path = data / "weights/cifar10_resnet/resnet20-12fca82f.th";
  if (!fs::exists(path)) GTEST_SKIP() << "NOT TESTED: there is no " << path << "; set FOVEA_DATA";
  EXPECT_TRUE(is_weights_file(Bytes::map(path)));
  const WeightsFile file = read_weights(path);
  int64_t trained = 0;
  for (const auto& [name, tensor] : file.weights)
    if (name.find("running_") == name.npos && name.find("num_batches") == name.npos) trained += tensor.count();
  EXPECT_EQ(trained, 269722);
  EXPECT_EQ(file.order.front(), "conv1.weight");
  EXPECT_EQ(file.weights.at("conv1.weight").shape(), (Shape{16, 3, 3, 3}));
  EXPECT_EQ(file.weights.at("linear.bias").shape(), (Shape{10}));
  EXPECT_NEAR(std::stod(file.metadata.at("best_prec1")), 91.7, 0.1);
}

}  // namespace
}  // namespace fovea
