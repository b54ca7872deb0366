// The one exception the library throws.
//
// Every public function may throw resnet::Error and nothing else, apart from std::bad_alloc. Nothing in the library
// prints, exits or aborts because of what a user or a file says.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace resnet {

// Numbers are those of resnet_status in C.
enum class ErrorCode {
  kInvalidArgument = 1,  // the caller asked for something that has no meaning
  kNotFound = 2,         // a file, a name or a tensor is not there
  kIo = 3,               // the operating system refused
  kFormat = 4,           // a file's bytes break the rules of its format
  kLimit = 5,            // a file asks for more than the reader will give
  kUnsupported = 6,      // well-formed, but outside what this library does
  kMismatch = 7,         // two things that should agree do not: weights and architecture, image and network
};
std::string_view name(ErrorCode code) noexcept;  // "invalid_argument", "not_found", ...; "unknown" for other numbers

class Error : public std::runtime_error {
 public:
  // `where` is the place: a path, "path: tensor 'fc.weight'", "path: offset 123". what() is "where: message".
  Error(ErrorCode code, std::string where, const std::string& message)
      : std::runtime_error(where.empty() ? message : where + ": " + message), code_(code), where_(std::move(where)) {}

  ErrorCode code() const noexcept { return code_; }
  const std::string& where() const noexcept { return where_; }

 private:
  ErrorCode code_;
  std::string where_;
};

}  // namespace resnet
