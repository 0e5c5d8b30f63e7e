// Files of codes: written in one go and as they come, read again, damaged, foreign.
#include "fovea/features/codes.h"

#include <fstream>

#include "fovea/features/codes_writer.h"
#include "fovea/features/map_file.h"
#include "fovea/formats/npy_write.h"
#include "fovea/formats/zip_file.h"
#include "fovea/formats/zip_stream.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using testing_data::expect_error;

std::string content(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class CodesFile : public testing_data::WithFolder {
 protected:
  // Record i: label i % 3, code (i, i + 0.5, −i), a picture of 2 x 1 grey pixels.
  static std::vector<CodeRecord> records(int64_t first, int64_t count, std::vector<float>& codes) {
    std::vector<CodeRecord> result(static_cast<size_t>(count));
    codes.clear();
    for (int64_t i = first; i < first + count; ++i)
      for (const float v : {static_cast<float>(i), static_cast<float>(i) + 0.5f, -static_cast<float>(i)})
        codes.push_back(v);
    for (int64_t i = 0; i < count; ++i) {
      CodeRecord& record = result[static_cast<size_t>(i)];
      record.label = (first + i) % 3;
      record.broken = first + i == 4;
      record.code = codes.data() + i * 3;
      if (!record.broken) record.thumbnail = {static_cast<uint8_t>(first + i), 200};
    }
    return result;
  }
  static void write(CodesWriter& writer, int64_t first, int64_t count) {
    std::vector<float> codes;
    writer.append(records(first, count, codes));
  }
  static void finish(CodesWriter& writer) {
    CodesOrigin origin{"fc7", "none", "net", "0123", "whole", "set", {{"model", "net.onnx"}}};
    writer.finish(origin, {"a", "b", "c, d"}, [](int64_t i) { return fmt::format("picture {}", i); });
  }
  static constexpr CodesWriter::Layout kLayout{3, 1, 2, 1};
};

TEST_F(CodesFile, WrittenInPiecesReadAsOne) {
  {
    CodesWriter writer(folder_ / "a.npz", kLayout, "run");
    EXPECT_EQ(writer.done(), 0);
    writer.remember("plan");
    write(writer, 0, 3);
    write(writer, 3, 4);
    EXPECT_EQ(writer.broken(), std::vector<int64_t>{4});
    finish(writer);
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "a.npz.part"));
  const Codes codes = read_codes(folder_ / "a.npz");
  ASSERT_EQ(codes.count(), 6);
  EXPECT_EQ(codes.dimensions(), 3);
  EXPECT_EQ(codes.indices, (std::vector<int64_t>{0, 1, 2, 3, 5, 6}));
  EXPECT_EQ(codes.labels, (std::vector<int64_t>{0, 1, 2, 0, 2, 0}));
  EXPECT_EQ(codes.names[4], "picture 5");
  EXPECT_EQ(codes.class_of(4), "c");
  EXPECT_EQ(codes.values.at(4 * 3 + 1), 5.5);
  EXPECT_EQ(codes.thumbnail(5).at(0, 0, 0), 6);
  EXPECT_EQ(codes.thumbnail(5).at(1, 0, 0), 200);
  EXPECT_EQ(codes.origin.layer, "fc7");
  EXPECT_EQ(codes.origin.options.at("model"), "net.onnx");
  // In one go: the same bytes.
  write_codes(folder_ / "b.npz", codes);
  EXPECT_EQ(content(folder_ / "a.npz"), content(folder_ / "b.npz"));
}

TEST_F(CodesFile, GoesOnAfterAKill) {
  {
    CodesWriter writer(folder_ / "whole.npz", kLayout, "run");
    write(writer, 0, 7);
    finish(writer);
  }
  {
    CodesWriter writer(folder_ / "a.npz", kLayout, "run");
    writer.remember("plan");
    write(writer, 0, 3);
    write(writer, 3, 2);
  }
  // Killed in the middle of a record.
  std::ofstream(folder_ / "a.npz.part", std::ios::binary | std::ios::app) << "half a rec";
  {
    CodesWriter writer(folder_ / "a.npz", kLayout, "run");
    EXPECT_EQ(writer.done(), 5);
    EXPECT_FALSE(writer.replaced());
    EXPECT_EQ(writer.remembered(), "plan");
    expect_error(ErrorKind::io, {"another process"}, [&] { CodesWriter(folder_ / "a.npz", kLayout, "run"); });
    writer.keep(3);
    write(writer, 3, 4);
    finish(writer);
  }
  EXPECT_EQ(content(folder_ / "a.npz"), content(folder_ / "whole.npz"));
}

TEST_F(CodesFile, AnotherRunBeginsAnew) {
  {
    CodesWriter writer(folder_ / "a.npz", kLayout, "run");
    write(writer, 0, 3);
  }
  CodesWriter writer(folder_ / "a.npz", kLayout, "other run");
  EXPECT_TRUE(writer.replaced());
  EXPECT_EQ(writer.done(), 0);
  write_file(folder_ / "b.npz.part", std::string_view("FOVCODE1 and then nonsense that is long enough to be a head"));
  CodesWriter nonsense(folder_ / "b.npz", kLayout, "run");
  EXPECT_TRUE(nonsense.replaced());
  std::vector<float> codes;
  auto broken = records(4, 1, codes);
  nonsense.append(broken);
  expect_error(ErrorKind::format, {"0 of 1 picture can be read"}, [&] { finish(nonsense); });
}

TEST_F(CodesFile, ForeignMatricesAreTaken) {
  const auto npy = [&](const char* name, const Tensor& t) { write_file(folder_ / name, npy_bytes(t)); };
  npy("m.npy", Tensor::of<double>({2, 3}, {1, 2, 3, 4, 5, 6}));
  const Codes plain = read_codes(folder_ / "m.npy");
  EXPECT_EQ(plain.count(), 2);
  EXPECT_EQ(plain.values.at(5), 6);
  EXPECT_EQ(plain.names[1], "row 1");
  EXPECT_FALSE(plain.has_labels());
  write_file(folder_ / "x.npz",
             npz_bytes({{"X", Tensor::of<float>({2, 1}, {1, 2})}, {"y", Tensor::of<float>({2}, {3, 0})}}));
  EXPECT_EQ(read_codes(folder_ / "x.npz").labels, (std::vector<int64_t>{3, 0}));
}

TEST_F(CodesFile, SaysWhatIsWrong) {
  const auto npz = [&](std::vector<std::pair<std::string, Tensor>> arrays) {
    write_file(folder_ / "x.npz", npz_bytes(arrays));
    return folder_ / "x.npz";
  };
  const Tensor codes = Tensor::of<float>({2, 2}, {1, 2, 3, 4});
  expect_error(ErrorKind::format, {"no codes", "arr_0"}, [&] { read_codes(npz({{"weights", codes}})); });
  expect_error(ErrorKind::format, {"2x2x1", "matrix"}, [&] {
    read_codes(npz({{"codes", codes.reshaped({2, 2, 1})}}));
  });
  expect_error(ErrorKind::format, {"2 rows", "3 labels"}, [&] {
    read_codes(npz({{"codes", codes}, {"labels", Tensor::ints({1, 2, 3})}}));
  });
  expect_error(ErrorKind::format, {"0.5", "whole"}, [&] {
    read_codes(npz({{"codes", codes}, {"labels", Tensor::of<float>({2}, {0.5f, 1})}}));
  });
  expect_error(ErrorKind::format, {"row 1", "not finite"}, [&] {
    read_codes(npz({{"codes", Tensor::of<float>({2, 2}, {1, 2, NAN, 4})}}));
  });
  expect_error(ErrorKind::format, {"thumbnails"}, [&] {
    read_codes(npz({{"codes", codes}, {"thumbnails", Tensor(DType::u8, {3, 1, 1, 1})}}));
  });
  write_file(folder_ / "t.npz", std::string_view("text"));
  expect_error(ErrorKind::format, {"t.npz", "no file of codes"}, [&] { read_codes(folder_ / "t.npz"); });
  expect_error(ErrorKind::io, {"missing.npz"}, [&] { read_codes(folder_ / "missing.npz"); });
  {
    ZipStream zip(folder_ / "m.npz");
    const std::vector<std::byte> array = npy_bytes(codes);
    zip.add("codes.npy", array);
    zip.add("meta.json", std::as_bytes(std::span("{\"names\": [1, 2", 15)));
    zip.finish();
  }
  expect_error(ErrorKind::format, {"m.npz", "meta.json"}, [&] { read_codes(folder_ / "m.npz"); });
}

TEST_F(CodesFile, TheStreamIsAZipAsOthersReadIt) {
  const std::string text(70000, 'x');
  {
    ZipStream zip(folder_ / "z.zip");
    zip.begin("a.txt", 5, 1);
    zip.write(std::as_bytes(std::span("hel", 3)));
    expect_error(ErrorKind::internal, {"missing"}, [&] { zip.end(); });
    zip.write(std::as_bytes(std::span("lo", 2)));
    expect_error(ErrorKind::internal, {"more bytes"}, [&] { zip.write(std::as_bytes(std::span("!", 1))); });
    zip.end();
    zip.add("b/long.bin", std::as_bytes(std::span(text)));
    EXPECT_FALSE(std::filesystem::exists(folder_ / "z.zip"));
    zip.finish();
  }
  ZipFile zip(Bytes::map(folder_ / "z.zip"));
  ASSERT_EQ(zip.entries().size(), 2u);
  EXPECT_EQ(zip.read(*zip.find("a.txt")).view(), "hello");
  EXPECT_EQ(zip.read(*zip.find("b/long.bin")).view(), text);
  { ZipStream abandoned(folder_ / "never.zip"); }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator()), 1);
}

TEST_F(CodesFile, AMapKeepsWhatPlacingNeeds) {
  MapFile map;
  map.codes.values = Tensor::of<float>({3, 1}, {-1, 0, 1});
  map.codes.labels = {0, 1, -1};
  map.codes.indices = {0, 1, 2};
  map.codes.names = {"a", "b", "c"};
  map.codes.classes = {"x", "y"};
  map.pca = {{1, 2}, {0.6f, 0.8f}, {1}, 1.5, "covariance"};
  map.positions = {{1, 2, 3}, {4, 5, 6}};
  map.method = "pca";
  write_map(folder_ / "m.npz", map);
  EXPECT_TRUE(is_map_file(folder_ / "m.npz"));
  const MapFile again = read_map(folder_ / "m.npz");
  EXPECT_EQ(again.positions.x, map.positions.x);
  EXPECT_EQ(again.positions.y, map.positions.y);
  EXPECT_EQ(again.pca.components, map.pca.components);
  EXPECT_EQ(again.codes.labels, map.codes.labels);
  write_map(folder_ / "n.npz", again);
  EXPECT_EQ(content(folder_ / "m.npz"), content(folder_ / "n.npz"));
  Codes fresh;
  fresh.values = Tensor::of<float>({1, 2}, {2, 2});
  EXPECT_NEAR(place_codes({}, again, fresh).x[0], 0.6, 1e-6);
  fresh.values = Tensor::of<float>({1, 3}, {2, 2, 2});
  expect_error(ErrorKind::usage, {"3 numbers", "length 2"}, [&] { place_codes({}, again, fresh); });
  write_codes(folder_ / "c.npz", map.codes);
  EXPECT_FALSE(is_map_file(folder_ / "c.npz"));
  expect_error(ErrorKind::format, {"c.npz", "reduced"}, [&] { read_map(folder_ / "c.npz"); });
}

}  // namespace
}  // namespace fovea
