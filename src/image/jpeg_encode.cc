// JPEG by libjpeg-turbo: baseline, accurate integer DCT, optimised Huffman tables.
//
// libjpeg reports errors by a jump out of its functions. Every call therefore stands inside guarded(), which turns the
// jump into an exception; the functions given to it hold no objects with destructors.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <new>
#include <utility>

#include <jpeglib.h>  // needs stdio's types

#include <jerror.h>  // needs jpeglib.h

#include "base/error.h"
#include "image/encoders.h"

namespace resnet {
namespace {

constexpr std::size_t kFirstBytes = 16 * 1024;
constexpr int kFullChroma = 90;  // from this quality on, chroma keeps its resolution

class JpegWriter {
 public:
  JpegWriter() {
    encoder_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = [](j_common_ptr encoder) {
      auto* errors = reinterpret_cast<Errors*>(encoder->err);
      errors->base.format_message(encoder, errors->message);
      std::longjmp(errors->escape, 1);
    };
    errors_.base.output_message = [](j_common_ptr) {};
    guarded([this] { jpeg_create_compress(&encoder_); });
    encoder_.client_data = this;
    output_.init_destination = [](j_compress_ptr encoder) { make_room(encoder); };
    output_.empty_output_buffer = [](j_compress_ptr encoder) -> boolean {
      make_room(encoder);
      return TRUE;
    };
    output_.term_destination = [](j_compress_ptr) {};
    encoder_.dest = &output_;
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;
  ~JpegWriter() { jpeg_destroy_compress(&encoder_); }

  std::vector<std::byte> write(const Image& image, int quality) {
    encoder_.image_width = static_cast<JDIMENSION>(image.width);
    encoder_.image_height = static_cast<JDIMENSION>(image.height);
    encoder_.input_components = image.channels;
    encoder_.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    const std::size_t row_bytes = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.channels);
    guarded([&] {
      jpeg_set_defaults(&encoder_);
      jpeg_set_quality(&encoder_, quality, TRUE);
      encoder_.optimize_coding = TRUE;
      if (image.channels == 3 && quality >= kFullChroma) {
        encoder_.comp_info[0].h_samp_factor = encoder_.comp_info[0].v_samp_factor = 1;
      }
      jpeg_start_compress(&encoder_, TRUE);
      while (encoder_.next_scanline < encoder_.image_height) {
        auto* row = const_cast<JSAMPROW>(image.pixels.data() + row_bytes * encoder_.next_scanline);
        jpeg_write_scanlines(&encoder_, &row, 1);
      }
      jpeg_finish_compress(&encoder_);
    });
    bytes_.resize(bytes_.size() - output_.free_in_buffer);
    return std::move(bytes_);
  }

 private:
  struct Errors {
    jpeg_error_mgr base;
    std::jmp_buf escape;
    char message[JMSG_LENGTH_MAX];
  };

  template <typename Body>
  void guarded(const Body& body) {
    if (setjmp(errors_.escape) != 0) {
      if (errors_.base.msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
      fail(ErrorCode::kInvalidArgument, "JPEG", "{}", errors_.message);
    }
    body();
  }

  // No exception may pass through libjpeg.
  static void make_room(j_compress_ptr encoder) {
    if (!static_cast<JpegWriter*>(encoder->client_data)->grow()) ERREXIT1(encoder, JERR_OUT_OF_MEMORY, 0);
  }

  // Twice the bytes; what was there is full. False where there is no memory.
  bool grow() noexcept {
    const std::size_t used = bytes_.size();
    try {
      bytes_.resize(std::max(kFirstBytes, used * 2));
    } catch (const std::bad_alloc&) {
      return false;
    }
    output_.next_output_byte = reinterpret_cast<JOCTET*>(bytes_.data() + used);
    output_.free_in_buffer = bytes_.size() - used;
    return true;
  }

  Errors errors_{};
  jpeg_compress_struct encoder_{};
  jpeg_destination_mgr output_{};
  std::vector<std::byte> bytes_;
};

}  // namespace

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  check_encodable(image, JPEG_MAX_DIMENSION, "JPEG");
  if (quality < 1 || quality > 100) {
    fail(ErrorCode::kInvalidArgument, "JPEG", "a quality of {}; it goes from 1 to 100", quality);
  }
  return JpegWriter().write(image, quality);
}

}  // namespace resnet
