#include "base/processor.h"

#include <cpuid.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace resnet {

std::string processor_name() {
  constexpr unsigned kFirst = 0x80000002;  // three leaves of 16 characters each
  std::array<unsigned, 12> words{};
  for (unsigned i = 0; i < 3; ++i) {
    unsigned* leaf = words.data() + std::size_t{4} * i;
    if (__get_cpuid(kFirst + i, leaf, leaf + 1, leaf + 2, leaf + 3) == 0) return "unknown";
  }
  std::array<char, sizeof words + 1> text{};
  std::memcpy(text.data(), words.data(), sizeof words);
  const std::string name = text.data();
  const std::size_t begin = name.find_first_not_of(' ');
  if (begin == std::string::npos) return "unknown";
  return name.substr(begin, name.find_last_not_of(' ') + 1 - begin);
}

std::string cache_directory() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return std::string(cache) + "/resnet";  // others are to be ignored
  const char* home = std::getenv("HOME");
  if (home == nullptr || home[0] == '\0') {
    fail(ErrorCode::kNotFound, "cache", "neither XDG_CACHE_HOME nor HOME is set");
  }
  return std::string(home) + "/.cache/resnet";
}

}  // namespace resnet
