#include "formats/decompressor.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <new>
#include <string_view>

namespace resnet {
namespace {

using Bytes = std::span<const std::byte>;

template <typename T>
uInt size_of(std::span<T> bytes) {
  return static_cast<uInt>(std::min<std::size_t>(bytes.size(), std::numeric_limits<uInt>::max()));
}

class Gzip : public Decompressor {
 public:
  Gzip() {
    constexpr int kGzipOnly = 16;
    if (inflateInit2(&stream_, kGzipOnly + MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~Gzip() override { inflateEnd(&stream_); }

  const char* name() const override { return "gzip"; }
  bool at_end() const override { return at_end_; }

  Step run(Bytes in, std::span<std::byte> out, bool /*last*/) override {
    if (at_end_ && inflateReset(&stream_) != Z_OK) throw std::bad_alloc();
    at_end_ = false;
    const auto given = size_of(in);
    const auto room = size_of(out);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
    stream_.avail_in = given;
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = room;
    const int status = inflate(&stream_, Z_NO_FLUSH);
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    Step step{given - stream_.avail_in, room - stream_.avail_out, {}};
    at_end_ = status == Z_STREAM_END;
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
      step.problem = stream_.msg != nullptr ? stream_.msg : "no reason given";
    }
    return step;
  }

 private:
  z_stream stream_{};
  bool at_end_ = false;
};

bool begins_with(Bytes bytes, std::string_view magic) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.starts_with(magic);
}

}  // namespace

std::unique_ptr<Decompressor> gzip_only(Bytes begin) {
  return begins_with(begin, "\x1F\x8B") ? std::make_unique<Gzip>() : nullptr;
}

const char* unread_format(Bytes begin) {
  struct Format {
    std::string_view magic;
    const char* name;
  };
  static constexpr std::array<Format, 6> kFormats = {{{"7z\xBC\xAF\x27\x1C", "a 7z archive"},
                                                      {"Rar!\x1A\x07", "a RAR archive"},
                                                      {"\x04\x22\x4D\x18", "packed by lz4"},
                                                      {"LZIP", "packed by lzip"},
                                                      {"\x89LZO", "packed by lzop"},
                                                      {"\x1F\x9D", "packed by compress"}}};
  const auto* found = std::find_if(kFormats.begin(), kFormats.end(),
                                   [&](const Format& format) { return begins_with(begin, format.magic); });
  return found == kFormats.end() ? nullptr : found->name;
}

}  // namespace resnet
