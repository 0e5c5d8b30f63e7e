// What is at a path is seen from what is there.
#include "fovea/data/open_dataset.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/data/label_list.h"
#include "fovea/data/relabelled.h"
#include "fovea/image/codec.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using namespace testing_data;

class OpenDataset : public WithFolder {
 protected:
  // A grey picture of one pixel value, so that it is known again.
  void picture(const std::string& name, uint8_t value) const {
    fs::create_directories((folder_ / name).parent_path());
    write_image(folder_ / name, Image::own(2, 1, 1, std::vector<uint8_t>{value, value}));
  }
  void mnist(const std::string& where = "") const {
    write(where + "t10k-images-idx3-ubyte.gz", packed(idx_pictures(3), "gz"));
    write(where + "t10k-labels-idx1-ubyte", idx({3}, std::string{1, 2, 0}));
    write(where + "train-images-idx3-ubyte", idx_pictures(4));
    write(where + "train-labels-idx1-ubyte.gz", packed(idx({4}, std::string{7, 7, 7, 7}), "gz"));
  }
  std::unique_ptr<Dataset> opened(const std::string& name = "", const std::string& split = "test") const {
    return open_dataset(name.empty() ? folder_ : folder_ / name, {split});
  }
  // "label value" of each picture.
  static std::vector<std::pair<int64_t, int>> contents(const Dataset& data) {
    std::vector<std::pair<int64_t, int>> result;
    for (int64_t i = 0; i < data.size(); ++i) {
      const Sample sample = data.get(i);
      result.emplace_back(sample.label, sample.image.at(0, 0, 0));
    }
    return result;
  }
  using Contents = std::vector<std::pair<int64_t, int>>;
};

TEST_F(OpenDataset, IdxInAFolder) {
  mnist();
  EXPECT_EQ(contents(*opened()), (Contents{{1, 0}, {2, 10}, {0, 20}}));
  EXPECT_EQ(opened("", "train")->size(), 4);
  EXPECT_EQ(opened("", "train")->get(3).label, 7);
  expect_error(ErrorKind::io, {"no val split", "t10k-images", "train-images"}, [&] { opened("", "val"); });
  expect_error(ErrorKind::usage, {"unknown split \"tests\"", "val"}, [&] { opened("", "tests"); });
}

TEST_F(OpenDataset, IdxWhereTorchvisionPutsIt) {
  mnist("MNIST/raw/");
  EXPECT_EQ(opened()->size(), 3);
  EXPECT_EQ(opened("MNIST")->size(), 3);
}

TEST_F(OpenDataset, IdxByItsFile) {
  mnist();
  EXPECT_EQ(opened("t10k-images-idx3-ubyte.gz")->size(), 3);
  EXPECT_EQ(opened("train-images-idx3-ubyte")->get(0).label, 7);
  expect_error(ErrorKind::usage, {"holds labels"}, [&] { opened("t10k-labels-idx1-ubyte"); });
  fs::remove(folder_ / "t10k-labels-idx1-ubyte");
  for (const char* name : {"", "t10k-images-idx3-ubyte.gz"})
    expect_error(ErrorKind::io, {"labels", "missing", "t10k-labels-idx1-ubyte"}, [&] { opened(name); });
}

TEST_F(OpenDataset, SeveralIdxSetsMustBeChosenFrom) {
  for (const char* set : {"emnist-digits", "emnist-letters"}) {
    write(fmt::format("{}-test-images-idx3-ubyte", set), idx_pictures(2));
    write(fmt::format("{}-test-labels-idx1-ubyte", set), idx({2}, std::string{1, 1}));
  }
  expect_error(ErrorKind::usage, {"emnist-digits-test-images", "emnist-letters-test-images"}, [&] { opened(); });
  EXPECT_EQ(opened("emnist-letters-test-images-idx3-ubyte")->size(), 2);
}

TEST_F(OpenDataset, CifarInAFolder) {
  write("test_batch.bin.xz", packed(cifar10({5, 4}), "xz"));
  write("data_batch_1.bin", cifar10({1}));
  write("data_batch_2.bin", cifar10({2}));
  write("data_batch_2.bin.xz", "never read, the plain file is there");
  write("data_batch_10.bin.gz", packed(cifar10({9}), "gz"));
  EXPECT_EQ(opened()->size(), 2);
  EXPECT_EQ(opened()->description(), "CIFAR-10, test");
  expect_error(ErrorKind::io, {"data_batch_3.bin is missing"}, [&] { opened("", "train"); });
  for (int k = 3; k <= 9; ++k) write(fmt::format("data_batch_{}.bin", k), cifar10({k - 1}));
  const auto train = opened("", "train");
  ASSERT_EQ(train->size(), 10);
  EXPECT_EQ(train->get(8).label, 8);
  EXPECT_EQ(train->get(9).label, 9);  // the tenth batch comes last
  expect_error(ErrorKind::io, {"no val split"}, [&] { opened("", "val"); });
  EXPECT_EQ(opened("data_batch_2.bin")->get(0).label, 2);
  EXPECT_EQ(opened("test_batch.bin.xz")->get(0).label, 5);
  write("train.bin", cifar_record(1, 1, 1));
  expect_error(ErrorKind::usage, {"both"}, [&] { opened(); });
}

TEST_F(OpenDataset, CifarHundredInItsFolder) {
  write("cifar-100-binary/test.bin", cifar_record(2, 50, 0));
  write("cifar-100-binary/fine_label_names.txt", [] {
    std::string names;
    for (int i = 0; i < 100; ++i) names += fmt::format("kind {}\n", i);
    return names;
  }());
  EXPECT_EQ(opened()->get(0).label, 50);
  EXPECT_EQ(opened()->classes()[50], "kind 50");
  expect_error(ErrorKind::io, {"no train split", "train.bin"}, [&] { opened("", "train"); });
  write("cifar-100-binary/test.bin", cifar10({1}));
  expect_error(ErrorKind::format, {"test.bin", "100 names", "10 classes"}, [&] { opened(); });
  fs::remove(folder_ / "cifar-100-binary/fine_label_names.txt");
  expect_error(ErrorKind::format, {"test.bin", "CIFAR-100"}, [&] { opened(); });
}

TEST_F(OpenDataset, CifarInAnArchive) {
  const std::string at = "cifar-10-batches-bin/";
  const fs::path file =
      write("cifar-10-binary.tar.gz", tar_gz({{at + "batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n"},
                                              {at + "data_batch_1.bin", cifar10({1, 2})},
                                              {at + "readme.html", "<html>"},
                                              {at + "test_batch.bin", cifar10({9})}}));
  for (const char* name : {"cifar-10-binary.tar.gz", ""}) {
    EXPECT_EQ(opened(name)->get(0).label, 9);
    EXPECT_EQ(opened(name, "train")->size(), 2);
    EXPECT_EQ(opened(name)->classes()[9], "j");
  }
  const Bytes bytes = Bytes::map(file);
  write("cut.tar.gz", std::string(bytes.view().substr(0, bytes.size() / 2)));
  expect_error(ErrorKind::format, {"cut.tar.gz", "damaged"}, [&] { opened("cut.tar.gz"); });
  write("other.tar.gz", tar_gz({{"a/readme.txt", "nothing"}}));
  expect_error(ErrorKind::format, {"other.tar.gz", "a/readme.txt", "expected"}, [&] { opened("other.tar.gz"); });
  write("two.tar.gz", tar_gz({{"a/test_batch.bin", cifar10({9})}, {"b/test_batch.bin", cifar10({8})}}));
  expect_error(ErrorKind::usage, {"several", "test_batch.bin"}, [&] { opened("two.tar.gz"); });
  expect_error(ErrorKind::format, {"more than"}, [&] { open_archive(bytes, {}, 1000); });
}

TEST_F(OpenDataset, MnistInAnArchive) {
  write("mnist.tar.gz", tar_gz({{"t10k-images-idx3-ubyte.gz", packed(idx_pictures(3), "gz")},
                                {"t10k-labels-idx1-ubyte.gz", packed(idx({3}, std::string{1, 2, 0}), "gz")}}));
  EXPECT_EQ(contents(*opened("mnist.tar.gz")), (Contents{{1, 0}, {2, 10}, {0, 20}}));
}

TEST_F(OpenDataset, FoldersAreClasses) {
  picture("dog/b.png", 2);
  picture("dog/a.PGM", 1);
  picture("ant/deep/er/c.png", 3);
  picture(".hidden/d.png", 4);
  write("dog/notes.txt", "no picture");
  fs::create_directories(folder_ / "cow");  // a class without pictures keeps its number
  const auto data = opened();
  EXPECT_EQ(data->classes(), (std::vector<std::string>{"ant", "cow", "dog"}));
  EXPECT_EQ(contents(*data), (Contents{{0, 3}, {2, 1}, {2, 2}}));
  EXPECT_EQ(data->name(1), (folder_ / "dog/a.PGM").string());
}

TEST_F(OpenDataset, NamesBesideTheirFoldersAreNoList) {
  picture("ant/a.png", 3);
  picture("bee/b.png", 4);
  write("labels.txt", "ant\nbee\n");
  EXPECT_EQ(contents(*opened()), (Contents{{0, 3}, {1, 4}}));
  fs::remove_all(folder_ / "ant");
  fs::remove_all(folder_ / "bee");
  expect_error(ErrorKind::format, {"labels.txt line 2"}, [&] { opened(); });
}

TEST_F(OpenDataset, FoldersOfSplits) {
  picture("train/x/a.png", 1);
  picture("train/y/b.png", 2);
  picture("val/x/c.png", 3);
  EXPECT_EQ(contents(*opened("", "train")), (Contents{{0, 1}, {1, 2}}));
  const auto test = opened();  // there is no test, so val
  EXPECT_EQ(contents(*test), (Contents{{0, 3}}));
  EXPECT_NE(test->description().find("val"), std::string::npos);
  picture("test/x/d.png", 4);
  EXPECT_EQ(contents(*opened()), (Contents{{0, 4}}));
  fs::remove_all(folder_ / "train");
  expect_error(ErrorKind::io, {"no train split", "test", "val"}, [&] { opened("", "train"); });
}

TEST_F(OpenDataset, ATrainCanBeAClass) {
  picture("train/a.png", 1);
  picture("tram/b.png", 2);
  EXPECT_EQ(contents(*opened()), (Contents{{0, 1}, {1, 2}}));
}

TEST_F(OpenDataset, AListBesideItsPictures) {
  picture("images/a b.png", 1);
  picture("c,d.png", 2);
  write("labels.csv",
        "\xef\xbb\xbf"
        "file,class_index,name\r\na b.png,7,seven\r\n\r\n# no line\n\"c,d.png\",3,\"x, y\"\n");
  EXPECT_EQ(contents(*opened()), (Contents{{7, 1}, {3, 2}}));
  EXPECT_EQ(contents(*opened("images")), (Contents{{7, 1}, {3, 2}}));  // the list lies above
  EXPECT_EQ(contents(*opened("labels.csv")), (Contents{{7, 1}, {3, 2}}));
  EXPECT_TRUE(opened()->classes().empty());
  write("mine.txt", "images/a b.png 4\nc,d.png\n");
  expect_error(ErrorKind::format, {"mine.txt line 2"}, [&] { opened("mine.txt"); });
  write("mine.txt", "images/a b.png 4\nimages/gone.png 5\n");
  expect_error(ErrorKind::io, {"mine.txt line 2", "gone.png"}, [&] { opened("mine.txt"); });
  const auto partly = open_dataset(folder_ / "mine.txt", {"test", true});
  ASSERT_EQ(partly->size(), 2);
  EXPECT_EQ(partly->get(0).label, 4);
  expect_error(ErrorKind::io, {"gone.png"}, [&] { partly->get(1); });
}

TEST_F(OpenDataset, BrokenPicturesAreNamed) {
  picture("x/a.png", 1);
  write("x/b.png", "this is no picture");
  const auto data = opened();
  ASSERT_EQ(data->size(), 2);
  expect_error(ErrorKind::format, {"b.png"}, [&] { data->get(1); });
}

TEST_F(OpenDataset, WhatIsNoSetIsTold) {
  expect_error(ErrorKind::format, {"no data set", "0 files", "expected IDX"}, [&] { opened(); });
  write("notes.md", "# nothing\n");
  fs::create_directories(folder_ / "empty");
  expect_error(ErrorKind::format, {"1 file (notes.md) and 1 folder"}, [&] { opened(); });
  expect_error(ErrorKind::format, {"notes.md"}, [&] { opened("notes.md"); });
  write("data.bin", std::string(100, '\xff'));
  expect_error(ErrorKind::format, {"data.bin", "100 bytes", "ff ff ff ff"}, [&] { opened("data.bin"); });
  write("void", "");
  expect_error(ErrorKind::format, {"void", "0 bytes"}, [&] { opened("void"); });
  expect_error(ErrorKind::io, {"dada.bin", "no such file", "did you mean \"data.bin\""}, [&] { opened("dada.bin"); });
  write("test_batch", "\x80\x02}q");
  expect_error(ErrorKind::format, {"pickles", "cifar-10-binary.tar.gz"}, [&] { opened(); });
}

TEST(LabelList, ManyForms) {
  const auto list =
      parse_label_list(Bytes::copy("path label\n a/b.jpg\t3 \n\"say \"\"hi\"\".png\", 4,x\nc.png,\"5\"", "L"));
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].file, "a/b.jpg");
  EXPECT_EQ(list[0].label, 3);
  EXPECT_EQ(list[0].line, 2);
  EXPECT_EQ(list[1].file, "say \"hi\".png");
  EXPECT_EQ(list[1].label, 4);
  EXPECT_EQ(list[2].label, 5);
  const auto wrong = [](const std::string& text, const std::vector<std::string>& words) {
    expect_error(ErrorKind::format, words, [&] { parse_label_list(Bytes::copy(text, "L")); });
  };
  wrong("", {"no lines"});
  wrong("header,only\n", {"no lines"});
  wrong("a 1\nb -1\n", {"L line 2"});
  wrong("a 1\nb 99999999999999999999\n", {"L line 2"});
  wrong("a 1\nb 1.5\n", {"L line 2"});
  wrong("a 1\n,3\n", {"L line 2"});
  wrong(std::string("a 1\0", 4), {"not a text file"});
  wrong("a 1\n\xff\xfe 2\n", {"not a text file"});
  EXPECT_TRUE(is_text(Bytes::copy("\xc3\xa4/\xe2\x82\xac.jpg 1\n")));
  EXPECT_TRUE(is_text(Bytes::copy(std::string(65535, 'a') + "\xc3\xa4")));  // cut within a character
  EXPECT_FALSE(is_text(Bytes::copy("\xc3")));
  EXPECT_FALSE(is_text(Bytes::copy("\x80")));
}

TEST(Relabelled, MatchesClassesByName) {
  const std::vector<std::string> known = {"tench, Tinca tinca", "Great White", "crane", "crane"};
  EXPECT_EQ(matching_classes({"great_white", "TENCH"}, known), (std::vector<int64_t>{1, 0}));
  EXPECT_FALSE(matching_classes({"tench", "unknown"}, known));
  EXPECT_FALSE(matching_classes({"crane"}, known));  // two are called so
  EXPECT_FALSE(matching_classes({}, known));
}

}  // namespace
}  // namespace fovea
