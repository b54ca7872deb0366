#include "dataset/container.h"

#include <filesystem>

#include "dataset/container_kinds.h"

namespace resnet {

std::shared_ptr<const Container> Container::open(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return open_directory(path, {});
  auto file = std::make_shared<const InputFile>(path);
  return looks_like_zip(*file) ? open_zip(path) : open_tar(std::move(file));
}

std::shared_ptr<const Container> Container::of_files(const std::string& directory, std::vector<std::string> names) {
  return open_directory(directory, std::move(names));
}

}  // namespace resnet
