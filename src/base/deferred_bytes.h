// Memory that is filled when somebody first asks for it: what is unpacked, gathered or decoded, and perhaps never
// needed.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "base/byte_source.h"

namespace resnet {

class DeferredBytes : public ByteSource {
 public:
  // Writes all bytes. May throw; is then called again for who asks next.
  using Fill = std::function<void(std::span<std::byte>)>;

  // Reserves addresses for `size` bytes; memory is taken where they are filled. Throws kIo where there are none, with
  // `where` as the place.
  static std::shared_ptr<const DeferredBytes> make(std::size_t size, Fill fill, const std::string& where);
  ~DeferredBytes() override;

  std::span<const std::byte> range() const noexcept { return {data_, size_}; }

  std::span<const std::byte> load(std::span<const std::byte> part) const override;
  void copy(std::span<const std::byte> part, std::span<std::byte> out) const override;
  bool keeps_all() const noexcept override { return true; }

 private:
  DeferredBytes(std::size_t size, Fill fill, const std::string& where);

  std::size_t size_;
  std::byte* data_ = nullptr;
  mutable Fill fill_;
  mutable std::mutex filling_;
  mutable std::atomic<bool> filled_ = false;
};

}  // namespace resnet
