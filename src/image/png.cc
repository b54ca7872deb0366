// PNG by libpng. Alpha and transparent colours are dropped, 16-bit samples give their high byte, checksums must be
// right and the file must reach its end chunk.
//
// libpng reports errors by a jump out of its functions. Every call therefore stands inside guarded(), which turns the
// jump into an exception; the functions given to it hold no objects with destructors.
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "image/decoders.h"

namespace resnet {
namespace {

constexpr std::uint64_t kMorePacked = std::uint64_t{1} << 16;
constexpr std::uint32_t kMaxWidth = 1'000'000;  // libpng holds two rows, of up to 8 bytes a pixel

class PngReader {
 public:
  explicit PngReader(const EncodedImage& source) : source_(source) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
    if (png_ == nullptr) throw std::bad_alloc();
    info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  Image read() {
    guarded([this] {
      png_set_read_fn(png_, this, on_read);
      png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);             // read() has its own
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);  // texts and profiles: never unpacked
      png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
      png_read_info(png_, info_);
    });
    const std::uint32_t width = png_get_image_width(png_, info_);
    const std::uint32_t height = png_get_image_height(png_, info_);
    source_.check_size(width, height);
    if (width > kMaxWidth) {
      fail(ErrorCode::kLimit, std::string(source_.where), "{}x{} pixels, wider than {}", width, height, kMaxWidth);
    }
    // Surplus data is unpacked, too, when the end is read.
    const std::uint64_t plain = (png_get_rowbytes(png_, info_) + std::uint64_t{1}) * height;
    if (const std::uint64_t packed = packed_bytes(); packed > 2 * plain + kMorePacked) {
      fail(ErrorCode::kLimit, std::string(source_.where), "a PNG of {}x{} pixels with {} bytes of packed pixels", width,
           height, packed);
    }
    guarded([this] { to_rgb(); });
    Image image{static_cast<int>(width), static_cast<int>(height), 3, {}};
    const std::size_t row_bytes = std::size_t{width} * 3;
    image.pixels.resize(row_bytes * height);
    guarded([&] {
      const int passes = png_set_interlace_handling(png_);
      png_start_read_image(png_);
      for (int pass = 0; pass < passes; ++pass) {
        for (std::size_t y = 0; y < height; ++y) png_read_row(png_, image.pixels.data() + row_bytes * y, nullptr);
      }
      png_read_end(png_, nullptr);
    });
    return image;
  }

 private:
  static PngReader* self(png_structp png) { return static_cast<PngReader*>(png_get_error_ptr(png)); }

  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    PngReader* reader = self(png);
    std::snprintf(reader->message_, sizeof reader->message_, "%s", message);
    std::longjmp(reader->escape_, 1);
  }

  static void on_read(png_structp png, png_bytep out, std::size_t count) {
    PngReader* reader = self(png);
    if (count > reader->source_.bytes.size() - reader->offset_) {
      png_error(png, "the file ends before the picture does");
    }
    std::memcpy(out, reader->source_.bytes.data() + reader->offset_, count);
    reader->offset_ += count;
  }

  template <typename Body>
  void guarded(const Body& body) {
    if (setjmp(escape_) != 0) {
      fail(ErrorCode::kFormat, std::string(source_.where), "PNG, offset {}: {}", offset_, message_);
    }
    body();
  }

  // Of all IDAT chunks.
  std::uint64_t packed_bytes() const {
    constexpr std::size_t kSignature = 8;
    constexpr std::size_t kFrame = 12;  // length, name, checksum
    const std::span<const std::byte> bytes = source_.bytes;
    std::uint64_t sum = 0;
    for (std::size_t at = kSignature; bytes.size() - at >= kFrame;) {
      const std::uint32_t length = png_get_uint_32(reinterpret_cast<png_const_bytep>(bytes.data() + at));
      if (length > bytes.size() - at - kFrame) break;
      if (std::memcmp(bytes.data() + at + 4, "IDAT", 4) == 0) sum += length;
      at += kFrame + length;
    }
    return sum;
  }

  // Asks libpng for three 8-bit channels whatever the file holds.
  void to_rgb() {
    const int type = png_get_color_type(png_, info_);
    if (type == PNG_COLOR_TYPE_PALETTE) {
      png_set_palette_to_rgb(png_);  // an index beyond the palette is black, as in Pillow
    } else if ((type & PNG_COLOR_MASK_COLOR) == 0) {
      png_set_expand_gray_1_2_4_to_8(png_);
      png_set_gray_to_rgb(png_);
    }
    png_set_strip_16(png_);
    png_set_strip_alpha(png_);
  }

  const EncodedImage& source_;
  std::size_t offset_ = 0;  // of the next byte
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf escape_{};
  char message_[128] = {};
};

}  // namespace

Image decode_png(const EncodedImage& source) { return PngReader(source).read(); }

}  // namespace resnet
