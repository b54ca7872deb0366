#include "cli/preprocess_options.h"

#include <fmt/ranges.h>

#include <charconv>
#include <cmath>
#include <string_view>

#include "cli/command.h"
#include "console/output.h"
#include "resnet/error.h"

namespace resnet::cli {
namespace {

int parse_side(std::string_view side, std::string_view size) {
  int value = 0;
  const auto [end, error] = std::from_chars(side.data(), side.data() + side.size(), value);
  if (error != std::errc() || end != side.data() + side.size()) {
    throw Usage(fmt::format("--size: '{}' is neither a number of pixels nor HEIGHTxWIDTH", size));
  }
  return value;
}

void parse_size(std::string_view text, Preprocessing& how) {
  const std::size_t cross = text.find('x');
  how.height = parse_side(text.substr(0, cross), text);
  how.width = cross == std::string_view::npos ? how.height : parse_side(text.substr(cross + 1), text);
}

void apply(const PreprocessOptions& options, Preprocessing& how) {
  if (options.size) parse_size(*options.size, how);
  if (options.resize) how.resize = *options.resize;
  if (options.interpolation) how.interpolation = parse_interpolation(*options.interpolation);
  if (!options.mean.empty()) how.mean = options.mean;
  if (!options.std.empty()) how.std = options.std;
  if (options.channels) how.channels = *options.channels;
}

// Fills in what no flag said and no preset or file decides; tells what it was.
std::string assume(const PreprocessOptions& options, int channels, Preprocessing& how) {
  std::vector<std::string> assumed;
  if (!options.size) assumed.push_back(fmt::format("size {}x{}", how.height, how.width));
  if (!options.resize) {
    if (options.size && how.resize != 0)
      how.resize = static_cast<int>(std::min(how.height, how.width) / 0.875);  // as 224 of 256
    assumed.push_back(fmt::format("resize {}", how.resize));
  }
  if (!options.interpolation) assumed.emplace_back(name(how.interpolation));
  if (channels != 3 && options.mean.empty()) how.mean.assign(static_cast<std::size_t>(channels), 0.0F);
  if (channels != 3 && options.std.empty()) how.std.assign(static_cast<std::size_t>(channels), 1.0F);
  if (options.mean.empty()) assumed.push_back(fmt::format("mean {}", fmt::join(how.mean, ",")));
  if (options.std.empty()) assumed.push_back(fmt::format("std {}", fmt::join(how.std, ",")));
  return fmt::format("{}", fmt::join(assumed, ", "));
}

}  // namespace

bool PreprocessOptions::says_anything() const {
  return preset || size || resize || interpolation || !mean.empty() || !std.empty() || channels;
}

void add_preprocess_options(Command& command, PreprocessOptions& options) {
  const std::string group = kPreprocessing;
  command
      .add_option("--preset", options.preset,
                  "Preprocessing: torchvision, torchvision-v2, timm, cifar; torchvision: resize 256, crop "
                  "224; torchvision-v2: 232, 224; timm: 235, 224, bicubic; cifar: 32, no resizing; all with "
                  "ImageNet's mean and std. Else as the file says")
      ->type_name("NAME");
  command.add_option("--size", options.size, "Of the crop in pixels, or HEIGHTxWIDTH")->type_name("SIZE")->group(group);
  command.add_option("--resize", options.resize, "The shorter side before the crop; 0: no resizing")
      ->type_name("SIZE")
      ->group(group);
  command.add_option("--interpolation", options.interpolation, "How to resize")
      ->type_name("bilinear|bicubic")
      ->group(group);
  command.add_option("--mean", options.mean, "Per channel, of values in 0..1: 0.485,0.456,0.406")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(group);
  command.add_option("--std", options.std, "Per channel: 0.229,0.224,0.225")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(group);
  command
      .add_option_function(
          "--channel-order", [&options](const std::string& text) { options.channels = parse_channel_order(text); },
          "rgb, or bgr as OpenCV and Caffe have it; --mean and --std are in this order")
      ->check(IsMember({"rgb", "bgr"}))
      ->type_name("NAME")
      ->group(group);
}

void add_max_pixels_option(Command& command, std::int64_t& max_pixels) {
  command
      .add_option("--max-pixels", max_pixels, "Refuse larger pictures before memory is taken; a pixel takes 3 bytes")
      ->capture_default_str()
      ->check(Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->group(kPreprocessing);
}

ResolvedPreprocessing resolve(const PreprocessOptions& options, const std::optional<Preprocessing>& of_file,
                              int channels, const Preprocessing& otherwise) {
  ResolvedPreprocessing resolved;
  resolved.how = otherwise;
  try {
    if (options.preset) {
      resolved.how = preset(*options.preset);
    } else if (of_file) {
      resolved.how = *of_file;
    }
    apply(options, resolved.how);
    if (!options.preset && !of_file) resolved.assumed = assume(options, channels, resolved.how);
    validate(resolved.how);
  } catch (const Error& error) {
    throw Usage(error.what());
  }
  if (resolved.how.mean.size() != static_cast<std::size_t>(channels)) {
    throw Usage(fmt::format("{} means, but the network has {} input channels: say --mean and --std",
                            resolved.how.mean.size(), channels));
  }
  return resolved;
}

void print_assumed(const ResolvedPreprocessing& resolved) {
  if (!resolved.assumed.empty()) say("preprocessing assumed: " + resolved.assumed);
}

}  // namespace resnet::cli
