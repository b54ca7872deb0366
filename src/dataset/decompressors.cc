#include "dataset/decompressors.h"

#include <bzlib.h>
#include <lzma.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <limits>
#include <new>
#include <string_view>

namespace resnet {
namespace {

using Bytes = std::span<const std::byte>;
using Step = Decompressor::Step;

constexpr std::uint64_t kMaxMemory = 256ULL << 20;
constexpr int kMaxWindowLog = 27;  // of Zstandard: 128 MiB, what its own program allows

// Of a span, in the numbers that the libraries count with.
template <typename Size, typename T>
Size size_of(std::span<T> bytes) {
  return static_cast<Size>(std::min<std::size_t>(bytes.size(), std::numeric_limits<Size>::max()));
}

class Bzip2 : public Decompressor {
 public:
  Bzip2() { begin(); }
  ~Bzip2() override {
    if (!at_end_) BZ2_bzDecompressEnd(&stream_);
  }

  const char* name() const override { return "bzip2"; }
  bool at_end() const override { return at_end_; }

  Step run(Bytes in, std::span<std::byte> out, bool /*last*/) override {
    if (at_end_) begin();
    const auto given = size_of<unsigned>(in);
    const auto room = size_of<unsigned>(out);
    stream_.next_in = reinterpret_cast<char*>(const_cast<std::byte*>(in.data()));
    stream_.avail_in = given;
    stream_.next_out = reinterpret_cast<char*>(out.data());
    stream_.avail_out = room;
    const int status = BZ2_bzDecompress(&stream_);
    if (status == BZ_MEM_ERROR) throw std::bad_alloc();
    Step step{given - stream_.avail_in, room - stream_.avail_out, {}};
    if (status == BZ_STREAM_END) {
      BZ2_bzDecompressEnd(&stream_);
      at_end_ = true;
    } else if (status == BZ_DATA_ERROR_MAGIC) {
      step.problem = "no bzip2 header";
    } else if (status != BZ_OK) {
      step.problem = "a block's checksum or code is wrong";
    }
    return step;
  }

 private:
  void begin() {
    stream_ = {};
    if (BZ2_bzDecompressInit(&stream_, /*verbosity=*/0, /*small=*/0) != BZ_OK) throw std::bad_alloc();
    at_end_ = false;
  }

  bz_stream stream_{};
  bool at_end_ = false;
};

class Xz : public Decompressor {
 public:
  Xz() {
    if (lzma_stream_decoder(&stream_, kMaxMemory, LZMA_CONCATENATED) != LZMA_OK) throw std::bad_alloc();
  }
  ~Xz() override { lzma_end(&stream_); }

  const char* name() const override { return "xz"; }
  bool at_end() const override { return at_end_; }

  Step run(Bytes in, std::span<std::byte> out, bool last) override {
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    stream_.avail_out = out.size();
    const lzma_ret status = lzma_code(&stream_, last ? LZMA_FINISH : LZMA_RUN);
    Step step{in.size() - stream_.avail_in, out.size() - stream_.avail_out, {}};
    switch (status) {
      case LZMA_OK:
      case LZMA_BUF_ERROR: break;
      case LZMA_STREAM_END: at_end_ = true; break;
      case LZMA_MEM_ERROR: throw std::bad_alloc();
      case LZMA_MEMLIMIT_ERROR:
        step.problem = "needs more than 256 MiB of memory to be unpacked";
        step.code = ErrorCode::kLimit;
        break;
      case LZMA_FORMAT_ERROR: step.problem = "no xz header"; break;
      case LZMA_OPTIONS_ERROR:
        step.problem = "packed by options that this reader does not know";
        step.code = ErrorCode::kUnsupported;
        break;
      default: step.problem = "its data or a checksum is wrong"; break;
    }
    return step;
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool at_end_ = false;
};

class Zstd : public Decompressor {
 public:
  Zstd() : stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) throw std::bad_alloc();
    ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, kMaxWindowLog);
  }
  ~Zstd() override { ZSTD_freeDStream(stream_); }

  const char* name() const override { return "Zstandard"; }
  bool at_end() const override { return at_end_; }

  Step run(Bytes in, std::span<std::byte> out, bool /*last*/) override {
    ZSTD_inBuffer source{in.data(), in.size(), 0};
    ZSTD_outBuffer target{out.data(), out.size(), 0};
    const std::size_t left = ZSTD_decompressStream(stream_, &target, &source);
    Step step{source.pos, target.pos, {}};
    at_end_ = left == 0;
    if (ZSTD_isError(left) == 0) return step;
    const ZSTD_ErrorCode error = ZSTD_getErrorCode(left);
    if (error == ZSTD_error_memory_allocation) throw std::bad_alloc();
    step.problem = ZSTD_getErrorString(error);
    if (error == ZSTD_error_frameParameter_windowTooLarge) {
      step.problem = "needs more than 128 MiB of memory to be unpacked";
      step.code = ErrorCode::kLimit;
    }
    return step;
  }

 private:
  ZSTD_DStream* stream_;
  bool at_end_ = false;
};

bool begins_with(Bytes bytes, std::string_view magic) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.starts_with(magic);
}

}  // namespace

std::unique_ptr<Decompressor> any_decompressor(Bytes begin) {
  if (begins_with(begin, "BZh")) return std::make_unique<Bzip2>();
  if (begins_with(begin, std::string_view("\xFD"
                                          "7zXZ\0",
                                          6)))
    return std::make_unique<Xz>();
  if (begins_with(begin, "\x28\xB5\x2F\xFD")) return std::make_unique<Zstd>();
  return gzip_only(begin);
}

}  // namespace resnet
