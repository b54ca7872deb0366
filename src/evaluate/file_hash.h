// What tells a file from all others.
#pragma once

#include <string>

namespace resnet {

// SHA-256 of a file's bytes in hexadecimal, as sha256sum prints it. Throws kNotFound, kIo.
std::string sha256_of_file(const std::string& path);

}  // namespace resnet
