#include <gtest/gtest.h>
#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>

#include "image/test_pictures.h"

namespace resnet::testing {
namespace {

Bytes bytes_of(const void* data, std::size_t size) {
  const auto* begin = static_cast<const std::byte*>(data);
  return {begin, begin + size};
}

}  // namespace

Image make_picture(int width, int height, int channels, unsigned seed) {
  std::mt19937 random(seed);
  Image image{width, height, channels, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        const double wave = 127 + 90 * std::sin(0.11 * x + c + seed) * std::cos(0.07 * y);
        const double value = wave + static_cast<double>(random() % 51) - 25;
        image.pixels.push_back(static_cast<std::uint8_t>(std::min(std::max(value, 0.0), 255.0)));
      }
    }
  }
  return image;
}

Bytes make_jpeg(const Image& image, const JpegOptions& options) {
  jpeg_compress_struct encoder{};
  jpeg_error_mgr errors{};
  encoder.err = jpeg_std_error(&errors);
  jpeg_create_compress(&encoder);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&encoder, &memory, &size);
  encoder.image_width = static_cast<JDIMENSION>(image.width);
  encoder.image_height = static_cast<JDIMENSION>(image.height);
  encoder.input_components = image.channels;
  encoder.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : image.channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&encoder);
  jpeg_set_quality(&encoder, options.quality, TRUE);
  encoder.comp_info[0].h_samp_factor = options.horizontal_sampling;
  encoder.comp_info[0].v_samp_factor = options.vertical_sampling;
  encoder.restart_interval = static_cast<unsigned>(options.restart_interval);
  if (options.progressive) jpeg_simple_progression(&encoder);
  jpeg_start_compress(&encoder, TRUE);
  for (int y = 0; y < image.height; ++y) {
    auto* row =
        const_cast<JSAMPROW>(image.pixels.data() + static_cast<std::ptrdiff_t>(y) * image.width * image.channels);
    jpeg_write_scanlines(&encoder, &row, 1);
  }
  jpeg_finish_compress(&encoder);
  jpeg_destroy_compress(&encoder);
  Bytes result = bytes_of(memory, size);
  std::free(memory);
  return result;
}

Bytes make_png(const Image& image, bool interlaced) {
  constexpr int kTypes[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGBA};
  Bytes result;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &result,
      [](png_structp writer, png_bytep data, std::size_t size) {
        const Bytes more = bytes_of(data, size);
        auto* out = static_cast<Bytes*>(png_get_io_ptr(writer));
        out->insert(out->end(), more.begin(), more.end());
      },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
               kTypes[image.channels - 1], interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  std::vector<png_bytep> rows;
  for (int y = 0; y < image.height; ++y) {
    rows.push_back(
        const_cast<png_bytep>(image.pixels.data() + static_cast<std::ptrdiff_t>(y) * image.width * image.channels));
  }
  png_set_rows(png, info, rows.data());
  png_write_png(png, info, PNG_TRANSFORM_IDENTITY, nullptr);
  png_destroy_write_struct(&png, &info);
  return result;
}

Bytes make_webp(const Image& image, bool lossless) {
  std::uint8_t* memory = nullptr;
  const std::uint8_t* in = image.pixels.data();
  const int stride = image.width * image.channels;
  std::size_t size = 0;
  if (image.channels == 3) {
    size = lossless ? WebPEncodeLosslessRGB(in, image.width, image.height, stride, &memory)
                    : WebPEncodeRGB(in, image.width, image.height, stride, 80, &memory);
  } else {
    size = lossless ? WebPEncodeLosslessRGBA(in, image.width, image.height, stride, &memory)
                    : WebPEncodeRGBA(in, image.width, image.height, stride, 80, &memory);
  }
  Bytes result = bytes_of(memory, size);
  WebPFree(memory);
  return result;
}

}  // namespace resnet::testing
