#include "formats/byte_stream.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/input_file.h"

namespace resnet {
namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr std::uint64_t kMaxRatio = 200;
constexpr std::uint64_t kRatioGrace = 64ULL << 20;  // short streams may be anything

// A file read from its beginning to its end.
class SequentialFile {
 public:
  explicit SequentialFile(std::shared_ptr<const InputFile> file) : file_(std::move(file)) {}

  // To at most the end of a regular file; other files cannot leap.
  std::uint64_t leap(std::uint64_t count) {
    if (!file_->is_regular() || at_ >= file_->size()) return 0;
    const std::uint64_t bytes = std::min<std::uint64_t>(count, file_->size() - at_);
    at_ += bytes;
    return bytes;
  }

  std::size_t read(std::span<std::byte> out) {
    if (file_->is_regular()) {
      const std::size_t bytes = std::min(out.size(), file_->size() - at_);
      file_->read_at(at_, out.first(bytes));
      at_ += bytes;
      return bytes;
    }
    for (;;) {
      const ssize_t got = ::read(file_->descriptor(), out.data(), out.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) fail_errno(file_->path(), "cannot read");
    }
  }

 private:
  std::shared_ptr<const InputFile> file_;
  std::size_t at_ = 0;
};

}  // namespace

struct ByteStream::Impl {
  Refill refill;
  Leap leap;
  std::string where;
  std::array<std::byte, kBufferBytes> buffer;
  std::span<const std::byte> waiting;  // bytes of the buffer that nobody has taken
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::unique_ptr<Decompressor> decompressor;  // null where nothing is compressed

  Impl(Refill refill_function, std::string where_text, Leap leap_function, DecompressorFor decompressor_for)
      : refill(std::move(refill_function)), leap(std::move(leap_function)), where(std::move(where_text)) {
    while (waiting.size() < Decompressor::kMagicBytes) {  // a pipe may give a single byte
      const std::size_t got = refill(std::span(buffer).subspan(waiting.size()));
      if (got == 0) break;
      bytes_in += got;
      waiting = std::span(buffer).first(waiting.size() + got);
    }
    if (const char* format = unread_format(waiting)) {
      fail(ErrorCode::kUnsupported, where,
           "is {}, which is not read: repack it as .tar, .tar.gz, .tar.xz, .tar.bz2, .tar.zst or .zip", format);
    }
    decompressor = decompressor_for(waiting);
  }

  bool more() {
    if (!waiting.empty()) return true;
    const std::size_t got = refill(buffer);
    bytes_in += got;
    waiting = std::span(buffer).first(got);
    return got != 0;
  }

  std::size_t copy(std::span<std::byte> out) {
    std::size_t used = 0;
    while (used < out.size() && more()) {
      const std::size_t count = std::min(out.size() - used, waiting.size());
      std::memcpy(out.data() + used, waiting.data(), count);
      waiting = waiting.subspan(count);
      used += count;
    }
    return used;
  }

  std::size_t unpack(std::span<std::byte> out) {
    std::size_t used = 0;
    while (used < out.size()) {
      const bool last = !more();
      if (last && decompressor->at_end()) break;
      const Decompressor::Step step = decompressor->run(waiting, out.subspan(used), last);
      waiting = waiting.subspan(step.taken);
      used += step.made;
      if (!step.problem.empty()) fail_unpacking(step);
      if (step.taken > 0 || step.made > 0 || decompressor->at_end()) continue;
      if (last) fail_here("the {} stream is cut short");
      fail_here("damaged {} stream");
    }
    bytes_out += used;
    if (bytes_out > kRatioGrace + kMaxRatio * bytes_in) {
      fail(ErrorCode::kLimit, where, "inflates more than {} times", kMaxRatio);
    }
    return used;
  }

  [[noreturn]] void fail_here(const char* format) const {
    const std::string text = fmt::format(fmt::runtime(format), decompressor->name());
    fail(ErrorCode::kFormat, where, "offset {}: {}", bytes_in - waiting.size(), text);
  }

  [[noreturn]] void fail_unpacking(const Decompressor::Step& step) const {
    if (step.code != ErrorCode::kFormat) fail(step.code, where, "the {} stream {}", decompressor->name(), step.problem);
    fail(ErrorCode::kFormat, where, "offset {}: damaged {} stream ({})", bytes_in - waiting.size(),
         decompressor->name(), step.problem);
  }
};

ByteStream::ByteStream(Refill refill, std::string where, Leap leap, DecompressorFor decompressor)
    : impl_(std::make_unique<Impl>(std::move(refill), std::move(where), std::move(leap), decompressor)) {}
ByteStream::~ByteStream() = default;
ByteStream::ByteStream(ByteStream&&) noexcept = default;

ByteStream ByteStream::open(const std::string& path, DecompressorFor decompressor) {
  return of(std::make_shared<const InputFile>(path), decompressor);
}

ByteStream ByteStream::of(std::shared_ptr<const InputFile> file, DecompressorFor decompressor) {
  const std::string where = file->path();
  auto reader = std::make_shared<SequentialFile>(std::move(file));
  return {[reader](std::span<std::byte> out) { return reader->read(out); }, where,
          [reader](std::uint64_t count) { return reader->leap(count); }, decompressor};
}

std::size_t ByteStream::read(std::span<std::byte> out) {
  return impl_->decompressor ? impl_->unpack(out) : impl_->copy(out);
}

std::uint64_t ByteStream::skip(std::uint64_t count) {
  std::uint64_t done = 0;
  if (!impl_->decompressor) {
    const auto waiting = static_cast<std::size_t>(std::min<std::uint64_t>(count, impl_->waiting.size()));
    impl_->waiting = impl_->waiting.subspan(waiting);
    done = waiting;
    if (done < count && impl_->leap) done += impl_->leap(count - done);
  }
  std::array<std::byte, 16 * 1024> scratch;
  while (done < count) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(count - done, scratch.size()));
    const std::size_t got = read(std::span(scratch).first(wanted));
    done += got;
    if (got < wanted) break;
  }
  return done;
}

bool ByteStream::compressed() const noexcept { return impl_->decompressor != nullptr; }
const std::string& ByteStream::where() const noexcept { return impl_->where; }

}  // namespace resnet
