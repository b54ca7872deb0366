#include "image/normalise.h"

#include <cstdint>

namespace resnet {
namespace {

// kChannels is 0 where their number is known only at run time.
template <std::size_t kChannels, bool kReversed = false>
void normalise_row(const std::uint8_t* in, int width, std::size_t channels, const ValueTable* tables, float* out,
                   std::size_t plane) {
  const std::size_t count = kChannels == 0 ? channels : kChannels;
  for (int x = 0; x < width; ++x, in += count, ++out) {
    for (std::size_t c = 0; c < count; ++c) {
      out[c * plane] = tables[c][in[kReversed ? count - 1 - c : c]];
    }
  }
}

}  // namespace

ValueTables::ValueTables(const Preprocessing& how) : of(how.mean.size()), reversed(how.channels == ChannelOrder::kBgr) {
  for (std::size_t c = 0; c < of.size(); ++c) {
    for (std::size_t i = 0; i < of[c].size(); ++i) {
      of[c][i] = (static_cast<float>(i) / 255.0F - how.mean[c]) / how.std[c];
    }
  }
}

void normalise_planes(const Image& image, const ValueTables& tables, float* out, std::size_t row, std::size_t plane) {
  const auto channels = static_cast<std::size_t>(image.channels);
  const std::uint8_t* in = image.pixels.data();
  for (int y = 0; y < image.height; ++y, in += static_cast<std::size_t>(image.width) * channels, out += row) {
    if (channels == 3 && tables.reversed) {
      normalise_row<3, true>(in, image.width, channels, tables.of.data(), out, plane);
    } else if (channels == 3) {
      normalise_row<3>(in, image.width, channels, tables.of.data(), out, plane);
    } else {
      normalise_row<0>(in, image.width, channels, tables.of.data(), out, plane);
    }
  }
}

void normalise_interleaved(const Image& image, const ValueTables& tables, float* out) {
  const auto channels = static_cast<std::size_t>(image.channels);
  for (std::size_t i = 0; i < image.pixels.size(); i += channels) {
    for (std::size_t c = 0; c < channels; ++c) {
      out[i + c] = tables.of[c][image.pixels[i + (tables.reversed ? channels - 1 - c : c)]];
    }
  }
}

}  // namespace resnet
