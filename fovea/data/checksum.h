// Checksums of downloaded files: SHA-256, SHA-1 (FIPS 180-4) and MD5 (RFC 1321), by libcrypto.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace fovea {

// What is known of a file's bytes. MD5 and SHA-1 guard against damage, not against malice: they are used where a
// publisher names nothing better.
struct Checksum {
  enum class Kind { none, sha256, sha1, md5 };
  Kind kind = Kind::none;
  std::string hex;  // lower case; may be the first digits only, as in the names of PyTorch's files
};
std::string to_string(const Checksum& checksum);  // "SHA-256 0676ba61…", "MD5 f68b…"

// The sums of bytes that come piece by piece: SHA-256, and SHA-1 or MD5 where it is asked for.
class Digest {
 public:
  // Throws Error{unsupported} where this system's libcrypto refuses the wanted sum.
  explicit Digest(Checksum::Kind wanted = Checksum::Kind::sha256);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  void add(std::span<const std::byte> bytes);
  // Of what has been added so far; adding may go on. SHA-1 and MD5 must have been asked for.
  std::string sha256() const;
  std::string sha1() const;
  std::string md5() const;
  // Whether the sums are what is expected; always for Kind::none.
  bool is(const Checksum& expected) const;
  // The sum of the expected kind, in words: "SHA-256 …".
  std::string describe(const Checksum& expected) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Reads a whole file, one piece at a time; `each` (may be empty) is told how many bytes were read so far and stops the
// reading by throwing. Throws Error{io} naming the file.
Digest digest_of(const std::filesystem::path& path, Checksum::Kind wanted = Checksum::Kind::sha256,
                 const std::function<void(int64_t done)>& each = {});

}  // namespace fovea
