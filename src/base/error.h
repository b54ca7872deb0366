// Throwing resnet::Error with a formatted message, and assertions for bugs.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "resnet/error.h"

namespace resnet {

// fail(ErrorCode::kFormat, path, "offset {}: {} bytes are missing", offset, missing);
template <typename... Args>
[[noreturn]] void fail(ErrorCode code, std::string where, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(code, std::move(where), fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace resnet

// A condition that only a bug in this library can break, never a user or a file. Off in release builds.
#ifdef NDEBUG
#define RESNET_ASSERT(condition) static_cast<void>(0)
#else
#define RESNET_ASSERT(condition)      \
  ((condition) ? static_cast<void>(0) \
               : (std::fprintf(stderr, "%s:%d: bug: %s is false\n", __FILE__, __LINE__, #condition), std::abort()))
#endif
