// gRPC's framing: a message stands behind a byte that says whether it is compressed, and its length in four bytes,
// the highest first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace resnet::serve {

inline std::string frame(std::string_view message) {
  std::string bytes(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(message.size() >> shift & 0xFF);
  bytes += message;
  return bytes;
}

struct Frame {
  bool compressed = false;
  std::string_view message;
};

class FrameReader {
 public:
  explicit FrameReader(std::size_t limit) : limit_(limit) {}

  // The first message, which is taken off `bytes`; nothing where it is not there whole. Throws kLimit for one of more
  // bytes than the limit, kFormat.
  std::optional<Frame> next(std::string_view& bytes) const {
    constexpr std::size_t kHead = 5;
    if (bytes.size() < kHead) return std::nullopt;
    if (static_cast<unsigned char>(bytes[0]) > 1) fail(ErrorCode::kFormat, "message", "no byte of 0 or 1 stands first");
    std::size_t length = 0;
    for (std::size_t i = 1; i < kHead; ++i) length = length << 8 | static_cast<unsigned char>(bytes[i]);
    if (length > limit_) fail(ErrorCode::kLimit, "message", "{} bytes are more than {}", length, limit_);
    if (bytes.size() - kHead < length) return std::nullopt;
    const Frame frame{bytes[0] == 1, bytes.substr(kHead, length)};
    bytes.remove_prefix(kHead + length);
    return frame;
  }

 private:
  std::size_t limit_;
};

}  // namespace resnet::serve
