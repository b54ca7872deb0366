#include "base/processor.h"

#include <array>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/proc.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace resnet {
namespace {

// What the processor itself says, padded with blanks; empty where it says nothing.
std::string brand() {
#if defined(__x86_64__)
  constexpr unsigned kFirst = 0x80000002;  // three leaves of 16 characters each
  std::array<unsigned, 12> words{};
  for (unsigned i = 0; i < 3; ++i) {
    unsigned* leaf = words.data() + std::size_t{4} * i;
    if (__get_cpuid(kFirst + i, leaf, leaf + 1, leaf + 2, leaf + 3) == 0) return "";
  }
  std::array<char, sizeof words + 1> text{};
  std::memcpy(text.data(), words.data(), sizeof words);
  return text.data();
#else
  return proc_value("/proc/cpuinfo", "model name");
#endif
}

// Where a processor has numbers instead of a name, as ARM's do.
std::string numbers() {
  std::string text;
  for (const char* number : {"CPU implementer", "CPU part", "CPU variant"}) {
    const std::string value = proc_value("/proc/cpuinfo", number);
    if (!value.empty()) text += (text.empty() ? "" : " ") + std::string(number).substr(4) + " " + value;
  }
  return text;
}

}  // namespace

std::string processor_name() {
  std::string name = brand();
  if (name.find_first_not_of(' ') == std::string::npos) name = numbers();
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
