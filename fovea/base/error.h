// The one error type. Thrown while building, compiling, parsing and reading options; never inside a running step.
#pragma once

#include <fmt/format.h>

#include <exception>
#include <string>
#include <string_view>

namespace fovea {

enum class ErrorKind { shape, type, format, unsupported, io, usage, internal };

std::string_view to_string(ErrorKind kind);

// A message reads: where (file, node, byte), what was expected, what was found, and a hint.
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}
  ErrorKind kind() const { return kind_; }
  const std::string& message() const { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }

  // The same error with "prefix: " before its message: how an outer level adds where it happened.
  Error within(std::string_view prefix) const { return Error(kind_, fmt::format("{}: {}", prefix, message_)); }

 private:
  ErrorKind kind_;
  std::string message_;
};

// Throws Error{kind, formatted message}.
template <class... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

// Throws Error{kind, formatted message} unless the condition holds. The message is only formatted on failure.
template <class... Args>
void require(bool condition, ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) [[unlikely]]
    fail(kind, format, std::forward<Args>(args)...);
}

}  // namespace fovea
