#include "fovea/data/checksum.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "fovea/base/error.h"

namespace fovea {

namespace {

struct FreeDigest {
  void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeDigest>;

Context begun(const EVP_MD* kind) {
  Context context(EVP_MD_CTX_new());
  require(context && EVP_DigestInit_ex(context.get(), kind, nullptr) == 1, ErrorKind::unsupported,
          "this system's libcrypto refuses to compute {}", EVP_MD_name(kind));
  return context;
}

std::string finished(const EVP_MD_CTX* running) {
  Context copy(EVP_MD_CTX_new());
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  require(copy && EVP_MD_CTX_copy_ex(copy.get(), running) == 1 && EVP_DigestFinal_ex(copy.get(), sum, &size) == 1,
          ErrorKind::internal, "libcrypto cannot finish a checksum");
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", sum[i]);
  return hex;
}

}  // namespace

std::string to_string(const Checksum& checksum) {
  if (checksum.kind == Checksum::Kind::none) return "any";
  const bool sha256 = checksum.kind == Checksum::Kind::sha256, sha1 = checksum.kind == Checksum::Kind::sha1;
  return fmt::format("{} {}{}",
                     sha256 ? "SHA-256"
                     : sha1 ? "SHA-1"
                            : "MD5",
                     checksum.hex,
                     checksum.hex.size() < (sha256 ? 64
                                            : sha1 ? 40
                                                   : 32)
                         ? "…"
                         : "");
}

struct Digest::State {
  Context sha256 = begun(EVP_sha256());
  Checksum::Kind kind = Checksum::Kind::sha256;
  Context other;  // the wanted sum of the others
};

Digest::Digest(Checksum::Kind wanted) : state_(std::make_unique<State>()) {
  state_->kind = wanted;
  if (wanted == Checksum::Kind::md5) state_->other = begun(EVP_md5());
  if (wanted == Checksum::Kind::sha1) state_->other = begun(EVP_sha1());
}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::add(std::span<const std::byte> bytes) {
  bool good = EVP_DigestUpdate(state_->sha256.get(), bytes.data(), bytes.size()) == 1;
  if (state_->other) good = EVP_DigestUpdate(state_->other.get(), bytes.data(), bytes.size()) == 1 && good;
  require(good, ErrorKind::internal, "libcrypto cannot compute a checksum");
}

std::string Digest::sha256() const { return finished(state_->sha256.get()); }
std::string Digest::md5() const {
  require(state_->kind == Checksum::Kind::md5, ErrorKind::internal, "this digest was not asked for MD5");
  return finished(state_->other.get());
}
std::string Digest::sha1() const {
  require(state_->kind == Checksum::Kind::sha1, ErrorKind::internal, "this digest was not asked for SHA-1");
  return finished(state_->other.get());
}

bool Digest::is(const Checksum& expected) const {
  if (expected.kind == Checksum::Kind::none) return true;
  const std::string sum = expected.kind == Checksum::Kind::sha256 ? sha256()
                          : expected.kind == Checksum::Kind::sha1 ? sha1()
                                                                  : md5();
  return sum.starts_with(expected.hex);
}

std::string Digest::describe(const Checksum& expected) const {
  if (expected.kind == Checksum::Kind::md5) return to_string(Checksum{expected.kind, md5()});
  if (expected.kind == Checksum::Kind::sha1) return to_string(Checksum{expected.kind, sha1()});
  return to_string(Checksum{Checksum::Kind::sha256, sha256()});
}

Digest digest_of(const std::filesystem::path& path, Checksum::Kind wanted, const std::function<void(int64_t)>& each) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  require(file >= 0, ErrorKind::io, "{}: cannot be read: {}", path.string(), std::strerror(errno));
  struct Closer {
    int file;
    ~Closer() { ::close(file); }
  } closer{file};
  Digest digest(wanted);
  std::vector<std::byte> piece(size_t{1} << 20);
  for (int64_t done = 0;;) {
    const ssize_t size = ::read(file, piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    require(size >= 0, ErrorKind::io, "{}: cannot be read: {}", path.string(), std::strerror(errno));
    if (size == 0) return digest;
    digest.add({piece.data(), static_cast<size_t>(size)});
    if (each) each(done += size);
  }
}

}  // namespace fovea
