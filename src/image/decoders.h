// What the decoders of single formats share. Each turns a file's bytes into RGB pixels as Pillow's convert("RGB") does;
// decode.cc chooses among them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string_view>

#include "resnet/image.h"

namespace resnet {

// A rectangle of pixels: columns left to right, rows top to bottom, the ends excluded.
struct Window {
  int left = 0;
  int top = 0;
  int right = 0;
  int bottom = 0;
};

// Pixels of one window of a larger picture, and a large picture's turn: while it is held, no other is decoded.
struct Part {
  int full_width = 0;
  int full_height = 0;
  int left = 0;  // of `pixels` in the picture
  int top = 0;
  Image pixels;
  std::unique_lock<std::mutex> turn = {};
};

// Chooses, by the size of a picture, the pixels that are wanted.
using ChooseWindow = std::function<Window(int width, int height)>;

// A picture's file.
struct EncodedImage {
  std::span<const std::byte> bytes;
  std::string_view where;  // names it in errors
  std::int64_t max_pixels = 0;
  PictureNotes* notes = nullptr;
  mutable std::unique_lock<std::mutex> turn = {};

  // Throws kFormat for a size of zero, kLimit where there are more pixels than max_pixels. Takes a large picture's
  // turn. Called before memory is taken.
  void check_size(std::int64_t width, std::int64_t height) const;
};

// At least the chosen window; the whole picture where `choose` is empty or the file cannot be decoded in parts.
Part decode_jpeg(const EncodedImage& source, const ChooseWindow& choose);
Image decode_png(const EncodedImage& source);
Image decode_webp(const EncodedImage& source);  // of an animation the first frame

// The EXIF orientation, 1 to 8; 1 where the file does not say, or says it in a broken way.
int jpeg_orientation(std::span<const std::byte> bytes);
int png_orientation(std::span<const std::byte> bytes);
int webp_orientation(std::span<const std::byte> bytes);

// A whole picture, or part of one, of any of the formats. Turned as its orientation says where the options want that.
Part decode_part(std::span<const std::byte> bytes, std::string_view where, const DecodeOptions& options,
                 const ChooseWindow& choose);

}  // namespace resnet
