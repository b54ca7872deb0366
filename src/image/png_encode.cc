// PNG by libpng, 8 bits a channel, with libpng's choice of filters.
//
// libpng reports errors by a jump out of its functions. Every call therefore stands inside guarded(), which turns the
// jump into an exception; the functions given to it hold no objects with destructors.
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <new>
#include <utility>

#include "base/error.h"
#include "image/encoders.h"

namespace resnet {
namespace {

class PngWriter {
 public:
  PngWriter() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
    if (png_ == nullptr) throw std::bad_alloc();
    info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_write_struct(&png_, nullptr);
      throw std::bad_alloc();
    }
  }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }

  std::vector<std::byte> write(const Image& image) {
    const std::size_t row_bytes = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.channels);
    guarded([&] {
      png_set_write_fn(png_, this, on_write, nullptr);
      png_set_IHDR(png_, info_, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
                   image.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                   PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
      png_write_info(png_, info_);
      for (int y = 0; y < image.height; ++y) {
        png_write_row(png_, image.pixels.data() + row_bytes * static_cast<std::size_t>(y));
      }
      png_write_end(png_, nullptr);
    });
    return std::move(bytes_);
  }

 private:
  static PngWriter* self(png_structp png) { return static_cast<PngWriter*>(png_get_error_ptr(png)); }

  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    PngWriter* writer = self(png);
    std::snprintf(writer->message_, sizeof writer->message_, "%s", message);
    std::longjmp(writer->escape_, 1);
  }

  // No exception may pass through libpng.
  static void on_write(png_structp png, png_bytep data, std::size_t count) {
    if (!self(png)->append(data, count)) png_error(png, "out of memory");
  }

  bool append(const png_byte* data, std::size_t count) noexcept {
    try {
      const auto* begin = reinterpret_cast<const std::byte*>(data);
      bytes_.insert(bytes_.end(), begin, begin + count);
    } catch (const std::bad_alloc&) {
      return false;
    }
    return true;
  }

  template <typename Body>
  void guarded(const Body& body) {
    if (setjmp(escape_) != 0) fail(ErrorCode::kInvalidArgument, "PNG", "{}", message_);
    body();
  }

  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::vector<std::byte> bytes_;
  std::jmp_buf escape_{};
  char message_[128] = {};
};

}  // namespace

std::vector<std::byte> encode_png(const Image& image) {
  constexpr int kMaxSide = 1'000'000;  // libpng's own limit
  check_encodable(image, kMaxSide, "PNG");
  return PngWriter().write(image);
}

}  // namespace resnet
