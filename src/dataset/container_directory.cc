#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/notice.h"
#include "dataset/class_folders.h"
#include "dataset/container_kinds.h"
#include "dataset/dataset.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

// Adds what lies below a directory, whose path from the top is `inside`. `above` are the folders that it lies in, links
// resolved.
void list_below(const fs::path& directory, const std::string& inside, std::vector<fs::path>& above,
                std::vector<ContainedFile>& files) {
  const fs::path real = fs::canonical(directory);
  if (std::find(above.begin(), above.end(), real) != above.end()) {
    fail(ErrorCode::kInvalidArgument, directory.string(), "a link that leads back to a folder that it lies in");
  }
  const bool top = inside.empty();  // a link to it may be a class of its own, if it does not go round
  if (!top) above.push_back(real);
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (is_hidden(name)) continue;
    ContainedFile file;
    file.path = inside + name;
    std::error_code error;  // a link that leads nowhere is no directory; whoever reads it will say so
    if (entry.is_directory(error)) {
      file.kind = ContainedFile::Kind::kFolder;
      list_below(entry.path(), file.path + "/", above, files);
    } else if (!entry.is_regular_file(error) && entry.exists(error)) {
      if (looks_like_input(name)) {
        notice(entry.path().string() + ": is a pipe, a device or a socket, not a file; it is passed over");
      }
      continue;
    }
    files.push_back(std::move(file));
  }
  if (!top) above.pop_back();
}

class ListWalk : public Walk {
 public:
  ListWalk(std::string directory, std::vector<ContainedFile> files)
      : directory_(std::move(directory)), files_(std::move(files)) {}

  std::optional<ContainedFile> next() override {
    if (next_ == files_.size()) return std::nullopt;
    ContainedFile file = files_[next_];
    file.number = next_++;
    return file;
  }

  std::vector<std::byte> read(std::size_t max_bytes) override {
    return read_file(directory_ + "/" + files_[next_ - 1].path, max_bytes);
  }

 private:
  std::string directory_;
  std::vector<ContainedFile> files_;
  std::size_t next_ = 0;
};

class Directory : public Container {
 public:
  Directory(std::string path, std::vector<std::string> names) : path_(std::move(path)), names_(std::move(names)) {
    while (path_.size() > 1 && path_.ends_with('/')) path_.pop_back();
  }

  bool is_directory() const noexcept override { return true; }
  bool reads_anywhere() const noexcept override { return true; }
  std::string name_of(const std::string& path) const override { return path_ + "/" + path; }

  std::unique_ptr<Walk> walk() const override {
    std::vector<ContainedFile> files;
    for (const std::string& name : names_) files.emplace_back().path = name;
    try {
      std::vector<fs::path> above;
      if (names_.empty()) list_below(path_, "", above, files);
    } catch (const fs::filesystem_error& error) {
      const std::string where = error.path1().empty() ? path_ : error.path1().string();
      const bool absent = error.code() == std::errc::no_such_file_or_directory;
      fail(absent ? ErrorCode::kNotFound : ErrorCode::kIo, where, "cannot list: {}", error.code().message());
    }
    std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return std::make_unique<ListWalk>(path_, std::move(files));
  }

  FileBytes read(const ContainedFile& file, std::size_t max_bytes) const override {
    auto bytes = std::make_shared<const std::vector<std::byte>>(read_file(name_of(file.path), max_bytes));
    const std::span<const std::byte> span = *bytes;
    return {std::move(bytes), span};
  }

 private:
  std::string path_;
  std::vector<std::string> names_;  // the only files; empty: all
};

}  // namespace

std::shared_ptr<const Container> open_directory(const std::string& path, std::vector<std::string> names) {
  return std::make_shared<Directory>(path, std::move(names));
}

}  // namespace resnet
