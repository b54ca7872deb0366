#include <atomic>

#include "base/error.h"
#include "dataset/container_kinds.h"
#include "dataset/decompressors.h"
#include "formats/tar.h"

namespace resnet {
namespace {

class TarWalk : public Walk {
 public:
  explicit TarWalk(ByteStream stream) : tar_(std::move(stream)) {}

  std::optional<ContainedFile> next() override {
    while (std::optional<TarEntry> entry = tar_.next()) {
      ContainedFile file;
      file.number = number_++;
      if (entry->kind == TarEntry::Kind::kOther || entry->path.empty()) continue;
      file.path = std::move(entry->path);
      file.target = std::move(entry->target);
      file.size = entry->size;
      if (entry->kind == TarEntry::Kind::kDirectory) file.kind = ContainedFile::Kind::kFolder;
      if (entry->kind == TarEntry::Kind::kLink) file.kind = ContainedFile::Kind::kLink;
      if (!tar_.compressed()) file.offset = tar_.data_offset();
      return file;
    }
    return std::nullopt;
  }

  std::vector<std::byte> read(std::size_t max_bytes) override { return tar_.read(max_bytes); }

 private:
  TarReader tar_;
  std::uint64_t number_ = 0;
};

class TarArchive : public Container {
 public:
  explicit TarArchive(std::shared_ptr<const InputFile> file)
      : file_(std::move(file)), reads_anywhere_(file_->is_regular() && !stream().compressed()) {}

  bool reads_anywhere() const noexcept override { return reads_anywhere_; }
  std::string name_of(const std::string& path) const override { return file_->path() + ":" + path; }

  std::unique_ptr<Walk> walk() const override {
    if (!file_->is_regular() && walked_.test_and_set()) {
      fail(ErrorCode::kInvalidArgument, file_->path(), "is a pipe, but must be read twice: make it a file");
    }
    return std::make_unique<TarWalk>(stream());
  }

  FileBytes read(const ContainedFile& file, std::size_t max_bytes) const override {
    if (file.size > max_bytes) fail(ErrorCode::kLimit, name_of(file.path), "{} bytes are too many", file.size);
    auto bytes = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(file.size));
    file_->read_at(static_cast<std::size_t>(*file.offset), *bytes);
    const std::span<const std::byte> span = *bytes;
    return {std::move(bytes), span};
  }

 private:
  ByteStream stream() const { return ByteStream::of(file_, any_decompressor); }

  std::shared_ptr<const InputFile> file_;
  bool reads_anywhere_;
  mutable std::atomic_flag walked_;
};

}  // namespace

std::shared_ptr<const Container> open_tar(std::shared_ptr<const InputFile> file) {
  return std::make_shared<TarArchive>(std::move(file));
}

}  // namespace resnet
