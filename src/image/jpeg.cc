// JPEG by libjpeg-turbo with the settings of Pillow: accurate integer DCT, fancy upsampling, damaged data accepted with
// the library's own repairs. Unlike it, a file that lacks its end is an error wherever it was cut.
//
// libjpeg reports errors by a jump out of its functions. Every call therefore stands inside guarded(), which turns the
// jump into an exception; the functions given to it hold no objects with destructors.
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jpeglib.h>  // needs stdio's types

#include "base/error.h"
#include "image/decoders.h"

namespace resnet {
namespace {

constexpr int kMaxScans = 100;
constexpr int kEndOfImage = 0xD9;
constexpr int kRowsAtOnce = 16;

// Fancy upsampling takes the picture's border for granted where a window begins and ends. It looks at one neighbouring
// chroma sample, at most 4 pixels away; one more is kept for good measure.
constexpr int kMargin = 8;

class JpegReader {
 public:
  explicit JpegReader(const EncodedImage& source) : source_(source) {
    decoder_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = [](j_common_ptr decoder) {
      auto* errors = reinterpret_cast<Errors*>(decoder->err);
      errors->base.format_message(decoder, errors->message);
      std::longjmp(errors->escape, 1);
    };
    errors_.base.output_message = [](j_common_ptr) {};
    guarded([this] { jpeg_create_decompress(&decoder_); });
    input_.init_source = [](j_decompress_ptr) {};
    input_.term_source = [](j_decompress_ptr) {};
    input_.resync_to_restart = jpeg_resync_to_restart;
    input_.fill_input_buffer = [](j_decompress_ptr decoder) -> boolean { escape(decoder, kCutShort); };
    input_.skip_input_data = [](j_decompress_ptr decoder, long count) {
      if (count <= 0) return;
      if (static_cast<unsigned long>(count) > decoder->src->bytes_in_buffer) escape(decoder, kCutShort);
      decoder->src->next_input_byte += count;
      decoder->src->bytes_in_buffer -= static_cast<std::size_t>(count);
    };
    input_.next_input_byte = reinterpret_cast<const JOCTET*>(source.bytes.data());
    input_.bytes_in_buffer = source.bytes.size();
    decoder_.src = &input_;
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&decoder_); }

  Part read(const ChooseWindow& choose) {
    guarded([this] { jpeg_read_header(&decoder_, TRUE); });
    const auto width = static_cast<int>(decoder_.image_width);
    const auto height = static_cast<int>(decoder_.image_height);
    source_.check_size(width, height);
    if (decoder_.num_components != 1 && decoder_.num_components != 3 && decoder_.num_components != 4) {
      fail(ErrorCode::kUnsupported, std::string(source_.where), "a JPEG of {} components", decoder_.num_components);
    }
    if (jpeg_has_multiple_scans(&decoder_) && count_scans() > kMaxScans) {
      fail(ErrorCode::kLimit, std::string(source_.where), "a JPEG of more than {} scans", kMaxScans);
    }
    if (jpeg_has_multiple_scans(&decoder_)) {
      check_coefficients();
      find_end();  // before every scan costs time for every pixel
    }
    decoder_.out_color_space = decoder_.num_components == 4 ? JCS_CMYK : JCS_RGB;
    guarded([this] { jpeg_start_decompress(&decoder_); });

    Window window{0, 0, width, height};
    // Progressive files are decoded whole: libjpeg smooths unfinished ones over the window's border.
    if (choose && !jpeg_has_multiple_scans(&decoder_) && decoder_.num_components != 4) {
      window = crop(choose(width, height));
    }
    Part part{width, height, window.left, window.top, {window.right - window.left, window.bottom - window.top, 3, {}}};
    read_rows(part.pixels);
    if (window.bottom == height) {
      guarded([this] { jpeg_finish_decompress(&decoder_); });
    } else {
      find_end();
    }
    return part;
  }

 private:
  struct Errors {
    jpeg_error_mgr base;
    std::jmp_buf escape;
    char message[JMSG_LENGTH_MAX];
  };

  static constexpr const char* kCutShort = "the file ends before the picture does";

  [[noreturn]] static void escape(j_decompress_ptr decoder, const char* message) {
    auto* errors = reinterpret_cast<Errors*>(decoder->err);
    std::snprintf(errors->message, sizeof errors->message, "%s", message);
    std::longjmp(errors->escape, 1);
  }

  [[noreturn]] void fail_at_offset(const char* message) const {
    fail(ErrorCode::kFormat, std::string(source_.where), "JPEG, offset {}: {}", position(), message);
  }

  template <typename Body>
  void guarded(const Body& body) {
    if (setjmp(errors_.escape) != 0) fail_at_offset(errors_.message);
    body();
  }

  // Skips what the window does not need: columns left and right (not all of them), rows above.
  Window crop(Window window) {
    const auto width = static_cast<int>(decoder_.output_width);
    const int left = std::max(window.left - kMargin, 0);
    const int right = std::min(window.right + kMargin, width);
    auto offset = static_cast<JDIMENSION>(left);
    auto count = static_cast<JDIMENSION>(right - left);
    if (right - left < width) guarded([&] { jpeg_crop_scanline(&decoder_, &offset, &count); });
    if (window.top > 0) guarded([&] { jpeg_skip_scanlines(&decoder_, static_cast<JDIMENSION>(window.top)); });
    window.left = static_cast<int>(offset);
    window.right = static_cast<int>(offset + count);
    return window;
  }

  void read_rows(Image& image) {
    const std::size_t row_bytes = static_cast<std::size_t>(image.width) * 3;
    image.pixels.resize(row_bytes * static_cast<std::size_t>(image.height));
    if (decoder_.num_components == 4) return read_cmyk_rows(image);
    guarded([&] {
      std::array<JSAMPROW, kRowsAtOnce> rows;
      for (int y = 0; y < image.height;) {
        const int count = std::min(kRowsAtOnce, image.height - y);
        for (int i = 0; i < count; ++i) rows[i] = image.pixels.data() + row_bytes * static_cast<std::size_t>(y + i);
        y += static_cast<int>(jpeg_read_scanlines(&decoder_, rows.data(), static_cast<JDIMENSION>(count)));
      }
    });
  }

  // CMYK is taken to be inverted, as Adobe writes it, and turned into RGB by Pillow's formula.
  void read_cmyk_rows(Image& image) {
    std::vector<std::uint8_t> row(static_cast<std::size_t>(image.width) * 4);
    std::uint8_t* out = image.pixels.data();
    for (int y = 0; y < image.height; ++y) {
      JSAMPROW rows = row.data();
      guarded([&] { jpeg_read_scanlines(&decoder_, &rows, 1); });
      for (std::size_t x = 0; x < row.size(); x += 4) {
        const int light = row[x + 3];  // 255 - black
        for (std::size_t c = 0; c < 3; ++c) {
          const int product = (255 - row[x + c]) * light + 128;
          *out++ = static_cast<std::uint8_t>(std::max(light - (((product >> 8) + product) >> 8), 0));
        }
      }
    }
  }

  std::uint8_t byte(std::size_t at) const { return std::to_integer<std::uint8_t>(source_.bytes[at]); }

  // Where libjpeg will read on.
  std::size_t position() const { return source_.bytes.size() - input_.bytes_in_buffer; }

  // The place of the next byte that follows an FF: a marker, or 00 for an FF that is data. The file's size where there
  // is none.
  std::size_t next_marker(std::size_t at) const {
    const std::size_t size = source_.bytes.size();
    const void* found = at < size ? std::memchr(source_.bytes.data() + at, 0xFF, size - at) : nullptr;
    if (found == nullptr) return size;
    return static_cast<std::size_t>(static_cast<const std::byte*>(found) - source_.bytes.data()) + 1;
  }

  // Scans of the picture, the first of which has begun; no more than one above the limit. They are counted before they
  // are decoded because each may be a few bytes long and yet cost time for every pixel.
  int count_scans() const {
    constexpr int kStartOfScan = 0xDA;
    constexpr int kFirstSegment = 0xC0;
    const std::size_t size = source_.bytes.size();
    int scans = 1;
    for (std::size_t at = next_marker(position()); at < size && scans <= kMaxScans; at = next_marker(at)) {
      const int marker = byte(at);
      if (marker == kEndOfImage) break;
      if (marker == 0xFF) continue;  // filling
      ++at;
      const bool alone = marker < kFirstSegment || (marker >= 0xD0 && marker <= 0xD8);
      if (alone || size - at < 2) continue;
      scans += marker == kStartOfScan;
      at += static_cast<std::size_t>(byte(at) << 8 | byte(at + 1));  // the length counts itself
    }
    return scans;
  }

  // A picture of several scans is kept as coefficients until the last one is read: 2 bytes for each value, and whole
  // blocks, as many as the sampling asks for. Odd sampling of a narrow picture makes that many times its pixels.
  void check_coefficients() const {
    constexpr std::uint64_t kBytesOfPixel = 8;  // four components
    constexpr std::uint64_t kBytesMore = std::uint64_t{8} << 20;
    std::uint64_t bytes = 0;
    for (int i = 0; i < decoder_.num_components; ++i) {
      const jpeg_component_info& component = decoder_.comp_info[i];
      const auto padded = [](std::uint64_t blocks, int unit) { return (blocks + unit - 1) / unit * unit; };
      bytes += padded(component.width_in_blocks, component.h_samp_factor) *
               padded(component.height_in_blocks, component.v_samp_factor) * sizeof(JBLOCK);
    }
    if (bytes > kBytesMore + kBytesOfPixel * decoder_.image_width * decoder_.image_height) {
      fail(ErrorCode::kLimit, std::string(source_.where), "a JPEG of {}x{} pixels whose sampling takes {} bytes",
           decoder_.image_width, decoder_.image_height, bytes);
    }
  }

  // Looks for the end marker behind what has been read: the data before it may be damaged but must be there.
  void find_end() {
    if (decoder_.unread_marker == kEndOfImage) return;
    const std::size_t size = source_.bytes.size();
    for (std::size_t at = next_marker(position()); at < size; at = next_marker(at)) {
      if (byte(at) == kEndOfImage) return;
    }
    input_.bytes_in_buffer = 0;
    fail_at_offset(kCutShort);
  }

  const EncodedImage& source_;
  Errors errors_{};
  jpeg_decompress_struct decoder_{};
  jpeg_source_mgr input_{};
};

}  // namespace

Part decode_jpeg(const EncodedImage& source, const ChooseWindow& choose) { return JpegReader(source).read(choose); }

}  // namespace resnet
