#include "dataset/byte_stream.h"

#include <unistd.h>
#include <zlib.h>

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
  explicit SequentialFile(const std::string& path) : file_(path) {}

  // To at most the end of a regular file; other files cannot leap.
  std::uint64_t leap(std::uint64_t count) {
    if (!file_.is_regular() || at_ >= file_.size()) return 0;
    const std::uint64_t bytes = std::min<std::uint64_t>(count, file_.size() - at_);
    at_ += bytes;
    return bytes;
  }

  std::size_t read(std::span<std::byte> out) {
    if (file_.is_regular()) {
      const std::size_t bytes = std::min(out.size(), file_.size() - at_);
      file_.read_at(at_, out.first(bytes));
      at_ += bytes;
      return bytes;
    }
    for (;;) {
      const ssize_t got = ::read(file_.descriptor(), out.data(), out.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) fail_errno(file_.path(), "cannot read");
    }
  }

 private:
  InputFile file_;
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
  bool gzip = false;
  bool in_member = true;  // between a gzip member's header and its end
  z_stream inflater{};

  Impl(Refill refill_function, std::string where_text, Leap leap_function)
      : refill(std::move(refill_function)), leap(std::move(leap_function)), where(std::move(where_text)) {
    while (waiting.size() < 2) {  // a pipe may give a single byte
      const std::size_t got = refill(std::span(buffer).subspan(waiting.size()));
      if (got == 0) break;
      bytes_in += got;
      waiting = std::span(buffer).first(waiting.size() + got);
    }
    gzip = begins_member();
    constexpr int kGzipOnly = 16;
    if (gzip && inflateInit2(&inflater, kGzipOnly + MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (gzip) inflateEnd(&inflater);
  }

  bool begins_member() const {
    return waiting.size() >= 2 && waiting[0] == std::byte{0x1F} && waiting[1] == std::byte{0x8B};
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

  std::size_t inflate_some(std::span<std::byte> out) {
    std::size_t used = 0;
    while (used < out.size()) {
      if (!more()) {
        if (!in_member) break;
        fail(ErrorCode::kFormat, where, "offset {}: the gzip stream is cut short", bytes_in);
      }
      if (!in_member) {
        if (inflateReset(&inflater) != Z_OK) throw std::bad_alloc();
        in_member = true;
      }
      const std::size_t room = std::min<std::size_t>(out.size() - used, 1U << 30);
      inflater.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(waiting.data()));
      inflater.avail_in = static_cast<uInt>(waiting.size());
      inflater.next_out = reinterpret_cast<Bytef*>(out.data() + used);
      inflater.avail_out = static_cast<uInt>(room);
      const int status = inflate(&inflater, Z_NO_FLUSH);
      waiting = waiting.last(inflater.avail_in);
      used += room - inflater.avail_out;
      if (status == Z_STREAM_END) {
        in_member = false;
      } else if (status != Z_OK) {
        fail(ErrorCode::kFormat, where, "offset {}: damaged gzip stream ({})", bytes_in - waiting.size(),
             inflater.msg != nullptr ? inflater.msg : "no reason given");
      }
    }
    bytes_out += used;
    if (bytes_out > kRatioGrace + kMaxRatio * bytes_in) {
      fail(ErrorCode::kLimit, where, "inflates more than {} times", kMaxRatio);
    }
    return used;
  }
};

ByteStream::ByteStream(Refill refill, std::string where, Leap leap)
    : impl_(std::make_unique<Impl>(std::move(refill), std::move(where), std::move(leap))) {}
ByteStream::~ByteStream() = default;
ByteStream::ByteStream(ByteStream&&) noexcept = default;

ByteStream ByteStream::open(const std::string& path) {
  auto file = std::make_shared<SequentialFile>(path);
  return {[file](std::span<std::byte> out) { return file->read(out); }, path,
          [file](std::uint64_t count) { return file->leap(count); }};
}

std::size_t ByteStream::read(std::span<std::byte> out) {
  return impl_->gzip ? impl_->inflate_some(out) : impl_->copy(out);
}

std::uint64_t ByteStream::skip(std::uint64_t count) {
  std::uint64_t done = 0;
  if (!impl_->gzip) {
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

bool ByteStream::compressed() const noexcept { return impl_->gzip; }
const std::string& ByteStream::where() const noexcept { return impl_->where; }

}  // namespace resnet
