#include "capi/guard.h"

#include <stdexcept>

#include "base/fault.h"

namespace resnet::capi {
namespace {

thread_local std::string last_message;
thread_local const char* last_error = "";

}  // namespace

resnet_status remember(resnet_status status, const char* message) noexcept {
  try {
    last_message = message;
    last_error = last_message.c_str();
  } catch (...) {
    last_error = "out of memory";
  }
  return status;
}

resnet_status remember_fault(const std::exception& fault) noexcept {
  const bool memory = dynamic_cast<const std::bad_alloc*>(&fault) != nullptr ||
                      dynamic_cast<const std::length_error*>(&fault) != nullptr;
  if (memory) return remember(RESNET_OUT_OF_MEMORY, "out of memory");
  try {
    return remember(RESNET_INTERNAL, describe_fault(fault).c_str());
  } catch (...) {
    return remember(RESNET_OUT_OF_MEMORY, "out of memory");
  }
}

static_assert(static_cast<int>(ErrorCode::kInvalidArgument) == RESNET_INVALID_ARGUMENT);
static_assert(static_cast<int>(ErrorCode::kNotFound) == RESNET_NOT_FOUND);
static_assert(static_cast<int>(ErrorCode::kIo) == RESNET_IO);
static_assert(static_cast<int>(ErrorCode::kFormat) == RESNET_FORMAT);
static_assert(static_cast<int>(ErrorCode::kLimit) == RESNET_LIMIT);
static_assert(static_cast<int>(ErrorCode::kUnsupported) == RESNET_UNSUPPORTED);
static_assert(static_cast<int>(ErrorCode::kMismatch) == RESNET_MISMATCH);
resnet_status status_of(ErrorCode code) noexcept { return static_cast<resnet_status>(code); }

}  // namespace resnet::capi

extern "C" {

const char* resnet_last_error() { return resnet::capi::last_error; }

const char* resnet_version() { return RESNET_VERSION; }

const char* resnet_status_name(int status) {
  switch (status) {
    case RESNET_OK: return "ok";
    case RESNET_INVALID_ARGUMENT: return "invalid argument";
    case RESNET_NOT_FOUND: return "not found";
    case RESNET_IO: return "input or output";
    case RESNET_FORMAT: return "format";
    case RESNET_LIMIT: return "limit";
    case RESNET_UNSUPPORTED: return "unsupported";
    case RESNET_MISMATCH: return "mismatch";
    case RESNET_OUT_OF_MEMORY: return "out of memory";
    case RESNET_INTERNAL: return "internal";
  }
  return "unknown";
}
}
