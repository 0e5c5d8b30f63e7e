// A file from an HTTP server, whole and checked or not at all; by libcurl.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "fovea/base/context.h"
#include "fovea/base/error.h"
#include "fovea/data/checksum.h"

namespace fovea {

struct Download {
  std::vector<std::string> addresses;  // http or https; tried in order when a server cannot be reached or refuses
  std::filesystem::path target;        // the file to make; its folder is made too
  Checksum expected;
  int64_t bytes = 0;           // 0: not known
  int64_t most = 4LL << 30;    // bodies that are larger are refused
  int tries = 3;               // how often a transfer that breaks off is taken up again
  double wait = 1;             // seconds before it is, doubled each time
  int64_t stall_seconds = 30;  // a transfer that stands still for so long is broken off; also the time to connect
};

struct Downloaded {
  std::string address;  // where it came from, after redirects
  int64_t bytes = 0;
  int64_t resumed = 0;  // bytes that were there already
  std::string sha256;
};

// Fetches a file into target. What comes is written to target + ".part"; when it is complete and its checksum is the
// expected one, it is synced and renamed. A ".part" that an earlier call left is taken up with a Range request, on the
// condition (If-Range, with the server's ETag or Last-Modified kept in ".part.from") that the file on the server is
// still the same; otherwise it is fetched from its beginning. Two processes do not write one file: the second is
// refused. Proxies are those of the environment (https_proxy, no_proxy).
//
// Throws Error{io}, in one message: no server can be reached (with the address to download by hand and where to put the
// file); the server refuses; the body is shorter or longer than announced or known, or stands still (".part" is kept);
// the checksum differs (both sums; ".part" is deleted); the disk is full. Throws Error{usage} "interrupted" when the
// context is cancelled; ".part" is kept and a note says so.
Downloaded download(const Context& context, const Download& what);

}  // namespace fovea
