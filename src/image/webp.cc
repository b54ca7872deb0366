// WebP by libwebp: lossy, lossless, with alpha (dropped) and animated (first frame on its black canvas).
#include <webp/decode.h>
#include <webp/demux.h>

#include <cstring>
#include <memory>

#include "base/error.h"
#include "image/decoders.h"
#include "image/orientation.h"
#include "image/picture_size.h"

namespace resnet {
namespace {

struct DeleteDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};

// The demuxer remembers every chunk, and one takes 8 bytes in the file. Films have fewer than this.
bool has_too_many_chunks(std::span<const std::byte> bytes) {
  constexpr int kMaxChunks = 50'000;
  int chunks = 0;
  for (std::size_t at = 12; at + 8 <= bytes.size() && chunks <= kMaxChunks; ++chunks) {
    std::uint32_t size = 0;  // little endian, of what follows; padded to an even number
    std::memcpy(&size, bytes.data() + at + 4, sizeof(size));
    at += 8 + std::size_t{size} + size % 2;
  }
  return chunks > kMaxChunks;
}

// Null where the file is cut short or broken.
std::unique_ptr<WebPDemuxer, DeleteDemuxer> open(std::span<const std::byte> bytes) {
  if (has_too_many_chunks(bytes)) return nullptr;
  const WebPData data{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  return std::unique_ptr<WebPDemuxer, DeleteDemuxer>(WebPDemux(&data));
}

std::span<const std::byte> chunk(const WebPDemuxer* demuxer, const char* name) {
  WebPChunkIterator iterator{};
  if (WebPDemuxGetChunk(demuxer, name, 1, &iterator) == 0) return {};
  const std::span<const std::uint8_t> bytes(iterator.chunk.bytes, iterator.chunk.size);
  WebPDemuxReleaseChunkIterator(&iterator);  // the bytes are the file's
  return std::as_bytes(bytes);
}

}  // namespace

Image decode_webp(const EncodedImage& source) {
  const auto wrong = [&](std::string_view what) {
    fail(ErrorCode::kFormat, std::string(source.where), "WebP: {}", what);
  };
  const auto demuxer = open(source.bytes);
  if (!demuxer) wrong("the file is cut short, or its chunks are broken or too many");
  const std::int64_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const std::int64_t height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  source.check_size(width, height);
  WebPIterator frame{};
  if (WebPDemuxGetFrame(demuxer.get(), 1, &frame) == 0) wrong("no picture in the file");
  const std::unique_ptr<WebPIterator, void (*)(WebPIterator*)> release(&frame, WebPDemuxReleaseIterator);
  // The demuxer has checked that the frame lies on the canvas, but not that its bitstream has the frame's size.
  WebPDecoderConfig config;
  WebPInitDecoderConfig(&config);
  if (WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &config.input) != VP8_STATUS_OK ||
      config.input.width != frame.width || config.input.height != frame.height ||
      frame.x_offset + frame.width > width || frame.y_offset + frame.height > height) {
    wrong("the first frame's header is broken");
  }
  Image image{static_cast<int>(width), static_cast<int>(height), 3, {}};
  const std::size_t row_bytes = static_cast<std::size_t>(width) * 3;
  image.pixels.resize(row_bytes * static_cast<std::size_t>(height));
  const std::size_t begin =
      row_bytes * static_cast<std::size_t>(frame.y_offset) + std::size_t{3} * static_cast<std::size_t>(frame.x_offset);
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = image.pixels.data() + begin;
  config.output.u.RGBA.stride = static_cast<int>(row_bytes);
  config.output.u.RGBA.size = image.pixels.size() - begin;
  if (WebPDecode(frame.fragment.bytes, frame.fragment.size, &config) != VP8_STATUS_OK)
    wrong("the picture's data is broken");
  return image;
}

std::optional<PictureSize> webp_size(std::span<const std::byte> bytes) {
  const auto demuxer = open(bytes);
  if (!demuxer) return std::nullopt;
  return PictureSize{WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH),
                     WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT)};
}

int webp_orientation(std::span<const std::byte> bytes) {
  const auto demuxer = open(bytes);
  if (!demuxer) return 1;
  return orientation(chunk(demuxer.get(), "EXIF"), chunk(demuxer.get(), "XMP "));
}

}  // namespace resnet
