// Reads little-endian numbers and runs of bytes one after the other; nothing is read beyond the end.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/byte_source.h"
#include "base/error.h"

namespace resnet {

class ByteReader {
 public:
  // `where` names the bytes in errors, whose offsets count from the start of `bytes`.
  ByteReader(std::span<const std::byte> bytes, std::string where, std::size_t position = 0)
      : bytes_(bytes), where_(std::move(where)), position_(position) {
    if (position > bytes.size()) fail(ErrorCode::kFormat, where_, "offset {}: beyond the end", position);
  }

  // The same of bytes of a source, which are loaded as far as they are read.
  ByteReader(const ByteSource& source, std::span<const std::byte> bytes, std::string where, std::size_t position = 0)
      : ByteReader(bytes, std::move(where), position) {
    source_ = &source;
  }

  std::size_t position() const noexcept { return position_; }
  std::size_t left() const noexcept { return bytes_.size() - position_; }
  const std::string& where() const noexcept { return where_; }

  std::span<const std::byte> take(std::uint64_t count) {
    const std::span<const std::byte> result = skip(count);
    return source_ == nullptr ? result : source_->load(result);
  }

  // As take(), but what it gives has not been loaded.
  std::span<const std::byte> skip(std::uint64_t count) {
    if (count > left()) {
      fail(ErrorCode::kFormat, where_, "offset {}: {} bytes wanted, {} left", position_, count, left());
    }
    const std::span<const std::byte> result = bytes_.subspan(position_, count);
    position_ += count;
    return result;
  }

  std::string_view text(std::uint64_t count) {
    const std::span<const std::byte> bytes = take(count);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // An unsigned or two's complement number.
  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

 private:
  const ByteSource* source_ = nullptr;
  std::span<const std::byte> bytes_;
  std::string where_;
  std::size_t position_;
};

}  // namespace resnet
