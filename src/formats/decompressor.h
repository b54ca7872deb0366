// Unpacks a compressed stream piece by piece. Streams that follow one another count as one, as the programs of these
// formats take them. ByteStream reads through it; gzip is here, what else data sets are packed by in
// dataset/decompressors.h. Not for several threads at once.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "resnet/error.h"

namespace resnet {

class Decompressor {
 public:
  static constexpr std::size_t kMagicBytes = 8;  // so many tell the formats apart

  Decompressor() = default;
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  virtual ~Decompressor() = default;

  virtual const char* name() const = 0;  // "gzip"

  struct Step {
    std::size_t taken = 0;  // bytes from the front of `in`
    std::size_t made = 0;   // bytes at the front of `out`
    std::string problem;    // what is wrong with the stream; empty where nothing is
    ErrorCode code = ErrorCode::kFormat;
  };

  // Unpacks from `in` to `out` as far as either goes. `last`: nothing comes after `in`, which may be empty then.
  // Memory is bounded, whatever the stream asks for (kLimit).
  virtual Step run(std::span<const std::byte> in, std::span<std::byte> out, bool last) = 0;

  // A stream has ended and no other has begun: the file may end here.
  virtual bool at_end() const = 0;
};

// What unpacks a file that begins with these bytes; null where it is not compressed.
using DecompressorFor = std::unique_ptr<Decompressor> (*)(std::span<const std::byte> begin);

std::unique_ptr<Decompressor> gzip_only(std::span<const std::byte> begin);  // RFC 1952

// Formats that are not read, by their first bytes: "a 7z archive". Null where it is none that we know.
const char* unread_format(std::span<const std::byte> begin);

}  // namespace resnet
