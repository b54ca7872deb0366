// A large file that is read piece by piece, such as a model, and that gives the bytes it had when it was opened or
// none: once another program has written to it, reading what has not been read throws.
//
// Each page's checksum is kept from its first reading on and compared at the next one. A page that is read for the
// first time counts as unchanged where the file's size and time of writing are as they were; where only the time of
// its last change of any kind is not (a new name, other rights, or a copy that kept the time), the pages known are
// compared as well. Small files are read at once.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "base/hash.h"
#include "base/input_file.h"

namespace resnet {

// Functions may be called from any thread.
class CheckedFile : public ByteSource {
 public:
  // Throws what InputFile throws. Pipes are read into memory.
  static std::shared_ptr<const CheckedFile> open(const std::string& path);

  // Bytes that came from elsewhere than a file, for those who read files.
  static std::shared_ptr<const CheckedFile> from_bytes(std::span<const std::byte> bytes);

  ~CheckedFile() override;

  std::size_t size() const noexcept { return size_; }

  // Where the file's bytes stand in memory once load() has been there; before, nothing may look at them. Valid as long
  // as the object lives.
  std::span<const std::byte> range() const noexcept { return {data_, size_}; }

  // Reads a part of range() that is not in memory yet, where it stays, and gives it back. Throws kIo.
  std::span<const std::byte> load(std::span<const std::byte> part) const override;

  // Gives back the memory of a part that was loaded, for the readers of a format, who make a pass over something large
  // before anybody else has the file. It may be loaded again.
  void release(std::span<const std::byte> part) const noexcept;

  // Reads a part of range() into memory of the caller's, as large, and keeps nothing. Throws kIo.
  void copy(std::span<const std::byte> part, std::span<std::byte> out) const override;

  bool keeps_all() const noexcept override { return false; }

 private:
  CheckedFile(const std::string& path, std::size_t size);
  static std::shared_ptr<CheckedFile> make(const std::string& path, std::size_t size);

  std::size_t pages() const noexcept { return (size_ + kPageBytes - 1) / kPageBytes; }
  bool is_loaded(std::size_t page) const noexcept;
  std::span<std::byte> bytes_of(std::size_t first, std::size_t count) const noexcept;
  using Parts = std::array<struct iovec, 3>;
  void read_part(std::size_t offset, std::span<std::byte> out) const;
  void read_pages(std::size_t first, const Parts& parts) const;
  void check_unchanged() const;

  std::optional<InputFile> file_;  // where something is left to read
  std::size_t size_;
  std::byte* data_ = nullptr;      // size_ bytes, and behind them:
  std::uint64_t* sums_ = nullptr;  // of each page; 0 where it has not been read; atomic
  bool* loaded_ = nullptr;         // each page; atomic
  std::size_t reserved_ = 0;       // bytes at data_, all in all
  mutable std::mutex loading_;
  mutable std::mutex checking_;
  mutable struct timespec changed_ {};  // the file's last change of any kind that is known; under checking_
};

}  // namespace resnet
