// Files of maps that are damaged, foreign or do not agree with themselves: each is refused with what is wrong.
#include "fovea/features/map_file.h"

#include <fstream>
#include <limits>

#include "fovea/formats/npy_write.h"
#include "fovea/formats/zip_file.h"
#include "fovea/formats/zip_stream.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using testing_data::expect_error;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class MapFileRefusals : public testing_data::WithFolder {
 protected:
  // Three points of two numbers each, which come of codes of three.
  static MapFile map() {
    MapFile map;
    map.codes.values = Tensor::of<float>({3, 2}, {-1, 0, 0, 1, 1, 0});
    map.codes.labels = {0, 1, -1};
    map.codes.indices = {0, 1, 2};
    map.codes.names = {"a", "b", "c"};
    map.codes.classes = {"x", "y"};
    map.codes.thumbnails = Tensor(DType::u8, {3, 2, 2, 1});
    map.pca = {{1, 2, 3}, {0.6f, 0.8f, 0, 0, 0, 1}, {1, 0.5}, 1.5, "covariance"};
    map.positions = {{1, 2, 3}, {4, 5, 6}};
    map.method = "tsne";
    map.divergence = 0.25;
    map.iterations = 100;
    map.history = {{50, 0.5}, {100, 0.1 + 0.2}};
    return map;
  }
  void refused(const MapFile& map, const std::vector<std::string>& words) const {
    write_map(folder_ / "m.npz", map);
    expect_error(ErrorKind::format, words, [&] { read_map(folder_ / "m.npz"); });
  }
  // The whole map with one entry replaced, or left out where `bytes` are empty.
  void refused_with(const std::string& entry, std::string_view bytes, const std::vector<std::string>& words) const {
    write_map(folder_ / "whole.npz", map());
    const Bytes file = Bytes::map(folder_ / "whole.npz");
    ZipFile zip(file);
    ASSERT_NE(zip.find(entry), nullptr) << entry;
    ZipStream changed(folder_ / "m.npz");
    for (const ZipFile::Entry& e : zip.entries()) {
      const Bytes content = zip.read(e);
      const std::string_view text = e.name == entry ? bytes : content.view();
      if (!text.empty()) changed.add(e.name, std::as_bytes(std::span(text)));
    }
    changed.finish();
    expect_error(ErrorKind::format, words, [&] { read_map(folder_ / "m.npz"); });
  }
  void refused_with(const std::string& entry, const Tensor& tensor, const std::vector<std::string>& words) const {
    const std::vector<std::byte> bytes = npy_bytes(tensor);
    refused_with(entry, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, words);
  }
};

TEST_F(MapFileRefusals, TheWholeOneIsRead) {
  write_map(folder_ / "m.npz", map());
  const MapFile again = read_map(folder_ / "m.npz");
  EXPECT_EQ(again.history, map().history) << "to the last bit";
  EXPECT_EQ(again.pca.components, map().pca.components);
  EXPECT_EQ(again.codes.names, map().codes.names);
}

TEST_F(MapFileRefusals, NoMapAtAll) {
  expect_error(ErrorKind::io, {"none.npz"}, [&] { read_map(folder_ / "none.npz"); });
  write("text.npz", "a map of the city");
  EXPECT_FALSE(is_map_file(folder_ / "text.npz"));
  expect_error(ErrorKind::format, {"zip"}, [&] { read_map(folder_ / "text.npz"); });
  write("empty.npz", "");
  EXPECT_FALSE(is_map_file(folder_ / "empty.npz"));
  write_map(folder_ / "m.npz", map());
  std::string half(Bytes::map(folder_ / "m.npz").view());
  half.resize(half.size() / 2);
  write("half.npz", half);
  expect_error(ErrorKind::format, {"zip"}, [&] { read_map(folder_ / "half.npz"); });
}

TEST_F(MapFileRefusals, WhatIsMissingIsNamed) {
  for (const char* name : {"reduced", "positions", "labels", "indices", "pca_components"})
    refused_with(std::string(name) + ".npy", "", {"m.npz", std::string("no array ") + name});
  for (const char* name : {"meta.json", "map.json"}) refused_with(name, "", {"m.npz", "no meta.json or map.json"});
}

TEST_F(MapFileRefusals, ArraysOfAnotherKind) {
  refused_with("positions.npy", Tensor(DType::f64, {3, 2}), {"positions is f64", "expected f32 of rank 2"});
  refused_with("positions.npy", Tensor(DType::f32, {6}), {"positions is f32 6", "rank 2"});
  refused_with("positions.npy", Tensor(DType::f32, {3, 3}), {"same number of rows"});
  refused_with("labels.npy", Tensor(DType::i32, {3}), {"labels is i32", "expected i64"});
  refused_with("thumbnails.npy", Tensor(DType::f32, {3, 2, 2, 1}), {"thumbnails is f32", "expected u8 of rank 4"});
  refused_with("thumbnails.npy", Tensor(DType::u8, {3, 2, 2, 4}), {"thumbnails are 3x2x2x4", "1 or 3"});
  refused_with("reduced.npy", "no array of numbers", {"npy"});
}

TEST_F(MapFileRefusals, RowsThatDoNotAgree) {
  for (const char* name : {"labels.npy", "indices.npy"})
    refused_with(name, Tensor(DType::i64, {2}), {"m.npz", "same number of rows"});
  refused_with("positions.npy", Tensor(DType::f32, {2, 2}), {"same number of rows"});
  refused_with("thumbnails.npy", Tensor(DType::u8, {4, 2, 2, 1}), {"same number of rows"});
  refused_with("reduced.npy", Tensor(DType::f32, {4, 2}), {"same number of rows"});
  refused_with("reduced.npy", Tensor(DType::f32, {3, 5}), {"principal components 2x3", "rows 3x5"});
  refused_with("pca_components.npy", Tensor(DType::f32, {2, 4}), {"principal components 2x4", "do not fit"});
  refused_with("pca_mean.npy", Tensor(DType::f64, {2}), {"do not fit"});
}

TEST_F(MapFileRefusals, NumbersThatAreNone) {
  MapFile broken = map();
  broken.positions.y[1] = kNan;
  refused(broken, {"m.npz", "the place of row 1 is not finite"});
  broken = map();
  broken.codes.values.set(4, std::numeric_limits<double>::infinity());
  refused(broken, {"row 2", "not finite"});
}

TEST_F(MapFileRefusals, SettingsThatCannotBeUnderstood) {
  refused_with("map.json", "{\"method\": ", {"m.npz", "map.json cannot be understood"});
  refused_with("map.json", "{}", {"cannot be understood", "method"});
  refused_with("map.json", "{\"method\": \"tsne\", \"iterations\": \"many\"}", {"cannot be understood"});
  refused_with("map.json", "{\"method\": \"tsne\", \"history\": [[50]]}", {"cannot be understood"});
  refused_with("meta.json", "[]", {"meta.json"});
}

TEST_F(MapFileRefusals, CodesOfAnotherNetworkAreNotPlaced) {
  MapFile known = map();
  known.codes.origin.fingerprint = "0123";
  known.codes.origin.network = "one";
  Codes fresh;
  fresh.values = Tensor::of<float>({1, 3}, {1, 2, 3});
  EXPECT_EQ(place_codes({}, known, fresh).count(), 1) << "of codes without an origin nothing is known";
  fresh.origin.fingerprint = "4567";
  fresh.origin.network = "other";
  expect_error(ErrorKind::usage, {"another network (other)", "(one)"}, [&] { place_codes({}, known, fresh); });
  fresh.values = Tensor::of<float>({1, 2}, {1, 2});
  expect_error(ErrorKind::usage, {"2 numbers", "length 3"}, [&] { place_codes({}, known, fresh); });
}

}  // namespace
}  // namespace fovea
