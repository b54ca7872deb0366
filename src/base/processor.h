// The processor: its name, how a loop waits on it; and where a user's caches lie.
#pragma once

#include <string>

namespace resnet {

// In a loop that waits for another thread: gives what a core's threads share to the other one, and saves power.
inline void pause_processor() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// As it calls itself: "AMD EPYC 9554 64-Core Processor"; its numbers where it has no name, "unknown" where Linux does
// not say these either.
std::string processor_name();

// The directory for what can be made again: $XDG_CACHE_HOME/resnet, or ~/.cache/resnet. Throws kNotFound where neither
// XDG_CACHE_HOME nor HOME is set. The directory may not exist yet.
std::string cache_directory();

}  // namespace resnet
