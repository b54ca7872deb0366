// augment_pictures: reads lines "IN OUT CHANGE VALUE..." from standard input and writes what the change makes of a
// picture. The parity test holds it to Pillow and PyTorch.
//   CHANGE is one of the names of augment/policy.h with its magnitude, or Hue TURNS, Flip, or
//   ResizedCrop LEFT TOP WIDTH HEIGHT TO_WIDTH TO_HEIGHT INTERPOLATION, PaddedCrop LEFT TOP WIDTH HEIGHT
// A line "magnitudes WIDTH HEIGHT" prints the bins of both policies.
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "augment/color.h"
#include "augment/crop.h"
#include "augment/policy.h"
#include "base/file.h"
#include "resnet/error.h"

namespace {

using namespace resnet;

void print_magnitudes(int width, int height) {
  for (int i = 0; i < kChanges; ++i) {
    const auto change = static_cast<Change>(i);
    fmt::print("{} {}", name(change), has_sign(change) ? 1 : 0);
    for (int bin = 0; bin < kMagnitudeBins; ++bin) fmt::print(" {}", trivial_magnitude(change, bin));
    for (int bin = 0; bin < kMagnitudeBins; ++bin) fmt::print(" {}", rand_magnitude(change, bin, width, height));
    fmt::print("\n");
  }
}

Window read_window(std::istream& in) {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
  in >> left >> top >> width >> height;
  return {left, top, left + width, top + height};
}

Image change_picture(const std::string& path, const std::string& change, std::istream& values) {
  if (change == "ResizedCrop") {
    const Window window = read_window(values);
    int width = 0;
    int height = 0;
    std::string interpolation;
    values >> width >> height >> interpolation;
    const Part part = decode_part(read_file(path), path, {}, [&](int /*width*/, int /*height*/) { return window; });
    return resized_crop(view_of(part.pixels, part.left, part.top), window, width, height,
                        parse_interpolation(interpolation));
  }
  Image image = read_image(path);
  double value = 0;
  if (change == "PaddedCrop") return padded_crop(image, read_window(values));
  values >> value;
  if (change == "Hue") {
    adjust_hue(image, value);
  } else if (change == "Flip") {
    flip_horizontally(image);
  } else {
    int i = 0;
    while (i < kChanges && name(static_cast<Change>(i)) != change) ++i;
    if (i == kChanges) throw std::runtime_error("no change " + change);
    apply(image, static_cast<Change>(i), static_cast<float>(value));
  }
  return image;
}

}  // namespace

int main() {
  try {
    for (std::string line; std::getline(std::cin, line);) {
      std::istringstream words(line);
      std::string in, out, change;
      words >> in;
      if (in == "magnitudes") {
        int width = 0;
        int height = 0;
        words >> width >> height;
        print_magnitudes(width, height);
        continue;
      }
      words >> out >> change;
      const std::vector<std::byte> file = encode_png(change_picture(in, change, words));
      std::ofstream(out, std::ios::binary)
          .write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
