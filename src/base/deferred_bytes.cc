#include "base/deferred_bytes.h"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "base/buffer.h"
#include "base/input_file.h"

namespace resnet {

std::shared_ptr<const DeferredBytes> DeferredBytes::make(std::size_t size, Fill fill, const std::string& where) {
  return share(new DeferredBytes(size, std::move(fill), where));
}

DeferredBytes::DeferredBytes(std::size_t size, Fill fill, const std::string& where)
    : size_(size), fill_(std::move(fill)) {
  if (size == 0) return;
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fail_errno(where, "cannot reserve memory");
  data_ = static_cast<std::byte*>(memory);
  if (size >= kHugePage) ::madvise(data_, size, MADV_HUGEPAGE);
}

DeferredBytes::~DeferredBytes() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

std::span<const std::byte> DeferredBytes::load(std::span<const std::byte> part) const {
  if (filled_.load(std::memory_order_acquire)) return part;
  const std::lock_guard lock(filling_);
  if (filled_.load(std::memory_order_relaxed)) return part;
  fill_({data_, size_});
  fill_ = nullptr;  // and what it kept alive
  filled_.store(true, std::memory_order_release);
  return part;
}

void DeferredBytes::copy(std::span<const std::byte> part, std::span<std::byte> out) const {
  std::ranges::copy(load(part), out.begin());
}

}  // namespace resnet
