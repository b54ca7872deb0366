// File names that are made of others.
#pragma once

#include <cstddef>
#include <string>

namespace resnet {

// The beginning of a file's name, as much as fits into a folder with `spare` bytes behind it, and no part of a letter.
std::string cut_file_name(std::string name, const std::string& folder, std::size_t spare);

}  // namespace resnet
