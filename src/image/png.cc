// PNG by libpng. Alpha and transparent colours are dropped, 16-bit samples give their high byte, checksums up to the
// last pixel must be right. What follows the pixels is read as Pillow reads it: the file may end between chunks or in
// their frames, or go on with something else, but not within a chunk's data. Of an animation only the first picture is
// looked at.
//
// libpng reports errors by a jump out of its functions. Every call therefore stands inside guarded(), which turns the
// jump into an exception; the functions given to it hold no objects with destructors.
#include <png.h>

#include <algorithm>
#include <cctype>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "image/decoders.h"

namespace resnet {
namespace {

constexpr std::uint64_t kMorePacked = std::uint64_t{1} << 16;
constexpr std::uint32_t kMaxWidth = 1'000'000;  // libpng holds two rows, of up to 8 bytes a pixel

constexpr std::size_t kSignature = 8;
constexpr std::size_t kHeader = 8;  // of a chunk: length and name
constexpr std::size_t kFrame = 12;  // with its checksum

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
    look_ahead();
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
    if (source_.notes != nullptr && png_get_color_type(png_, info_) == PNG_COLOR_TYPE_GRAY) {
      source_.notes->high_byte = png_get_bit_depth(png_, info_) == 16;
    }
    // Surplus data is unpacked, too, behind the last row.
    const std::uint64_t plain = (png_get_rowbytes(png_, info_) + std::uint64_t{1}) * height;
    if (packed_bytes_ > 2 * plain + kMorePacked) {
      fail(ErrorCode::kLimit, std::string(source_.where), "a PNG of {}x{} pixels with {} bytes of packed pixels", width,
           height, packed_bytes_);
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
    });
    check_rest();
    return image;
  }

 private:
  static constexpr int kFailed = 1;    // what a jump out of libpng says
  static constexpr int kComplete = 2;  // nothing but the file's end is missing
  static constexpr const char* kCutShort = "the file ends before the picture does";

  static PngReader* self(png_structp png) { return static_cast<PngReader*>(png_get_error_ptr(png)); }

  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    PngReader* reader = self(png);
    std::snprintf(reader->message_, sizeof reader->message_, "%s", message);
    std::longjmp(reader->escape_, kFailed);
  }

  static void on_read(png_structp png, png_bytep out, std::size_t count) {
    PngReader* reader = self(png);
    if (count > reader->source_.bytes.size() - reader->offset_) {
      if (reader->has_all_rows()) std::longjmp(reader->escape_, kComplete);
      png_error(png, kCutShort);
    }
    std::memcpy(out, reader->source_.bytes.data() + reader->offset_, count);
    // A chunk is read in large pieces: of one that is cut libpng is told the length that is there.
    if (reader->offset_ == reader->cut_chunk_) {
      png_save_uint_32(out, static_cast<png_uint_32>(reader->source_.bytes.size() - reader->offset_ - kHeader));
    }
    reader->offset_ += count;
  }

  template <typename Body>
  void guarded(const Body& body) {
    switch (setjmp(escape_)) {
      case 0: body(); break;
      case kComplete: break;
      default: fail_at_offset(message_);
    }
  }

  [[noreturn]] void fail_at_offset(const char* message) const {
    fail(ErrorCode::kFormat, std::string(source_.where), "PNG, offset {}: {}", offset_, message);
  }

  // Behind the last row libpng looks for the end of the packed pixels, which a file may lack.
  bool has_all_rows() const {
    if (png_get_interlace_type(png_, info_) != PNG_INTERLACE_NONE) return png_get_current_pass_number(png_) >= 7;
    const std::uint32_t height = png_get_image_height(png_, info_);
    return height > 0 && png_get_current_row_number(png_) >= height;
  }

  // The chunks behind the pixels.
  void check_rest() {
    const std::span<const std::byte> bytes = source_.bytes;
    bool behind = false;
    std::uint64_t frames = 0;     // of an animation; what comes behind the first, nobody looks at
    bool is_first_frame = false;  // else the picture is one for readers that know no animations
    for (offset_ = kSignature; bytes.size() - offset_ >= kHeader;) {
      const auto* header = reinterpret_cast<png_const_bytep>(bytes.data() + offset_);
      const std::uint32_t length = png_get_uint_32(header);
      const auto is = [&](const char* name) { return std::memcmp(header + 4, name, 4) == 0; };
      const bool is_pixels = is("IDAT");
      const auto letter = [](png_byte c) { return std::isalnum(c) != 0 || c == '_'; };
      if (behind && (!std::all_of(header + 4, header + kHeader, letter) || is("IEND"))) return;
      if (behind && is("fcTL") && frames > (is_first_frame ? 1 : 0)) return;
      behind |= is_pixels;
      is_first_frame |= is("fcTL");
      if (is("acTL") && bytes.size() - offset_ >= kFrame) frames = png_get_uint_32(header + kHeader);
      if (length > bytes.size() - offset_ - kHeader) {
        if (is_pixels) return;
        offset_ = bytes.size();
        fail_at_offset(kCutShort);
      }
      offset_ += std::min(bytes.size() - offset_, kFrame + length);
    }
  }

  // Adds up the packed pixels, and finds the chunk of them that the file's end cuts.
  void look_ahead() {
    const std::span<const std::byte> bytes = source_.bytes;
    for (std::size_t at = kSignature; bytes.size() > at && bytes.size() - at >= kHeader;) {
      const auto* header = reinterpret_cast<png_const_bytep>(bytes.data() + at);
      const std::size_t length = png_get_uint_32(header);
      const std::size_t there = bytes.size() - at - kHeader;
      const bool is_pixels = std::memcmp(header + 4, "IDAT", 4) == 0;
      if (is_pixels) packed_bytes_ += std::min(length, there);
      if (is_pixels && length > there) cut_chunk_ = at;
      at += kFrame + length;
    }
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
  std::size_t packed_bytes_ = 0;
  std::size_t cut_chunk_ = SIZE_MAX;  // where the header of a cut chunk of pixels stands; none
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf escape_{};
  char message_[128] = {};
};

}  // namespace

Image decode_png(const EncodedImage& source) { return PngReader(source).read(); }

}  // namespace resnet
