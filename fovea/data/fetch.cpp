// Requests: GET with Range and If-Range, RFC 9110 sections 13.1.5, 14.2 and 15.3.7.
#include "fovea/data/fetch.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <thread>

#include "fovea/data/part_file.h"

namespace fovea {

namespace {

constexpr double kMiB = 1 << 20;

struct FreeCurl {
  void operator()(CURL* p) const { curl_easy_cleanup(p); }
};
struct FreeList {
  void operator()(curl_slist* p) const { curl_slist_free_all(p); }
};

void start_curl() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  require(code == CURLE_OK, ErrorKind::internal, "libcurl cannot start: {}", curl_easy_strerror(code));
}

// How one request ended.
enum class End { complete, broken, unreachable, refused, changed };
struct Ended {
  End how = End::complete;
  std::string why;
};

std::string trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return std::string(text);
}

// The value of a header line of that lower-case name.
std::optional<std::string> header_value(std::string_view line, std::string_view name) {
  if (line.size() <= name.size() || line[name.size()] != ':') return std::nullopt;
  for (size_t i = 0; i < name.size(); ++i)
    if (std::tolower(static_cast<unsigned char>(line[i])) != name[i]) return std::nullopt;
  return trimmed(line.substr(name.size() + 1));
}

// The first byte's place in "bytes 100-199/200", and the size after the slash (0: "*").
struct ContentRange {
  int64_t first = -1, total = 0;
};
ContentRange parse_range(std::string_view text) {
  ContentRange range;
  if (!text.starts_with("bytes ")) return range;
  text.remove_prefix(6);
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), range.first);
  if (parsed.ec != std::errc() || range.first < 0) return {};
  if (const size_t slash = text.find('/'); slash != text.npos)
    std::from_chars(text.data() + slash + 1, text.data() + text.size(), range.total);
  return range;
}

// One file on its way from one address.
class Transfer {
 public:
  Transfer(const Context& context, const Download& what, PartFile& part, std::string address)
      : context_(context), what_(what), part_(part), address_(std::move(address)) {}
  // One request. Throws what must end the download: cancelling, a full disk, a body that is too long.
  Ended perform();
  const std::string& effective() const { return effective_; }
  int64_t resumed() const { return resumed_; }

 private:
  static size_t on_header(char* data, size_t, size_t size, void* self);
  static size_t on_body(char* data, size_t, size_t size, void* self);
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t);
  void configure();
  void begin();
  void report() const;
  Ended ended(CURLcode code);
  Ended broken_off(CURLcode code) const;
  std::string newest_validator() const { return !etag_.empty() && !etag_.starts_with("W/") ? etag_ : modified_; }
  bool refuses() const { return ended_.how != End::complete; }

  const Context& context_;
  const Download& what_;
  PartFile& part_;
  const std::string address_;
  std::string effective_, asked_, etag_, modified_, range_;
  std::unique_ptr<CURL, FreeCurl> curl_;
  std::unique_ptr<curl_slist, FreeList> headers_;
  char reason_[CURL_ERROR_SIZE] = "";
  bool begun_ = false;
  int64_t resumed_ = 0, total_ = 0;
  Ended ended_;
  std::exception_ptr error_;  // thrown inside a callback: C frames lie between
};

void Transfer::configure() {
  start_curl();
  curl_.reset(curl_easy_init());
  CURL* c = curl_.get();
  require(c != nullptr, ErrorKind::internal, "libcurl cannot start");
  curl_easy_setopt(c, CURLOPT_URL, address_.c_str());
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(c, CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
  curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(c, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(c, CURLOPT_USERAGENT, "fovea");
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, reason_);
  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, static_cast<long>(what_.stall_seconds));
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, static_cast<long>(what_.stall_seconds));
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
  curl_easy_setopt(c, CURLOPT_XFERINFODATA, this);
  curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  // Bytes that nothing vouches for, neither the server's validator nor a checksum, are not continued.
  const std::optional<std::string> validator = part_.validator(address_);
  asked_ = validator.value_or("");
  const bool vouched = validator && (!validator->empty() || what_.expected.kind != Checksum::Kind::none);
  if (part_.size() == 0 || !vouched) return;
  resumed_ = part_.size();
  curl_easy_setopt(c, CURLOPT_RANGE, fmt::format("{}-", resumed_).c_str());
  if (!asked_.empty()) headers_.reset(curl_slist_append(nullptr, ("If-Range: " + asked_).c_str()));
  curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers_.get());
}

Ended Transfer::perform() {
  etag_ = modified_ = range_ = asked_ = "";
  begun_ = false;
  resumed_ = total_ = 0;
  ended_ = {};
  reason_[0] = 0;
  configure();
  const CURLcode code = curl_easy_perform(curl_.get());
  if (error_) std::rethrow_exception(error_);
  if (code == CURLE_OK && !begun_) begin();
  char* last = nullptr;
  curl_easy_getinfo(curl_.get(), CURLINFO_EFFECTIVE_URL, &last);
  effective_ = last ? last : address_;
  return ended(code);
}

size_t Transfer::on_header(char* data, size_t, size_t size, void* self) {
  Transfer& t = *static_cast<Transfer*>(self);
  const std::string_view line(data, size);
  if (line.starts_with("HTTP/")) t.etag_ = t.modified_ = t.range_ = "";
  if (const auto etag = header_value(line, "etag")) t.etag_ = *etag;
  if (const auto modified = header_value(line, "last-modified")) t.modified_ = *modified;
  if (const auto range = header_value(line, "content-range")) t.range_ = *range;
  return size;
}

// The headers are there: is this the file, and from which byte on? Sets ended_ when it is not.
void Transfer::begin() {
  begun_ = true;
  long status = 0;
  curl_off_t length = -1;
  curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (status == 206 && resumed_ > 0) {
    const ContentRange range = parse_range(range_);
    const bool other = !asked_.empty() && !newest_validator().empty() && newest_validator() != asked_;
    if (range.first != part_.size() || other) {
      ended_ = {End::changed, other ? "the file on the server has changed"
                                    : "the server answered with other bytes than those asked for"};
      return;
    }
    total_ = range.total > 0 ? range.total : length >= 0 ? resumed_ + length : 0;
  } else if (status == 416 && resumed_ > 0) {
    ended_ = {End::changed, "the file on the server is not larger than what is here already"};
    return;
  } else if (status == 200) {
    if (resumed_ > 0)
      context_.note(fmt::format("{}: the server sends the file from its beginning", what_.target.filename().string()));
    resumed_ = 0;
    total_ = std::max<int64_t>(0, length);
    part_.restart(address_, newest_validator());
  } else {
    const bool passing = status >= 500 || status == 429 || status == 408;
    ended_ = {passing ? End::broken : End::refused, fmt::format("the server answers with status {}", status)};
    return;
  }
  if (total_ > 0 && what_.bytes > 0 && total_ != what_.bytes)
    ended_ = {End::refused, fmt::format("the server announces {} bytes, expected {}", total_, what_.bytes)};
  else if (total_ > what_.most)
    ended_ = {End::refused,
              fmt::format("the server announces {} bytes, more than the {} that are taken", total_, what_.most)};
  else part_.require_room(total_ - part_.size());
}

size_t Transfer::on_body(char* data, size_t, size_t size, void* self) {
  Transfer& t = *static_cast<Transfer*>(self);
  try {
    if (!t.begun_) t.begin();
    if (t.refuses()) return 0;
    const int64_t most = t.total_ > 0 ? t.total_ : t.what_.bytes > 0 ? t.what_.bytes : t.what_.most;
    if (t.part_.size() + static_cast<int64_t>(size) > most) {
      t.part_.discard();
      fail(ErrorKind::io, "{}: the body is longer than the {} bytes expected; what came has been deleted", t.address_,
           most);
    }
    t.part_.append(std::as_bytes(std::span(data, size)));
    t.report();
    return size;
  } catch (...) {
    t.error_ = std::current_exception();
    return 0;
  }
}

int Transfer::on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(self)->context_.cancelled() ? 1 : 0;
}

// In MiB, or KiB for small files: numbers that fit on a line.
void Transfer::report() const {
  const int64_t total = total_ > 0 ? total_ : what_.bytes;
  const bool small = total > 0 && total < 10 << 20;
  const int64_t unit = small ? 1 << 10 : 1 << 20;
  const std::string name = what_.target.filename().string();
  context_.report({small ? "fetching KiB" : "fetching MiB", part_.size() / unit, (total + unit - 1) / unit, name});
}

Ended Transfer::broken_off(CURLcode code) const {
  if (code == CURLE_OPERATION_TIMEDOUT && begun_)
    return {End::broken, fmt::format("nothing came for {} seconds after {} bytes", what_.stall_seconds, part_.size())};
  if (code == CURLE_PARTIAL_FILE)
    return {End::broken, fmt::format("the body is too short: {} of {} bytes came", part_.size(), total_)};
  return {End::broken, fmt::format("the transfer broke off after {} bytes: {}", part_.size(),
                                   reason_[0] ? reason_ : curl_easy_strerror(code))};
}

Ended Transfer::ended(CURLcode code) {
  if (refuses()) return ended_;
  const std::string why = reason_[0] ? reason_ : curl_easy_strerror(code);
  switch (code) {
    case CURLE_OK: break;
    case CURLE_ABORTED_BY_CALLBACK: return {End::broken, "interrupted"};
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION: return {End::unreachable, why};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_TOO_MANY_REDIRECTS: return {End::refused, why};
    case CURLE_OPERATION_TIMEDOUT: {
      double connected = 0;
      curl_easy_getinfo(curl_.get(), CURLINFO_CONNECT_TIME, &connected);
      return connected > 0 ? broken_off(code) : Ended{End::unreachable, why};
    }
    default: return broken_off(code);
  }
  if (what_.bytes > 0 && part_.size() < what_.bytes)
    return {End::broken, fmt::format("the body is too short: {} of {} bytes came", part_.size(), what_.bytes)};
  return {};
}

[[noreturn]] void interrupt(const Context& context, const Download& what, const PartFile& part) {
  if (part.size() > 0)
    context.note(fmt::format("{:.1f} MiB are kept in {}; the same command goes on from there",
                             static_cast<double>(part.size()) / kMiB, part.path().string()));
  fail(ErrorKind::usage, "{}: interrupted", what.target.filename().string());
}

void pause(const Context& context, const Download& what, const PartFile& part, double seconds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < until) {
    if (context.cancelled()) interrupt(context, what, part);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// Requests until the body is whole, or nothing more comes.
Ended repeated(const Context& context, const Download& what, PartFile& part, Transfer& transfer) {
  int64_t furthest = part.size();
  double wait = what.wait;
  for (int idle = 0, changes = 0;;) {
    if (context.cancelled()) interrupt(context, what, part);
    const Ended ended = transfer.perform();
    if (context.cancelled() && ended.how != End::complete) interrupt(context, what, part);
    if (ended.how == End::changed && changes++ < 2) {
      context.note(fmt::format("{}: {}; starting again", what.target.filename().string(), ended.why));
      part.restart("", "");
      furthest = 0;
      continue;
    }
    if (ended.how != End::broken) return ended;
    if (part.size() > furthest) furthest = part.size(), idle = 0, wait = what.wait;
    if (++idle >= what.tries) return ended;
    context.note(fmt::format("{}: {}; trying again", what.target.filename().string(), ended.why));
    pause(context, what, part, wait);
    wait *= 2;
  }
}

std::string host_of(std::string_view address) {
  if (const size_t at = address.find("://"); at != address.npos) address.remove_prefix(at + 3);
  return std::string(address.substr(0, address.find_first_of("/?#")));
}

[[noreturn]] void give_up(const Download& what, const PartFile& part, const std::vector<Ended>& ends) {
  std::string text;
  for (size_t i = 0; i < ends.size(); ++i)
    text += ends[i].how == End::unreachable
                ? fmt::format("{}cannot reach {} ({})", i ? "; " : "", host_of(what.addresses[i]), ends[i].why)
                : fmt::format("{}{}: {}", i ? "; " : "", what.addresses[i], ends[i].why);
  const bool went_on = part.size() > 0;
  if (went_on) text += fmt::format("; {} bytes are kept, and the same command goes on from there", part.size());
  fail(ErrorKind::io, "{}. By hand: download {} and put it at {}", text, what.addresses[0], what.target.string());
}

}  // namespace

Downloaded download(const Context& context, const Download& what) {
  require(!what.addresses.empty(), ErrorKind::internal, "there is no address to fetch {} from", what.target.string());
  for (const std::string& address : what.addresses)
    require(address.starts_with("http://") || address.starts_with("https://"), ErrorKind::usage,
            "{}: expected an address that begins with https:// or http://", address);
  PartFile part(what.target, what.expected.kind);
  const bool known = what.expected.kind != Checksum::Kind::none;
  if (part.size() > 0 && known && part.digest().is(what.expected)) {  // all but the renaming was done
    const int64_t bytes = part.size();
    part.finish();
    return {what.addresses[0], bytes, bytes, part.digest().sha256()};
  }
  std::vector<Ended> ends;
  for (const std::string& address : what.addresses) {
    Transfer transfer(context, what, part, address);
    Ended ended = repeated(context, what, part, transfer);
    if (ended.how == End::complete && transfer.resumed() > 0 && !part.digest().is(what.expected)) {
      context.note(fmt::format("{}: the resumed file has another checksum than expected; fetching all of it again",
                               what.target.filename().string()));
      part.restart("", "");
      ended = repeated(context, what, part, transfer);
    }
    if (ended.how == End::complete) {
      if (!part.digest().is(what.expected)) {
        part.discard();
        fail(ErrorKind::io, "{}: wrong checksum: expected {}, got {} ({} bytes, deleted)", address,
             to_string(what.expected), part.digest().describe(what.expected), part.size());
      }
      part.finish();
      return {transfer.effective(), part.size(), transfer.resumed(), part.digest().sha256()};
    }
    ends.push_back(ended);
  }
  if (part.size() == 0) part.discard();
  give_up(what, part, ends);
}

}  // namespace fovea
