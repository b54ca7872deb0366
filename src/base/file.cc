#include "base/file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"

namespace resnet {

std::vector<std::byte> read_stream(int descriptor, const std::string& where, std::size_t max_bytes) {
  std::vector<std::byte> bytes;
  std::size_t used = 0;
  for (;;) {
    if (used == bytes.size()) bytes.resize(std::max<std::size_t>(64 * 1024, used * 2));
    const ssize_t got = ::read(descriptor, bytes.data() + used, bytes.size() - used);
    if (got < 0) {
      if (errno == EINTR) continue;
      fail_errno(where, "cannot read");
    }
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
    if (used > max_bytes) fail(ErrorCode::kLimit, where, "larger than {} bytes", max_bytes);
  }
  bytes.resize(used);
  return bytes;
}

std::vector<std::byte> read_file(const std::string& path, std::size_t max_bytes) {
  const InputFile file(path);
  // Files of the kernel's say that they have no bytes.
  if (!file.is_regular() || file.size() == 0) return read_stream(file.descriptor(), path, max_bytes);
  if (file.size() > max_bytes) {
    fail(ErrorCode::kLimit, path, "{} bytes, more than the {} allowed", file.size(), max_bytes);
  }
  std::vector<std::byte> bytes(file.size());
  file.read_at(0, bytes);
  return bytes;
}

}  // namespace resnet
