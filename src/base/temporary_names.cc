#include "base/temporary_names.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>

#include "base/file_name.h"

namespace resnet {
namespace {

// A path, which a signal's handler may read at any moment: `version` is odd while it is written.
struct Slot {
  std::atomic<bool> taken = false;
  std::atomic<unsigned> version = 0;
  std::array<char, PATH_MAX> path{};

  void set(const char* text, std::size_t size) noexcept {
    version.fetch_add(1);
    std::memcpy(path.data(), text, size);
    path[size] = '\0';
    version.fetch_add(1);
  }
};

constexpr std::size_t kSlots = 64;
std::array<Slot, kSlots> slots;
std::atomic<int> writes = 0;          // of UninterruptedWrite
std::atomic<int> delayed_signal = 0;  // that came during one

static_assert(std::atomic<unsigned>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

}  // namespace

std::string temporary_name_beside(const std::string& path) {
  static std::atomic<unsigned> counter{0};
  const std::string suffix = fmt::format(".tmp.{}.{}", ::getpid(), counter++);
  const std::size_t slash = path.rfind('/');
  const std::size_t begin = slash == std::string::npos ? 0 : slash + 1;
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, begin);
  return path.substr(0, begin) + cut_file_name(path.substr(begin), folder, suffix.size()) + suffix;
}

TemporaryName::TemporaryName(const std::string& path) noexcept : slot_(0) {
  while (slot_ < kSlots && slots[slot_].taken.exchange(true)) ++slot_;
  if (slot_ < kSlots && path.size() < PATH_MAX) slots[slot_].set(path.data(), path.size());
}

TemporaryName::~TemporaryName() {
  if (slot_ == kSlots) return;
  slots[slot_].set("", 0);
  slots[slot_].taken = false;
}

UninterruptedWrite::UninterruptedWrite() noexcept { ++writes; }

UninterruptedWrite::~UninterruptedWrite() {
  if (--writes > 0) return;
  if (const int signal = delayed_signal.exchange(0); signal != 0) std::raise(signal);
}

bool end_temporary_files(int signal) noexcept {
  const int error = errno;
  if (writes > 0) {
    delayed_signal = signal;
    if (writes > 0 || delayed_signal.exchange(0) == 0) return false;  // it is raised, or has been
  }
  for (const Slot& slot : slots) {
    std::array<char, PATH_MAX> path;
    const unsigned version = slot.version;
    std::memcpy(path.data(), slot.path.data(), path.size());
    if (version % 2 == 0 && slot.version == version && path[0] != '\0') ::unlink(path.data());
  }
  errno = error;
  return true;
}

}  // namespace resnet
