#include "weights/picture_words.h"

#include <cmath>

#include "base/error.h"

namespace resnet {
namespace {

std::optional<Preprocessing> checked(const Preprocessing& how, int channels) {
  const auto count = static_cast<std::size_t>(channels);
  if (how.mean.size() != count || how.std.size() != count) return std::nullopt;
  try {
    validate(how);
  } catch (const Error&) {
    return std::nullopt;
  }
  return how;
}

std::optional<Interpolation> interpolation_of(const std::string& name) {
  if (name == "bilinear" || name == "random") return Interpolation::kBilinear;
  if (name == "bicubic") return Interpolation::kBicubic;
  return std::nullopt;
}

// A number of pixels; 0, which no picture has, for what is none.
int pixels(double value) {
  constexpr double kMost = 65535;
  return value >= 1 && value <= kMost ? static_cast<int>(value) : 0;
}

std::optional<int> side_in(const WordJson& config, const char* key, const char* inner) {
  if (!config.is_object() || !config.contains(key)) return std::nullopt;
  const WordJson& value = config[key];
  const auto side = value.is_number() ? std::optional(value.get<double>()) : number_in(value, inner);
  return side ? std::optional(pixels(*side)) : std::nullopt;
}

}  // namespace

std::optional<Preprocessing> timm_preprocessing(const WordJson& config, int channels) {
  const std::vector<float> size = floats_in(config, "input_size");
  const auto interpolation = interpolation_of(text_in(config, "interpolation"));
  const double crop = number_in(config, "crop_pct").value_or(0);
  const std::string mode = text_in(config, "crop_mode");
  if (size.size() != 3 || size[1] != size[2] || !interpolation || crop <= 0 || (!mode.empty() && mode != "center")) {
    return std::nullopt;
  }
  Preprocessing how;
  how.height = how.width = pixels(size[1]);
  how.resize = pixels(std::floor(static_cast<double>(size[1]) / crop));
  how.interpolation = *interpolation;
  how.mean = floats_in(config, "mean");
  how.std = floats_in(config, "std");
  return checked(how, channels);
}

std::optional<Preprocessing> hugging_face_preprocessing(const WordJson& config, int channels) {
  constexpr double kByte = 1.0 / 255;
  constexpr int kConvNextWarps = 384;
  if (!config.is_object() || (config.contains("do_resize") && !is_true(config, "do_resize"))) return std::nullopt;
  if (std::abs(number_in(config, "rescale_factor").value_or(kByte) - kByte) > 1e-6) return std::nullopt;
  const auto resample = number_in(config, "resample");
  if (!resample || (*resample != 2 && *resample != 3)) return std::nullopt;
  Preprocessing how;
  how.interpolation = *resample == 2 ? Interpolation::kBilinear : Interpolation::kBicubic;
  const auto shorter = side_in(config, "size", "shortest_edge");
  if (!shorter || *shorter < 1) return std::nullopt;
  if (const auto crop = number_in(config, "crop_pct"); crop && *crop > 0) {
    if (*shorter >= kConvNextWarps) return std::nullopt;
    how.height = how.width = *shorter;
    how.resize = pixels(*shorter / *crop);
  } else if (is_true(config, "do_center_crop")) {
    how.height = side_in(config, "crop_size", "height").value_or(0);
    how.width = side_in(config, "crop_size", "width").value_or(how.height);
    how.resize = *shorter;
  } else {
    return std::nullopt;
  }
  if (config.contains("do_normalize") && !is_true(config, "do_normalize")) {
    how.mean.assign(static_cast<std::size_t>(channels), 0.0F);
    how.std.assign(static_cast<std::size_t>(channels), 1.0F);
  } else {
    how.mean = floats_in(config, "image_mean");
    how.std = floats_in(config, "image_std");
  }
  return checked(how, channels);
}

}  // namespace resnet
