#include "base/checked_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "base/error.h"
#include "base/file.h"

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>  // finds who looks at what has not been loaded
#else
#define ASAN_POISON_MEMORY_REGION(begin, size) static_cast<void>(0)
#define ASAN_UNPOISON_MEMORY_REGION(begin, size) static_cast<void>(0)
#endif

namespace resnet {
namespace {

constexpr std::size_t kSmall = std::size_t{4} << 20;  // files of at most so many bytes are read at once
constexpr std::size_t kAtOnce = 64;                   // pages read before they are looked at, while they are near

std::size_t align(std::size_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

struct iovec as_part(std::span<std::byte> bytes) {
  return {bytes.data(), bytes.size()};
}

bool operator==(const struct timespec& a, const struct timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

}  // namespace

// Reserves addresses; memory is taken where something is written.
CheckedFile::CheckedFile(const std::string& path, std::size_t size) : size_(size) {
  if (size == 0) return;
  const std::size_t sums = align(size);
  const std::size_t flags = sums + align(pages() * sizeof(std::uint64_t));
  reserved_ = flags + align(pages());
  void* memory = ::mmap(nullptr, reserved_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fail_errno(path, "cannot reserve memory");
  data_ = static_cast<std::byte*>(memory);
  sums_ = reinterpret_cast<std::uint64_t*>(data_ + sums);
  loaded_ = reinterpret_cast<bool*>(data_ + flags);
  ASAN_POISON_MEMORY_REGION(data_, sums);
}

CheckedFile::~CheckedFile() {
  if (data_ == nullptr) return;
  ASAN_UNPOISON_MEMORY_REGION(data_, align(size_));
  ::munmap(data_, reserved_);
}

std::shared_ptr<CheckedFile> CheckedFile::make(const std::string& path, std::size_t size) {
  return share(new CheckedFile(path, size));
}

std::shared_ptr<const CheckedFile> CheckedFile::open(const std::string& path) {
  InputFile file(path);
  if (!file.is_regular()) return from_bytes(read_stream(file.descriptor(), path, SIZE_MAX));
  const std::shared_ptr<CheckedFile> result = make(path, file.size());
  result->changed_ = file.changed();
  result->file_.emplace(std::move(file));
  if (result->size_ <= kSmall) {
    result->load(result->range());
    result->file_.reset();
  }
  return result;
}

std::shared_ptr<const CheckedFile> CheckedFile::from_bytes(std::span<const std::byte> bytes) {
  const std::shared_ptr<CheckedFile> result = make("", bytes.size());
  ASAN_UNPOISON_MEMORY_REGION(result->data_, bytes.size());
  std::copy(bytes.begin(), bytes.end(), result->data_);
  std::fill_n(result->loaded_, result->pages(), true);
  return result;
}

std::span<std::byte> CheckedFile::bytes_of(std::size_t first, std::size_t count) const noexcept {
  const std::size_t begin = first * kPageBytes;
  return {data_ + begin, std::min(count * kPageBytes, size_ - begin)};
}

bool CheckedFile::is_loaded(std::size_t page) const noexcept {
  return std::atomic_ref(loaded_[page]).load(std::memory_order_acquire);
}

std::span<const std::byte> CheckedFile::load(std::span<const std::byte> part) const {
  if (part.empty()) return part;
  const auto offset = static_cast<std::size_t>(part.data() - data_);
  const std::size_t end = (offset + part.size() - 1) / kPageBytes + 1;
  const auto absent = [this](std::size_t page) { return !is_loaded(page); };
  std::size_t page = offset / kPageBytes;
  while (page < end && !absent(page)) ++page;
  if (page == end) return part;
  const std::lock_guard lock(loading_);
  while (page < end) {
    std::size_t next = page;
    while (next < end && next - page < kAtOnce && absent(next)) ++next;
    if (next > page) read_pages(page, {{as_part(bytes_of(page, next - page))}});
    for (; page < next; ++page) std::atomic_ref(loaded_[page]).store(true, std::memory_order_release);
    while (page < end && !absent(page)) ++page;
  }
  return part;
}

void CheckedFile::release(std::span<const std::byte> part) const noexcept {
  if (!file_ || part.empty()) return;
  const std::lock_guard lock(loading_);
  const auto unit = std::max<std::size_t>(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)), kPageBytes);
  const auto offset = static_cast<std::size_t>(part.data() - data_);
  const std::size_t begin = (offset + unit - 1) / unit * unit;
  const std::size_t end = (offset + part.size()) / unit * unit;
  if (begin >= end) return;
  for (std::size_t page = begin / kPageBytes; page < end / kPageBytes; ++page) {
    if (is_loaded(page)) std::atomic_ref(loaded_[page]).store(false, std::memory_order_relaxed);
  }
  ::madvise(data_ + begin, end - begin, MADV_DONTNEED);
  ASAN_POISON_MEMORY_REGION(data_ + begin, end - begin);
}

void CheckedFile::copy(std::span<const std::byte> part, std::span<std::byte> out) const {
  auto offset = static_cast<std::size_t>(part.data() - data_);
  while (!out.empty()) {
    const std::size_t first = offset / kPageBytes;
    const std::size_t end = (offset + out.size() - 1) / kPageBytes + 1;
    const bool loaded = is_loaded(first);
    std::size_t next = first + 1;
    while (next < end && next - first < kAtOnce && is_loaded(next) == loaded) ++next;
    const std::size_t done = std::min(out.size(), next * kPageBytes - offset);
    loaded ? static_cast<void>(std::memcpy(out.data(), data_ + offset, done)) : read_part(offset, out.first(done));
    offset += done;
    out = out.subspan(done);
  }
}

// A part of at most kAtOnce pages. The first and the last are read whole, as sums are of whole pages.
void CheckedFile::read_part(std::size_t offset, std::span<std::byte> out) const {
  const std::size_t first = offset / kPageBytes;
  const std::size_t last = (offset + out.size() - 1) / kPageBytes;
  const std::size_t skipped = offset % kPageBytes;
  const std::size_t last_bytes = offset + out.size() - last * kPageBytes;  // of the last page that are wanted
  std::array<std::byte, kPageBytes> head, tail;
  const bool cut_head = skipped != 0;
  const bool cut_tail = last_bytes < bytes_of(last, 1).size() && (!cut_head || last > first);
  if (cut_head && last == first) {
    const std::span<std::byte> whole = std::span(head).first(bytes_of(first, 1).size());
    read_pages(first, {{as_part(whole)}});
    std::memcpy(out.data(), whole.data() + skipped, out.size());
    return;
  }
  const std::size_t head_bytes = cut_head ? kPageBytes - skipped : 0;
  const std::size_t tail_bytes = cut_tail ? last_bytes : 0;
  Parts parts = {{{head.data(), cut_head ? kPageBytes : 0},
                  {out.data() + head_bytes, out.size() - head_bytes - tail_bytes},
                  {tail.data(), cut_tail ? bytes_of(last, 1).size() : 0}}};
  read_pages(first, parts);
  std::memcpy(out.data(), head.data() + skipped, head_bytes);
  std::memcpy(out.data() + out.size() - tail_bytes, tail.data(), tail_bytes);
}

// Whole pages from the file, kAtOnce at most, the file's last one as long as it is. Each part holds whole ones.
void CheckedFile::read_pages(std::size_t first, const Parts& parts) const {
  Parts left = parts;
  for (const auto& part : parts) ASAN_UNPOISON_MEMORY_REGION(part.iov_base, part.iov_len);
  file_->read_unchecked(first * kPageBytes, left);
  std::array<std::uint64_t, kAtOnce> sums;
  std::size_t count = 0;
  bool all_known = true;
  for (const auto& part : parts) {
    for (std::span rest(static_cast<const std::byte*>(part.iov_base), part.iov_len); !rest.empty(); ++count) {
      const std::size_t bytes = std::min(rest.size(), kPageBytes);
      sums[count] = page_sum(rest.first(bytes));
      rest = rest.subspan(bytes);
      const std::uint64_t known = std::atomic_ref(sums_[first + count]).load(std::memory_order_relaxed);
      if (known != 0 && known != sums[count]) file_->fail_changed();
      all_known = all_known && known != 0;
    }
  }
  if (all_known) return;
  check_unchanged();
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t known = 0;
    const bool added =
        std::atomic_ref(sums_[first + i]).compare_exchange_strong(known, sums[i], std::memory_order_relaxed);
    if (!added && known != sums[i]) file_->fail_changed();
  }
}

// Throws where somebody has written to the file since it was opened.
void CheckedFile::check_unchanged() const {
  const struct stat now = file_->status();
  if (!file_->is_unchanged(now)) file_->fail_changed();
  const std::lock_guard lock(checking_);
  if (now.st_ctim == changed_) return;
  std::array<std::byte, kPageBytes> bytes;
  for (std::size_t page = 0; page < pages(); ++page) {
    const std::uint64_t known = std::atomic_ref(sums_[page]).load(std::memory_order_relaxed);
    if (known == 0) continue;
    const std::span<std::byte> all = std::span(bytes).first(bytes_of(page, 1).size());
    struct iovec part = as_part(all);
    file_->read_unchecked(page * kPageBytes, {&part, 1});
    if (page_sum(all) != known) file_->fail_changed();
  }
  changed_ = now.st_ctim;
}

}  // namespace resnet
