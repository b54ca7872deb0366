// From a picture to a network's input: torchvision's Resize(int), CenterCrop, ToTensor and Normalize, in one go over
// the pixels that the crop keeps.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "formats/npy.h"
#include "image/decoders.h"
#include "image/fit.h"
#include "image/normalise.h"
#include "image/resample.h"

namespace resnet {
namespace {

// One axis of the crop: outputs [begin, end) of the resized picture go to `place` and behind; black is around them.
struct CropAxis {
  std::int64_t begin;
  std::int64_t end;
  int place;
};

// CenterCrop: int(round((size - crop) / 2)), where halves go to the even number; padding (crop - size) // 2 before.
CropAxis center(std::int64_t size, int crop) {
  if (size < crop) return {0, size, static_cast<int>((crop - size) / 2)};
  std::int64_t begin = (size - crop) / 2;
  if ((size - crop) % 2 == 1 && begin % 2 == 1) ++begin;
  return {begin, begin + crop, 0};
}

// What a picture of a given size needs.
struct Plan {
  Axis columns;
  Axis rows;
  FirstPass first;
  int left;  // place in the tensor
  int top;

  Window window() const { return {columns.input_begin(), rows.input_begin(), columns.input_end(), rows.input_end()}; }
};

// The size that the whole picture is resized to, and the crop of it.
struct Crop {
  std::int64_t width;
  std::int64_t height;
  CropAxis x;
  CropAxis y;
};

// Resize(int): the shorter side gets the size, the longer one int(size * long / short).
Crop find_crop(int width, int height, const Preprocessing& how, std::string_view where) {
  std::int64_t to_width = width;
  std::int64_t to_height = height;
  if (how.resize == 0) {
    if (width != how.width || height != how.height) {
      fail(ErrorCode::kMismatch, std::string(where),
           "{}x{} pixels, but {}x{} are expected and nothing is resized; --resize {} would", width, height, how.width,
           how.height, std::min(how.width, how.height));
    }
  } else {
    const auto longer = [&](int side, int shorter) {
      return static_cast<std::int64_t>(static_cast<double>(std::int64_t{how.resize} * side) / shorter);
    };
    to_width = width <= height ? how.resize : longer(width, height);
    to_height = width <= height ? longer(height, width) : how.resize;
  }
  return {to_width, to_height, center(to_width, how.width), center(to_height, how.height)};
}

Plan make_plan(int width, int height, const Preprocessing& how, std::string_view where) {
  const auto [to_width, to_height, x, y] = find_crop(width, height, how, where);
  return {make_axis(width, to_width, how.interpolation, x.begin, x.end),
          make_axis(height, to_height, how.interpolation, y.begin, y.end),
          first_pass(width, height, to_width, to_height), x.place, y.place};
}

// Black where the picture does not reach.
void normalise(const Image& image, const Plan& plan, const Preprocessing& how, std::span<float> out) {
  const auto row = static_cast<std::size_t>(how.width);
  const std::size_t plane = static_cast<std::size_t>(how.height) * row;
  const ValueTables tables(how);
  if (image.width != how.width || image.height != how.height) {
    for (std::size_t c = 0; c < tables.of.size(); ++c) {
      std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(c * plane), plane, tables.of[c][0]);
    }
  }
  float* first = out.data() + static_cast<std::ptrdiff_t>(plan.top) * how.width + plan.left;
  normalise_planes(image, tables, first, row, plane);
}

void check_out(const Preprocessing& how, std::span<float> out, std::string_view where) {
  validate(how);
  const std::size_t needed =
      how.mean.size() * static_cast<std::size_t>(how.height) * static_cast<std::size_t>(how.width);
  if (out.size() != needed) {
    fail(ErrorCode::kMismatch, std::string(where), "room for {} values, but the tensor has {}", out.size(), needed);
  }
}

void check_channels(std::int64_t channels, const Preprocessing& how, std::string_view where) {
  if (channels == static_cast<std::int64_t>(how.mean.size())) return;
  fail(ErrorCode::kMismatch, std::string(where), "{} channels, but {} are expected", channels, how.mean.size());
}

void check_pixels(const ImageView& image, std::string_view where) {
  constexpr int kMaxSide = 1 << 20;
  const bool sides = image.width >= 1 && image.height >= 1 && image.width <= kMaxSide && image.height <= kMaxSide;
  if (!sides || image.pixels.size() != static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) *
                                           static_cast<std::size_t>(image.channels)) {
    fail(ErrorCode::kMismatch, std::string(where), "{} bytes are no {}x{} pixels of {} channels", image.pixels.size(),
         image.width, image.height, image.channels);
  }
}

void load_array(std::span<const std::byte> bytes, std::string_view where, const Preprocessing& how,
                const DecodeOptions& options, std::span<float> out) {
  const NpyArray array = parse_npy(bytes, where);
  std::span<const std::int64_t> shape = array.shape;
  if (array.type == NpyType::kF32) {
    if (shape.size() == 4 && shape[0] == 1) shape = shape.subspan(1);
    if (shape.size() != 3 || shape[0] != static_cast<std::int64_t>(how.mean.size()) || shape[1] != how.height ||
        shape[2] != how.width) {
      fail(ErrorCode::kMismatch, std::string(where), "a float32 array of shape {}, but {}x{}x{} is expected",
           fmt::join(array.shape, "x"), how.mean.size(), how.height, how.width);
    }
    std::memcpy(out.data(), array.bytes.data(), array.bytes.size());
    return;
  }
  const Image image = array_image(array, where, options.max_pixels);
  check_channels(image.channels, how, where);
  const Plan plan = make_plan(image.width, image.height, how, where);
  normalise(resample(view_of(image), plan.columns, plan.rows, plan.first), plan, how, out);
}

// In the order of the enumeration.
constexpr std::array<std::string_view, 4> kPresets = {"torchvision", "torchvision-v2", "timm", "cifar"};

}  // namespace

std::string_view name(Interpolation value) noexcept {
  return value == Interpolation::kBilinear ? "bilinear" : "bicubic";
}

Interpolation parse_interpolation(std::string_view text) {
  if (text == "bilinear") return Interpolation::kBilinear;
  if (text == "bicubic") return Interpolation::kBicubic;
  fail(ErrorCode::kInvalidArgument, "interpolation", "'{}' is neither bilinear nor bicubic", text);
}

std::string_view name(ChannelOrder value) noexcept { return value == ChannelOrder::kRgb ? "rgb" : "bgr"; }

ChannelOrder parse_channel_order(std::string_view text) {
  if (text == "rgb") return ChannelOrder::kRgb;
  if (text == "bgr") return ChannelOrder::kBgr;
  fail(ErrorCode::kInvalidArgument, "channels", "'{}' is neither rgb nor bgr", text);
}

std::string_view name(Preset value) noexcept { return kPresets[static_cast<std::size_t>(value)]; }

Preprocessing preset(Preset value) {
  Preprocessing how;
  switch (value) {
    case Preset::kTorchvision: break;
    case Preset::kTorchvisionV2: how.resize = 232; break;
    case Preset::kTimm:
      how.resize = 235;  // floor(224 / 0.95)
      how.interpolation = Interpolation::kBicubic;
      break;
    case Preset::kCifar:
      how.height = how.width = 32;
      how.resize = 0;
      break;
  }
  return how;
}

Preprocessing preset(std::string_view name) {
  const auto found = std::find(kPresets.begin(), kPresets.end(), name);
  if (found != kPresets.end()) return preset(static_cast<Preset>(found - kPresets.begin()));
  fail(ErrorCode::kInvalidArgument, "preset", "'{}' is none of {}", name, fmt::join(kPresets, ", "));
}

void validate(const Preprocessing& how) {
  static constexpr int kMaxSize = 16'384;
  const auto check = [](const char* field, int value, int low) {
    if (value >= low && value <= kMaxSize) return;
    fail(ErrorCode::kInvalidArgument, field, "{} is not {} to {}", value, low, kMaxSize);
  };
  check("height", how.height, 1);
  check("width", how.width, 1);
  check("resize", how.resize, 0);
  if (how.mean.empty() || how.mean.size() != how.std.size()) {
    fail(ErrorCode::kInvalidArgument, "std", "{} values for {} means: both have one for each channel", how.std.size(),
         how.mean.size());
  }
  if (how.channels != ChannelOrder::kRgb && how.mean.size() != 3) {
    fail(ErrorCode::kInvalidArgument, "channels", "{} of them have no order of colours", how.mean.size());
  }
  for (const float mean : how.mean) {
    if (!std::isfinite(mean)) fail(ErrorCode::kInvalidArgument, "mean", "{} is not finite", mean);
  }
  for (const float std : how.std) {
    if (!std::isfinite(std) || std <= 0) fail(ErrorCode::kInvalidArgument, "std", "{} is not above zero", std);
  }
}

Image array_image(const NpyArray& array, std::string_view where, std::int64_t max_pixels) {
  constexpr std::int64_t kMaxChannels = 4096;
  const std::vector<std::int64_t>& shape = array.shape;
  if (array.type != NpyType::kU8 || (shape.size() != 2 && (shape.size() != 3 || shape[2] > kMaxChannels))) {
    fail(ErrorCode::kMismatch, std::string(where), "an array of shape {}, but uint8 of HxW or HxWxC is expected",
         fmt::join(shape, "x"));
  }
  EncodedImage{array.bytes, where, max_pixels}.check_size(shape[1], shape[0]);
  const std::int64_t channels = shape.size() == 3 ? shape[2] : 1;
  Image image{static_cast<int>(shape[1]), static_cast<int>(shape[0]), static_cast<int>(channels), {}};
  const auto* values = reinterpret_cast<const std::uint8_t*>(array.bytes.data());
  image.pixels.assign(values, values + array.bytes.size());
  return image;
}

Image fit(const Image& image, const Preprocessing& how, std::string_view where) {
  check_channels(image.channels, how, where);
  const Plan plan = make_plan(image.width, image.height, how, where);
  Image part = resample(view_of(image), plan.columns, plan.rows, plan.first);
  if (part.width == how.width && part.height == how.height) return part;
  Image result{how.width, how.height, part.channels, {}};
  const auto channels = static_cast<std::size_t>(part.channels);
  const std::size_t row = static_cast<std::size_t>(how.width) * channels;
  const std::size_t part_row = static_cast<std::size_t>(part.width) * channels;
  result.pixels.resize(row * static_cast<std::size_t>(how.height));
  std::uint8_t* first =
      result.pixels.data() + static_cast<std::size_t>(plan.top) * row + static_cast<std::size_t>(plan.left) * channels;
  for (std::size_t y = 0; y < static_cast<std::size_t>(part.height); ++y) {
    std::memcpy(first + y * row, part.pixels.data() + y * part_row, part_row);
  }
  return result;
}

void preprocess(const ImageView& image, const Preprocessing& how, std::span<float> out, std::string_view where) {
  check_out(how, out, where);
  check_channels(image.channels, how, where);
  check_pixels(image, where);
  const Plan plan = make_plan(image.width, image.height, how, where);
  normalise(resample(view_of(image), plan.columns, plan.rows, plan.first), plan, how, out);
}

SeenPart seen_part(int width, int height, const Preprocessing& how, std::string_view where) {
  const Crop crop = find_crop(width, height, how, where);
  const auto share = [](double pixels, std::int64_t of) { return pixels / static_cast<double>(of); };
  return {share(static_cast<double>(crop.x.begin - crop.x.place), crop.width),
          share(static_cast<double>(crop.y.begin - crop.y.place), crop.height), share(how.width, crop.width),
          share(how.height, crop.height)};
}

void load_input(std::span<const std::byte> bytes, std::string_view where, const Preprocessing& how,
                std::span<float> out, const DecodeOptions& options) {
  check_out(how, out, where);
  if (looks_like_npy(bytes)) return load_array(bytes, where, how, options, out);
  if (how.mean.size() != 1 && how.mean.size() != 3) {
    fail(ErrorCode::kMismatch, std::string(where), "a picture, but an array (.npy) of {} channels is expected",
         how.mean.size());
  }
  DecodeOptions with_mode = options;
  with_mode.mode = how.mean.size() == 1 ? ColorMode::kGray : ColorMode::kRgb;
  std::optional<Plan> plan;
  const Part part = decode_part(bytes, where, with_mode, [&](int width, int height) {
    plan = make_plan(width, height, how, where);
    return plan->window();
  });
  if (!plan) plan = make_plan(part.full_width, part.full_height, how, where);
  const View view = view_of(part.pixels, part.left, part.top);
  normalise(resample(view, plan->columns, plan->rows, plan->first), *plan, how, out);
}

}  // namespace resnet
