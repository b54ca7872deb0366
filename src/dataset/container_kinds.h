// The kinds of containers, one for each file container_*.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/input_file.h"
#include "dataset/container.h"

namespace resnet {

// All of a directory's files, or those named.
std::shared_ptr<const Container> open_directory(const std::string& path, std::vector<std::string> names);

std::shared_ptr<const Container> open_tar(std::shared_ptr<const InputFile> file);

// Is this the beginning of a zip archive?
bool looks_like_zip(const InputFile& file);
std::shared_ptr<const Container> open_zip(const std::string& path);

}  // namespace resnet
