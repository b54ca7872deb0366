#include "base/fault.h"

#include <filesystem>
#include <new>
#include <stdexcept>
#include <system_error>

namespace resnet {

std::string describe_fault(const std::exception& fault) {
  if (const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&fault)) {
    return file->path1().string() + ": " + file->code().message();
  }
  if (const auto* system = dynamic_cast<const std::system_error*>(&fault)) return system->code().message();
  const bool memory = dynamic_cast<const std::bad_alloc*>(&fault) != nullptr ||
                      dynamic_cast<const std::length_error*>(&fault) != nullptr;  // no container is so large
  if (memory) return "out of memory";
  return "a fault of resnet itself, not of what it was given: please report it with what led to it";
}

}  // namespace resnet
