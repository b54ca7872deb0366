// The processor's name, and where a user's caches lie.
#pragma once

#include <string>

namespace resnet {

// As it calls itself: "AMD EPYC 9554 64-Core Processor"; "unknown" where it does not say.
std::string processor_name();

// The directory for what can be made again: $XDG_CACHE_HOME/resnet, or ~/.cache/resnet. Throws kNotFound where neither
// XDG_CACHE_HOME nor HOME is set. The directory may not exist yet.
std::string cache_directory();

}  // namespace resnet
