// Every compressed form gives what was packed, and an error for what is not whole.
#include "dataset/decompressors.h"

#include <bzlib.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <cstring>
#include <random>

#include "dataset/test_directory.h"
#include "formats/byte_stream.h"

namespace resnet {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

// As the program of each format packs.
std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string bzip2(const std::string& text) {
  auto size = static_cast<unsigned>(text.size() + text.size() / 100 + 600);
  std::string out(size, '\0');
  BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(text.data()), static_cast<unsigned>(text.size()), 9, 0,
                           0);
  out.resize(size);
  return out;
}

std::string xz(const std::string& text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  std::size_t size = 0;
  lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const std::uint8_t*>(text.data()), text.size(),
                          reinterpret_cast<std::uint8_t*>(out.data()), &size, out.size());
  out.resize(size);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  out.resize(ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return out;
}

struct Format {
  const char* name;
  std::string (*pack)(const std::string& text);
};

void PrintTo(const Format& format, std::ostream* out) { *out << format.name; }

// In pieces of `step` bytes.
ByteStream stream_of(std::string bytes, std::size_t step) {
  auto rest = std::make_shared<std::pair<std::string, std::size_t>>(std::move(bytes), 0);
  return {[rest, step](std::span<std::byte> out) {
            auto& [text, used] = *rest;
            const std::size_t count = std::min({out.size(), text.size() - used, step});
            std::memcpy(out.data(), text.data() + used, count);
            used += count;
            return count;
          },
          "file",
          {},
          any_decompressor};
}

std::string unpacked(const std::string& bytes, std::size_t step = 1000, std::size_t take = 700) {
  ByteStream stream = stream_of(bytes, step);
  std::string text;
  for (;;) {
    std::string piece(take, '\0');
    const std::size_t got = stream.read(std::as_writable_bytes(std::span(piece)));
    text.append(piece, 0, got);
    if (got < take) return text;
  }
}

// Half of it can be packed, half of it not.
std::string sample(std::size_t size) {
  std::mt19937 random(static_cast<unsigned>(size));
  std::string text(size, 'x');
  for (std::size_t i = 0; i < size / 2; ++i) text[i] = static_cast<char>(random());
  return text;
}

class PackedStreamTest : public ::testing::TestWithParam<Format> {
 protected:
  static std::string pack(const std::string& text) { return GetParam().pack(text); }
};

TEST_P(PackedStreamTest, GivesWhatWasPacked) {
  for (const std::size_t size : {0, 1, 699, 700, 701, 300'000}) {
    const std::string text = sample(size);
    EXPECT_EQ(unpacked(pack(text)), text) << size;
    EXPECT_TRUE(stream_of(pack(text), 1).compressed());
  }
  const std::string text = sample(5'000);
  for (const std::size_t step : {1, 7}) EXPECT_EQ(unpacked(pack(text), step, 3), text) << step;
}

TEST_P(PackedStreamTest, TakesStreamsThatFollowOneAnother) {
  const std::string text = sample(3'000);
  EXPECT_EQ(unpacked(pack(text) + pack("") + pack(text)), text + text);
}

TEST_P(PackedStreamTest, PassesOverBytes) {
  const std::string text = sample(100'000);
  ByteStream stream = stream_of(pack(text), 1000);
  EXPECT_EQ(stream.skip(40'000), 40'000U);
  std::string piece(10, '\0');
  EXPECT_EQ(stream.read(std::as_writable_bytes(std::span(piece))), 10U);
  EXPECT_EQ(piece, text.substr(40'000, 10));
  EXPECT_EQ(stream.skip(100'000), 59'990U);
}

TEST_P(PackedStreamTest, RefusesWhatIsNotWhole) {
  const std::string whole = pack(sample(2'000));
  for (std::size_t length = 6; length < whole.size(); ++length) {
    EXPECT_THAT(error_of([&] { unpacked(whole.substr(0, length)); }), HasSubstr("stream is cut short")) << length;
  }
  std::string changed = whole;
  changed[whole.size() / 2] ^= 0x10;
  EXPECT_NE(error_of([&] { unpacked(changed); }), "no error");
  EXPECT_THAT(error_of([&] { unpacked(whole + "rubbish, and more of it"); }), HasSubstr("damaged"));
}

TEST_P(PackedStreamTest, StopsBombs) {
  const std::string bomb = pack(std::string(90 << 20, '\0'));
  const std::string error = error_of([&] { unpacked(bomb, 1000, 1 << 20); });
  EXPECT_EQ(error, "file: inflates more than 200 times");
}

INSTANTIATE_TEST_SUITE_P(All, PackedStreamTest,
                         ::testing::Values(Format{"gzip", gzip}, Format{"bzip2", bzip2}, Format{"xz", xz},
                                           Format{"zstd", zstd}));

TEST(ByteStreamTest, GivesPlainBytesAsTheyAre) {
  for (const char* text : {"", "x", "plain", "\x1F plain"}) EXPECT_EQ(unpacked(text, 1), text);
  EXPECT_FALSE(stream_of("plain", 1).compressed());
}

// The header of an xz block says how large the dictionary is; this one is as large as it can be.
TEST(ByteStreamTest, TakesNoMoreMemoryThanItMay) {
  std::string packed = xz("hello");
  constexpr std::size_t kBlock = 12;
  const std::size_t size = (static_cast<unsigned char>(packed[kBlock]) + 1U) * 4 - 4;
  packed[packed.find("\x21\x01", kBlock) + 2] = 40;
  const std::uint32_t checksum = lzma_crc32(reinterpret_cast<const std::uint8_t*>(packed.data()) + kBlock, size, 0);
  std::memcpy(packed.data() + kBlock + size, &checksum, sizeof(checksum));
  EXPECT_EQ(error_of([&] { unpacked(packed); }),
            "file: the xz stream needs more than 256 MiB of memory to be unpacked");
  const std::string window("\x28\xB5\x2F\xFD\x00\xA8\x01\x00\x00", 9);  // 2 GiB
  EXPECT_EQ(error_of([&] { unpacked(window); }),
            "file: the Zstandard stream needs more than 128 MiB of memory to be unpacked");
}

TEST(ByteStreamTest, NamesWhatItDoesNotRead) {
  EXPECT_THAT(error_of([] { unpacked("7z\xBC\xAF\x27\x1C and so on"); }),
              HasSubstr("file: is a 7z archive, which is not read: repack it as .tar"));
  EXPECT_THAT(error_of([] { unpacked("Rar!\x1A\x07\x01"); }), HasSubstr("a RAR archive"));
  EXPECT_THAT(error_of([] { unpacked("\x04\x22\x4D\x18 and so on"); }), HasSubstr("packed by lz4"));
}

}  // namespace
}  // namespace resnet
