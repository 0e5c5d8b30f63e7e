// Downloads from a server on the loopback that is good, breaks off, lies, changes its mind, or says nothing.
#include "fovea/data/fetch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "fovea/base/bytes.h"
#include "fovea/commands/fetch.h"
#include "fovea/data/catalogue.h"
#include "fovea/data/fetched.h"
#include "tests/data/loopback_server.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

std::string file_of(size_t size, int seed = 1) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i)
    text[i] = static_cast<char>((i * 2654435761u + static_cast<size_t>(seed) * 97) >> 7);
  return text;
}

std::string sha256_of(const std::string& text) {
  Digest digest;
  digest.add(std::as_bytes(std::span(text)));
  return digest.sha256();
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Sets an environment variable (null: takes it away) until the end of the test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    value ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  ~Variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

class FetchTest : public testing::Test {
 protected:
  FetchTest() {
    char pattern[] = "/tmp/fovea-fetch-XXXXXX";
    folder_ = mkdtemp(pattern);
  }
  ~FetchTest() override { fs::remove_all(folder_); }

  // Serves with `handler`, then asks for the file.
  Downloaded get(const LoopbackServer::Handler& handler, const Checksum& checksum = {}, int tries = 1) {
    LoopbackServer server(handler);
    return get_from(server, checksum, tries);
  }
  Downloaded get_from(LoopbackServer& server, const Checksum& checksum, int tries = 1) {
    Context context;
    context.log = [&](std::string_view note) { notes_ += std::string(note) + "\n"; };
    Download what{{server.address("/file.bin")}, target(), checksum};
    what.tries = tries, what.wait = 0.01, what.stall_seconds = 1, what.bytes = bytes_;
    return download(context, what);
  }
  std::string error_of(const LoopbackServer::Handler& handler, const Checksum& checksum = {}, int tries = 1) {
    try {
      get(handler, checksum, tries);
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::io) << e.message();
      EXPECT_FALSE(fs::exists(target()));
      return e.message();
    }
    ADD_FAILURE() << "no error";
    return "";
  }
  fs::path target() const { return folder_ / "inner" / "file.bin"; }
  fs::path part() const { return target().string() + ".part"; }
  void expect_only_the_file() const {
    EXPECT_EQ(read(target()), body_);
    EXPECT_EQ(std::distance(fs::directory_iterator(target().parent_path()), {}), 1);
  }
  static void expect_in(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), text.npos) << "\"" << part << "\" is not in: " << text;
  }

  const Variable no_proxy_{"no_proxy", "127.0.0.1"};
  const std::string body_ = file_of(300000), etag_ = "\"one\"";
  const Checksum sha_{Checksum::Kind::sha256, sha256_of(body_).substr(0, 8)};
  fs::path folder_;
  int64_t bytes_ = 0;
  std::string notes_;
};

TEST(ChecksumTest, KnownSums) {
  const std::string abc = "abc";
  Digest digest(Checksum::Kind::md5);
  digest.add(std::as_bytes(std::span(abc).first(1)));
  digest.add(std::as_bytes(std::span(abc).subspan(1)));
  EXPECT_EQ(digest.sha256(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-4
  EXPECT_EQ(digest.md5(), "900150983cd24fb0d6963f7d28e17f72");                                     // RFC 1321
  Digest other(Checksum::Kind::sha1);
  other.add(std::as_bytes(std::span(abc)));
  EXPECT_EQ(other.sha1(), "a9993e364706816aba3e25717850c26c9cd0d89d");  // FIPS 180-4
  EXPECT_TRUE(other.is({Checksum::Kind::sha1, "a9993e36"}));
  EXPECT_FALSE(other.is({Checksum::Kind::sha1, "a9993e37"}));
  EXPECT_EQ(other.describe({Checksum::Kind::sha1, ""}), "SHA-1 a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_THROW(other.md5(), Error);
  EXPECT_TRUE(digest.is({Checksum::Kind::sha256, "ba7816bf"}));
  EXPECT_FALSE(digest.is({Checksum::Kind::sha256, "ba7816be"}));
}

TEST_F(FetchTest, Good) {
  const Downloaded got = get([&](const Request& r) { return Reply{served(r, body_, etag_)}; }, sha_);
  expect_only_the_file();
  EXPECT_EQ(got.bytes, 300000);
  EXPECT_EQ(got.resumed, 0);
  EXPECT_EQ(got.sha256, sha256_of(body_));
}

TEST_F(FetchTest, GoodWithoutLengthOrChecksum) {
  get([&](const Request&) { return Reply{response("200 OK", "", body_, -1)}; });
  expect_only_the_file();
}

TEST_F(FetchTest, ChunkedBodiesAreJoined) {
  get([&](const Request&) {
    return Reply{response("200 OK", "Transfer-Encoding: chunked\r\n",
                          "4\r\n" + body_.substr(0, 4) + "\r\n493DC\r\n" + body_.substr(4) + "\r\n0\r\n\r\n", -1)};
  });
  expect_only_the_file();
}

TEST_F(FetchTest, TruncatedIsNamedAndThePartStays) {
  const std::string error = error_of(
      [&](const Request&) { return Reply{response("200 OK", "ETag: \"one\"\r\n", body_.substr(0, 1000), 300000)}; });
  expect_in(error, "too short: 1000 of 300000 bytes");
  expect_in(error, "goes on from there");
  EXPECT_EQ(read(part()), body_.substr(0, 1000));
}

TEST_F(FetchTest, ShortOfTheKnownSizeWithoutLength) {
  bytes_ = 300000;
  expect_in(error_of([&](const Request&) { return Reply{response("200 OK", "", body_.substr(0, 1000), -1)}; }),
            "too short: 1000 of 300000 bytes");
}

TEST_F(FetchTest, LongerThanTheKnownSizeWithoutLength) {
  bytes_ = 1000;
  expect_in(error_of([&](const Request&) { return Reply{response("200 OK", "", body_, -1)}; }),
            "longer than the 1000 bytes");
  EXPECT_FALSE(fs::exists(part()));
}

TEST_F(FetchTest, AnnouncedLengthIsNotTheKnownOne) {
  bytes_ = 1000;
  expect_in(error_of([&](const Request& r) { return Reply{served(r, body_, etag_)}; }),
            "announces 300000 bytes, expected 1000");
}

TEST_F(FetchTest, AnnouncedLengthIsTooSmall) {
  expect_in(error_of([&](const Request&) { return Reply{response("200 OK", "", body_, 1000)}; }, sha_),
            "wrong checksum: expected SHA-256 " + sha_.hex);
}

TEST_F(FetchTest, AbsurdLengthIsRefusedBeforeTheDiskFills) {
  expect_in(
      error_of([&](const Request&) { return Reply{"HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000\r\n\r\nabc"}; }),
      "9000000000000000");
}

TEST_F(FetchTest, WrongBytesNameBothSumsAndAreDeleted) {
  const std::string wrong = file_of(300000, 2);
  const std::string error = error_of([&](const Request& r) { return Reply{served(r, wrong, etag_)}; }, sha_);
  expect_in(error, sha_.hex);
  expect_in(error, sha256_of(wrong));
  EXPECT_TRUE(fs::is_empty(target().parent_path()));
}

TEST_F(FetchTest, NotFoundSaysWhereToPutItByHand) {
  const std::string error = error_of([&](const Request&) { return Reply{response("404 Not Found", "", "no")}; });
  expect_in(error, "status 404");
  expect_in(error, "/file.bin and put it at " + target().string());
  EXPECT_TRUE(fs::is_empty(target().parent_path()));
}

TEST_F(FetchTest, UnreachableSaysWhereToPutItByHand) {
  std::string address;
  {
    address = LoopbackServer([](const Request&) { return Reply{}; }).address("/file.bin");
  }  // nobody listens now
  try {
    download({}, {{address}, target()});
    FAIL();
  } catch (const Error& e) {
    expect_in(e.message(), "cannot reach 127.0.0.1:");
    expect_in(e.message(), "download " + address + " and put it at " + target().string());
  }
}

TEST_F(FetchTest, TheSecondAddressServes) {
  LoopbackServer server([&](const Request& r) {
    return r.path() == "/file.bin" ? Reply{served(r, body_, etag_)} : Reply{response("403 Forbidden", "", "")};
  });
  const Downloaded got = download({}, {{server.address("/other"), server.address("/file.bin")}, target(), sha_});
  EXPECT_EQ(got.address, server.address("/file.bin"));
  expect_only_the_file();
}

TEST_F(FetchTest, RedirectsAreFollowed) {
  LoopbackServer server([&](const Request& r) {
    if (r.path() != "/there")
      return Reply{response("302 Found", "Location: /there\r\nETag: \"redirect\"\r\n", "moved")};
    return Reply{served(r, body_, etag_)};
  });
  EXPECT_EQ(get_from(server, sha_).address, server.address("/there"));
  expect_only_the_file();
}

TEST_F(FetchTest, RedirectsToOtherProtocolsAreNot) {
  std::ofstream(folder_ / "secret") << "secret";
  const std::string location = "Location: file://" + (folder_ / "secret").string() + "\r\n";
  const std::string error = error_of([&](const Request&) { return Reply{response("302 Found", location, "")}; });
  expect_in(error, "Protocol \"file\"");
  expect_in(error_of([&](const Request&) { return Reply{response("302 Found", "Location: /file.bin\r\n", "")}; }),
            "redirects");
}

TEST_F(FetchTest, AddressesOfOtherProtocolsAreRefused) {
  EXPECT_THROW(download({}, {{"file:///etc/passwd"}, target()}), Error);
  EXPECT_FALSE(fs::exists(target().parent_path()));
}

TEST_F(FetchTest, ABrokenTransferIsTakenUpAgainByItself) {
  LoopbackServer server([&](const Request& r) {
    Reply reply{served(r, body_, etag_)};
    if (r.first() < 200000) reply.cut = 120000;
    return reply;
  });
  const Downloaded got = get_from(server, sha_, 2);
  expect_only_the_file();
  ASSERT_EQ(server.requests().size(), 3u);
  EXPECT_EQ(server.requests()[1].header("If-Range"), etag_);
  EXPECT_EQ(got.resumed, server.requests()[2].first());
}

// What an earlier, interrupted call left.
class ResumeTest : public FetchTest {
 protected:
  void SetUp() override {
    error_of([&](const Request&) {
      return Reply{response("200 OK", "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nETag: \"one\"\r\n",
                            body_.substr(0, 100000), 300000)};
    });
    ASSERT_EQ(fs::file_size(part()), 100000u);
    // The next server has another port: the bytes must be of the address that is asked.
    const std::string from = read(part().string() + ".from");
    validator_ = from.substr(from.find('\n') + 1);
  }
  Downloaded resume(LoopbackServer& server, const Checksum& checksum) {
    write_file(part().string() + ".from", server.address("/file.bin") + "\n" + validator_);
    return get_from(server, checksum);
  }
  std::string validator_;
};

TEST_F(ResumeTest, WithRanges) {
  EXPECT_EQ(validator_, "\"one\"\n");
  LoopbackServer server([&](const Request& r) { return Reply{served(r, body_, etag_)}; });
  EXPECT_EQ(resume(server, sha_).resumed, 100000);
  EXPECT_EQ(server.requests()[0].first(), 100000);
  expect_only_the_file();
}

TEST_F(ResumeTest, WithoutRanges) {
  LoopbackServer server([&](const Request&) { return Reply{response("200 OK", "", body_)}; });
  EXPECT_EQ(resume(server, sha_).resumed, 0);
  expect_in(notes_, "from its beginning");
  expect_only_the_file();
}

TEST_F(ResumeTest, TheFileHasChanged) {
  LoopbackServer server([&](const Request& r) { return Reply{served(r, body_, "\"two\"")}; });
  EXPECT_EQ(resume(server, {}).resumed, 0);
  expect_only_the_file();
}

TEST_F(ResumeTest, TheFileHasChangedAndTheServerDoesNotKnowIfRange) {
  write_file(part(), file_of(100000, 5));
  LoopbackServer server([&](Request r) {
    if (const size_t at = r.text.find("If-Range"); at != r.text.npos)
      r.text.erase(at, r.text.find("\r\n", at) + 2 - at);
    return Reply{served(r, body_, "\"two\"")};
  });
  EXPECT_EQ(resume(server, {}).resumed, 0);
  EXPECT_EQ(server.requests().size(), 2u);
  expect_in(notes_, "has changed");
  expect_only_the_file();
}

TEST_F(ResumeTest, OtherBytesThanThoseAskedFor) {
  LoopbackServer server([&](const Request& r) {
    if (r.first() < 0) return Reply{served(r, body_, etag_)};
    return Reply{response("206 Partial Content", "Content-Range: bytes 5-299999/300000\r\n", body_.substr(5))};
  });
  EXPECT_EQ(resume(server, {}).resumed, 0);
  expect_only_the_file();
}

TEST_F(ResumeTest, ThePartWasDamaged) {
  write_file(part(), file_of(100000, 5));
  LoopbackServer server([&](const Request& r) { return Reply{served(r, body_, etag_)}; });
  EXPECT_EQ(resume(server, sha_).resumed, 0);
  expect_in(notes_, "another checksum");
  expect_only_the_file();
}

TEST_F(ResumeTest, ThePartIsLongerThanTheFile) {
  write_file(part(), file_of(400000));
  LoopbackServer server([&](const Request& r) { return Reply{served(r, body_, etag_)}; });
  EXPECT_EQ(resume(server, sha_).resumed, 0);
  expect_only_the_file();
}

TEST_F(ResumeTest, AWholePartNeedsNoServer) {
  write_file(part(), body_);
  LoopbackServer server([&](const Request& r) { return Reply{served(r, body_, etag_)}; });
  EXPECT_EQ(resume(server, sha_).resumed, 300000);
  EXPECT_TRUE(server.requests().empty());
  expect_only_the_file();
}

TEST_F(ResumeTest, BytesOfAnotherAddressAreNotContinued) {
  LoopbackServer server([&](const Request& r) { return Reply{served(r, body_, etag_)}; });
  EXPECT_EQ(get_from(server, sha_).resumed, 0);
  EXPECT_EQ(server.requests()[0].first(), -1);
}

TEST_F(FetchTest, StallsEnd) {
  const std::string error = error_of([&](const Request& r) {
    Reply reply{served(r, body_, etag_), 10};
    reply.cut = 100000;
    return reply;
  });
  expect_in(error, "nothing came for 1 seconds");
  EXPECT_GT(fs::file_size(part()), 90000u);
}

TEST_F(FetchTest, StallsBeforeTheHeadersEnd) {
  const std::string error = error_of([&](const Request&) { return Reply{"HTTP/1.1 200 OK\r\n", 10}; });
  expect_in(error, "file.bin");
}

TEST_F(FetchTest, CancellingKeepsThePartAndSaysHowToGoOn) {
  std::atomic<bool> cancel = false;
  Context context;
  std::string notes;
  context.cancel = &cancel;
  context.log = [&](std::string_view note) { notes += note; };
  context.progress = [&](const Progress&) { cancel = true; };
  LoopbackServer server([&](const Request& r) {
    Reply reply{served(r, body_, etag_), 10};
    reply.cut = 100000;
    return reply;
  });
  try {
    download(context, {{server.address("/file.bin")}, target(), sha_});
    FAIL();
  } catch (const Error& e) { EXPECT_EQ(e.kind(), ErrorKind::usage); }
  expect_in(notes, part().string() + "; the same command goes on from there");
  EXPECT_GT(fs::file_size(part()), 0u);
}

TEST_F(FetchTest, AFullDiskIsNamed) {
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  LoopbackServer server([&](const Request& r) { return Reply{served(r, body_, etag_)}; });
  const rlimit small{65536, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  std::string error;
  try {
    download({}, {{server.address("/file.bin")}, target(), sha_});
  } catch (const Error& e) { error = e.message(); }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  expect_in(error, "cannot write " + part().string());
  expect_in(error, "65536 bytes of it are kept");
}

TEST_F(FetchTest, TwoProcessesDoNotWriteOneFile) {
  fs::create_directories(target().parent_path());
  const int other = ::open(part().c_str(), O_RDWR | O_CREAT, 0666);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  expect_in(error_of([&](const Request& r) { return Reply{served(r, body_, etag_)}; }), "another process");
  ::close(other);
}

// The caches, and the command.
class FetchCommandTest : public FetchTest {
 protected:
  std::string name() const { return "tiny-" + sha_.hex + ".pth"; }
  const Variable data_{"FOVEA_DATA", (folder_ / "data").c_str()}, cache_{"FOVEA_CACHE", (folder_ / "cache").c_str()},
      torch_{"TORCH_HOME", (folder_ / "torch").c_str()};
};

TEST_F(FetchCommandTest, DownloadsOnceThenFinds) {
  LoopbackServer server([&](const Request& r) { return Reply{served(r, body_, etag_)}; });
  EXPECT_FALSE(find_fetched(name()));
  const FetchCommandOptions options{{name()}, server.address("/mirror/")};
  for (int time = 0; time < 2; ++time) {
    const Report report = run({}, options);
    const fs::path place = folder_ / "cache/weights" / name();
    EXPECT_EQ(report.text, place.string() + "\n");
    const auto& json = *report.json;
    EXPECT_EQ(json["path"], place.string());
    EXPECT_EQ(json["bytes"], 300000);
    EXPECT_EQ(json["sha256"], sha256_of(body_));
    EXPECT_EQ(json["from"], time == 0 ? server.address("/mirror/" + name()) : "fovea's cache");
    EXPECT_EQ(find_fetched(name()), place);
  }
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(FetchCommandTest, LooksInTheDataFolderAndInTorchsCache) {
  for (const fs::path& place : {folder_ / "torch/hub/checkpoints" / name(), folder_ / "data/weights/some" / name()}) {
    fs::create_directories(place.parent_path());
    write_file(place, body_);
    EXPECT_EQ(find_fetched(name()), place);
    EXPECT_EQ(run({}, FetchCommandOptions{{name()}, ""}).text, place.string() + "\n");
  }
  write_file(folder_ / "data/weights/some" / name(), "damaged");
  EXPECT_EQ(find_fetched(name()), folder_ / "torch/hub/checkpoints" / name());
}

TEST_F(FetchCommandTest, ADamagedFileInTheCacheIsFetchedAgain) {
  const fs::path place = folder_ / "cache/weights" / name();
  fs::create_directories(place.parent_path());
  write_file(place, "damaged");
  LoopbackServer server([&](const Request& r) { return Reply{served(r, body_, etag_)}; });
  run({}, FetchCommandOptions{{name()}, server.address("/file.bin")});
  EXPECT_EQ(read(place), body_);
}

TEST_F(FetchCommandTest, ListsTheCatalogue) {
  const nlohmann::ordered_json json = *run({}, FetchCommandOptions{}).json;
  ASSERT_EQ(json["catalogue"].size(), catalogue().size());
  for (const auto& entry : json["catalogue"]) EXPECT_TRUE(entry["path"].is_null());
}

TEST_F(FetchCommandTest, WrongUse) {
  EXPECT_THROW(run({}, FetchCommandOptions{{"resnte50"}, ""}), Error);
  EXPECT_THROW(run({}, FetchCommandOptions{{"mnist"}, "http://127.0.0.1:1/file"}), Error);
  EXPECT_THROW(run({}, FetchCommandOptions{{"../up-12345678.pth"}, "http://127.0.0.1:1/file"}), Error);
  EXPECT_THROW(run({}, FetchCommandOptions{{}, "http://127.0.0.1:1/"}), Error);
}

TEST(CatalogueTest, EveryEntryIsComplete) {
  for (const CatalogueEntry& entry : catalogue()) {
    EXPECT_EQ(find_entry(entry.name), &entry);
    ASSERT_FALSE(entry.files.empty());
    for (const CatalogueFile& file : entry.files) {
      EXPECT_FALSE(file.addresses.empty()) << file.name;
      for (const std::string& address : file.addresses) EXPECT_TRUE(address.ends_with("/" + file.name)) << address;
      const Checksum::Kind kind = file.checksum.kind;
      const size_t digits = kind == Checksum::Kind::sha256 ? 8 : kind == Checksum::Kind::sha1 ? 40 : 32;
      EXPECT_EQ(file.checksum.hex.size(), digits) << file.name;
    }
  }
  EXPECT_EQ(find_entry("resnet50-0676ba61.pth"), find_entry("resnet50"));
  EXPECT_EQ(find_entry("vgg19-dcbb9e9d"), find_entry("vgg19"));
  EXPECT_EQ(find_entry("alexnet")->files[0].checksum.hex, "7be5be79");
  EXPECT_EQ(find_entry("bvlc_googlenet.caffemodel"), find_entry("googlenet_bvlc"));
  EXPECT_FALSE(entry_of_file_name("plain.pth"));
  EXPECT_FALSE(entry_of_file_name("a/b-12345678.pth"));
}

TEST(CatalogueTest, MnistOfTheTestDataIsTheOriginal) {
  const char* data = std::getenv("FOVEA_DATA");
  const fs::path folder = (data ? fs::path(data) : fs::path(FOVEA_SOURCE_DIR) / ".." / "shared" / "data");
  if (!fs::exists(folder / "mnist"))
    GTEST_SKIP() << "NOT TESTED: there is no " << folder / "mnist"
                 << "; set FOVEA_DATA";
  const Variable set("FOVEA_DATA", folder.c_str());
  const Fetched got = fetch({}, *find_entry("mnist"));
  EXPECT_EQ(got.path, folder / "mnist");
  ASSERT_EQ(got.files.size(), 4u);
  for (const FetchedFile& file : got.files) EXPECT_EQ(file.from, "FOVEA_DATA");
}

}  // namespace
}  // namespace fovea
