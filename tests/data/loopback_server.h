// A small HTTP server on the loopback, in a thread, that also truncates, lies and stalls as a test tells it to.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace fovea {

struct Request {
  std::string text;  // everything up to the empty line
  std::string path() const {
    const size_t begin = text.find(' ') + 1;
    return text.substr(begin, text.find(' ', begin) - begin);
  }
  // The value of a header, or "".
  std::string header(const std::string& name) const {
    const size_t at = text.find("\r\n" + name + ": ");
    if (at == text.npos) return "";
    const size_t begin = at + name.size() + 4;
    return text.substr(begin, text.find("\r\n", begin) - begin);
  }
  // The first byte of "Range: bytes=N-", or -1.
  long first() const {
    const std::string range = header("Range");
    return range.starts_with("bytes=") ? std::stol(range.substr(6)) : -1;
  }
};

struct Reply {
  std::string bytes;      // status line, headers and body, as they go over the wire
  double hold = 0;        // seconds before the connection is closed
  size_t cut = SIZE_MAX;  // close after so many bytes
};

class LoopbackServer {
 public:
  using Handler = std::function<Reply(const Request&)>;
  explicit LoopbackServer(Handler handler) : handler_(std::move(handler)) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(socket_, 16) != 0)
      throw std::runtime_error("the loopback cannot be listened to");
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~LoopbackServer() {
    stop_ = true;
    thread_.join();
    ::close(socket_);
  }
  std::string address(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
  std::vector<Request> requests() const {
    const std::scoped_lock lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    while (!stop_) {
      pollfd waiting{socket_, POLLIN, 0};
      if (::poll(&waiting, 1, 20) <= 0) continue;
      const int client = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      answer(client);
      ::close(client);
    }
  }
  void answer(int client) {
    Request request;
    char piece[4096];
    while (request.text.find("\r\n\r\n") == std::string::npos) {
      const ssize_t size = ::recv(client, piece, sizeof piece, 0);
      if (size <= 0) return;
      request.text.append(piece, static_cast<size_t>(size));
    }
    {
      const std::scoped_lock lock(mutex_);
      requests_.push_back(request);
    }
    const Reply reply = handler_(request);
    const std::string bytes = reply.bytes.substr(0, reply.cut);
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t size = ::send(client, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (size <= 0) return;
      done += static_cast<size_t>(size);
    }
    for (double waited = 0; waited < reply.hold && !stop_; waited += 0.01) ::usleep(10000);
    ::shutdown(client, SHUT_WR);
    while (::recv(client, piece, sizeof piece, MSG_DONTWAIT) > 0) {}
  }

  Handler handler_;
  int socket_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_ = false;
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  std::thread thread_;
};

// "HTTP/1.1 200 OK", the headers, Content-Length (unless it is negative), the body.
inline std::string response(const std::string& status, const std::string& headers, const std::string& body,
                            long length) {
  return "HTTP/1.1 " + status + "\r\nConnection: close\r\n" + headers +
         (length >= 0 ? "Content-Length: " + std::to_string(length) + "\r\n" : "") + "\r\n" + body;
}
inline std::string response(const std::string& status, const std::string& headers, const std::string& body) {
  return response(status, headers, body, static_cast<long>(body.size()));
}

// A file as a good server gives it: with an ETag, Range and If-Range.
inline std::string served(const Request& request, const std::string& body, const std::string& etag) {
  const long first = request.first();
  const std::string condition = request.header("If-Range");
  if (first < 0 || (!condition.empty() && condition != etag)) return response("200 OK", "ETag: " + etag + "\r\n", body);
  const long size = static_cast<long>(body.size());
  if (first >= size)
    return response("416 Range Not Satisfiable", "Content-Range: bytes */" + std::to_string(size) + "\r\n", "");
  return response("206 Partial Content",
                  "ETag: " + etag + "\r\nContent-Range: bytes " + std::to_string(first) + "-" +
                      std::to_string(size - 1) + "/" + std::to_string(size) + "\r\n",
                  body.substr(static_cast<size_t>(first)));
}

}  // namespace fovea
