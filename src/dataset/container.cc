#include "dataset/container.h"

#include <array>
#include <filesystem>
#include <string_view>

#include "base/error.h"

#include "dataset/container_kinds.h"

namespace resnet {
namespace {

// A file that people name by mistake where pictures of known classes are expected.
void refuse_others(const InputFile& file) {
  constexpr std::size_t kLooked = 12;
  if (!file.is_regular() || file.size() < kLooked) return;
  std::array<std::byte, kLooked> begin;
  file.read_at(0, begin);
  const std::string_view text(reinterpret_cast<const char*>(begin.data()), begin.size());
  const char* picture = text.starts_with("\xFF\xD8\xFF")                     ? "JPEG"
                        : text.starts_with("\x89PNG")                        ? "PNG"
                        : text.starts_with("RIFF") && text.ends_with("WEBP") ? "WebP"
                                                                             : nullptr;
  if (picture != nullptr) {
    fail(ErrorCode::kInvalidArgument, file.path(),
         "is a single {} picture: data are a folder of folders, one for each class, or an archive of them", picture);
  }
  const auto is_model = [&](std::string_view ending) { return file.path().ends_with(ending); };
  if (is_model(".safetensors") || is_model(".pth") || is_model(".pt") || is_model(".th")) {
    fail(ErrorCode::kInvalidArgument, file.path(), "is a model, not pictures: the model comes first, then the data");
  }
}

}  // namespace

std::shared_ptr<const Container> Container::open(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return open_directory(path, {});
  auto file = std::make_shared<const InputFile>(path);
  refuse_others(*file);
  return looks_like_zip(*file) ? open_zip(path) : open_tar(std::move(file));
}

std::shared_ptr<const Container> Container::of_files(const std::string& directory, std::vector<std::string> names) {
  return open_directory(directory, std::move(names));
}

}  // namespace resnet
