// Bytes of a file from the first to the last, unpacked on the way where they are compressed (decompressor.h). Memory is
// a fixed buffer and what the format needs, however long the file is. Not for several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/input_file.h"
#include "formats/decompressor.h"

namespace resnet {

class ByteStream {
 public:
  // Puts the next bytes of the file at the start of the span and returns how many; 0 at the end.
  using Refill = std::function<std::size_t(std::span<std::byte>)>;

  // Passes over bytes of the file without reading them; returns how many, 0 where it cannot.
  using Leap = std::function<std::uint64_t(std::uint64_t)>;

  // `where` names the file in errors. Throws kUnsupported for formats that are known but not read (7z, RAR, lz4, ...).
  ByteStream(Refill refill, std::string where, Leap leap = {}, DecompressorFor decompressor = gzip_only);
  ~ByteStream();
  ByteStream(ByteStream&&) noexcept;

  // Throws kNotFound, kIo; kInvalidArgument for a directory.
  static ByteStream open(const std::string& path, DecompressorFor decompressor = gzip_only);

  // A file that is open already, from its beginning; a pipe from where it is.
  static ByteStream of(std::shared_ptr<const InputFile> file, DecompressorFor decompressor = gzip_only);

  // Fills `out`; returns fewer bytes only at the end. Throws kIo; of a compressed stream kFormat for a damaged or
  // truncated one, kLimit for one that inflates more than 200 times, as no archive of pictures does, or needs more than
  // 256 MiB of memory.
  std::size_t read(std::span<std::byte> out);

  // Passes over `count` bytes, in one leap where the file is not compressed and can be sought in. Returns fewer only at
  // the end.
  std::uint64_t skip(std::uint64_t count);

  bool compressed() const noexcept;
  const std::string& where() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace resnet
