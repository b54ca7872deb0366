// Where bytes come from when somebody asks for them: a file that is read piece by piece, or memory that is filled then.
// A tensor keeps a source alive as its owner, and knows it again by of().
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace resnet {

// Functions may be called from any thread.
class ByteSource {
 public:
  ByteSource() = default;
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  virtual ~ByteSource() = default;

  // Brings a part of the source's bytes to memory, where it stays, and gives it back. Before, nothing may look at it.
  // Throws what the source throws.
  virtual std::span<const std::byte> load(std::span<const std::byte> part) const = 0;

  // Reads a part into memory of the caller's, as large.
  virtual void copy(std::span<const std::byte> part, std::span<std::byte> out) const = 0;

  // True where a part that was read once stays in memory whether somebody needs it or not.
  virtual bool keeps_all() const noexcept = 0;

  // The source that `owner` shares; null for any other owner.
  static const ByteSource* of(const std::shared_ptr<const void>& owner) noexcept {
    const auto* close = std::get_deleter<Close>(owner);
    return close == nullptr ? nullptr : close->source;
  }

  // Shares an object, which becomes the pointer's, so that of() knows it.
  template <typename Source>
  static std::shared_ptr<Source> share(Source* source) {
    return {source, Close{source}};
  }

 private:
  struct Close {  // tells a shared pointer to a source from others
    const ByteSource* source;
    void operator()(const ByteSource* /*source*/) const noexcept { delete source; }
  };
};

}  // namespace resnet
