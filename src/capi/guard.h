// The edge between C++ and C: no exception passes it, each becomes a status and the thread's last error.
#pragma once

#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "base/error.h"
#include "resnet/resnet.h"

namespace resnet::capi {

// Keeps a copy of the message for resnet_last_error().
resnet_status remember(resnet_status status, const char* message) noexcept;
resnet_status remember_fault(const std::exception& fault) noexcept;  // one that is no Error
resnet_status status_of(ErrorCode code) noexcept;

template <typename Work>
resnet_status guarded(const Work& work) noexcept {
  try {
    work();
    return RESNET_OK;
  } catch (const Error& error) {
    return remember(status_of(error.code()), error.what());
  } catch (const std::exception& fault) {
    return remember_fault(fault);
  } catch (...) {
    return remember(RESNET_INTERNAL, "a fault of resnet itself");
  }
}

// The argument, which must not be null.
template <typename T>
T& required(T* argument, const char* name) {
  if (argument == nullptr) fail(ErrorCode::kInvalidArgument, name, "is null");
  return *argument;
}

}  // namespace resnet::capi
