// Bytes of a file from the first to the last, inflated on the way where the file is a gzip stream. Memory is a fixed
// buffer, however long the file is. Not for several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace resnet {

class ByteStream {
 public:
  // Puts the next bytes of the file at the start of the span and returns how many; 0 at the end.
  using Refill = std::function<std::size_t(std::span<std::byte>)>;

  // Passes over bytes of the file without reading them; returns how many, 0 where it cannot.
  using Leap = std::function<std::uint64_t(std::uint64_t)>;

  // `where` names the file in errors. gzip (RFC 1952) is told by the first two bytes.
  ByteStream(Refill refill, std::string where, Leap leap = {});
  ~ByteStream();
  ByteStream(ByteStream&&) noexcept;

  // Throws kNotFound, kIo; kInvalidArgument for a directory.
  static ByteStream open(const std::string& path);

  // Fills `out`; returns fewer bytes only at the end. Throws kIo, kFormat for a damaged or truncated gzip stream,
  // kLimit for one that inflates more than 200 times, as no archive of pictures does.
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
