#include "cli/architecture_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "resnet/error.h"
#include "weights/change_layout.h"

namespace resnet::cli {
namespace {

// 64, 128, 256, ... for so many stages; 16, 32, 64, ... behind a CIFAR stem.
std::vector<int> doubling_widths(std::size_t stages, Stem stem) {
  std::vector<int> widths;
  int width = stem == Stem::kCifar ? 16 : 64;
  for (std::size_t i = 0; i < stages; ++i, width *= 2) widths.push_back(width);
  return widths;
}

// An error about a field of the architecture, told as one about the option that sets it.
Usage as_usage(const Error& error) {
  std::string text = error.what();
  std::replace(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(error.where().size()), '_', '-');
  return Usage("--" + text);
}

}  // namespace

std::vector<int> parse_numbers(const std::string& text, const std::string& option) {
  std::vector<int> numbers;
  const char* place = text.data();
  const char* const end = text.data() + text.size();
  for (;;) {
    int number = 0;
    const auto [after, error] = std::from_chars(place, end, number);
    if (error != std::errc() || (after != end && *after != ',')) {
      throw Usage(fmt::format("{}: '{}' is not a list of whole numbers such as 3,4,6,3", option, text));
    }
    numbers.push_back(number);
    if (after == end) return numbers;
    place = after + 1;
  }
}

void ArchitectureOptions::add_to(CLI::App& command, const std::string& label, const std::string& description) {
  command.add_option(label, network_, description);
  const auto option = [&](const char* name, auto& value, const char* help) {
    CLI::Option* added = command.add_option(name, value, help)->group("Architecture");
    options_.push_back(added);
    return added;
  };
  option("--block", block_, "basic or bottleneck");
  option("--depths", depths_, "Blocks in each stage, such as 3,4,6,3");
  option("--widths", widths_, "Channels of each stage before a bottleneck's expansion (64,128,256,512)");
  option("--channels", channels_, "Channels of the input (3)");
  option("--classes", classes_, "Outputs (1000)");
  option("--groups", groups_, "Groups of a bottleneck's 3x3 convolution (1)");
  option("--width-per-group", width_per_group_, "Its channels are width * this / 64 * groups (64)");
  option("--stem", stem_, "imagenet (7x7, pooling), deep (three 3x3, pooling) or cifar (one 3x3)");
  option("--stem-width", stem_width_, "Channels that enter the first stage (the first width)");
  option("--shortcut", shortcut_, "projection, padding (option A), average_pool or none (a plain network)");
  option("--dilated-stages", dilated_stages_, "So many of the last stages dilate instead of striding (0)");
  const auto flag = [&](const char* name, bool& value, const char* help) {
    options_.push_back(command.add_flag(name, value, help)->group("Architecture"));
  };
  flag("--stride-on-first", stride_on_first_, "A bottleneck strides on its first 1x1 (the paper), not on its 3x3");
  flag("--conv-bias", conv_bias_, "Convolutions have biases");
  command.add_option("--layout", layout_, "Names and order of modules: torchvision or tutorial")->group("Architecture");
}

bool ArchitectureOptions::is_file() const {
  const auto named = [&](const Architecture& known) { return known.name == network_; };
  if (network_.empty() || std::any_of(catalog().begin(), catalog().end(), named)) return false;
  std::error_code ignored;
  return network_.find_first_of("/.") != std::string::npos || std::filesystem::exists(network_, ignored);
}

Architecture ArchitectureOptions::described() const {
  if (!network_.empty()) {
    Architecture result = find_architecture(network_);
    if (block_ || depths_ || widths_ || groups_ || width_per_group_ || stem_) result.name = "resnet";
    return result;
  }
  if (!block_ || !depths_) throw Usage("name a network, or describe one with --block and --depths");
  return {};
}

void ArchitectureOptions::change(Architecture& a) const {
  if (block_) a.block = parse_block(*block_);
  if (stem_) a.stem = parse_stem(*stem_);
  if (depths_) a.depths = parse_numbers(*depths_, "--depths");
  if (widths_) a.widths = parse_numbers(*widths_, "--widths");
  if (!widths_ && (network_.empty() || a.widths.size() != a.depths.size())) {
    a.widths = doubling_widths(std::min<std::size_t>(a.depths.size(), 8), a.stem);
  }
  if (depths_ || widths_) a.stem_width = a.widths.front();
  if (stem_width_) a.stem_width = *stem_width_;
  if (groups_) a.groups = *groups_;
  if (width_per_group_) a.width_per_group = *width_per_group_;
  if (shortcut_) a.shortcut = parse_shortcut(*shortcut_);
  if (channels_) a.in_channels = *channels_;
  if (classes_) a.classes = *classes_;
  if (dilated_stages_) a.dilated_stages = *dilated_stages_;
  a.stride_on_first = a.stride_on_first || stride_on_first_;
  a.conv_bias = a.conv_bias || conv_bias_;
}

Architecture ArchitectureOptions::architecture() const {
  Architecture result = described();
  try {
    change(result);
    return with_layout(result, layout_ ? parse_layout(*layout_) : result.layout);
  } catch (const Error& error) {
    throw as_usage(error);
  }
}

Model ArchitectureOptions::load_file() const {
  const std::optional<Layout> layout = layout_alone(fmt::format("{} is a file, which says it itself", network_));
  Model model = load_model(network_);
  return layout && *layout != model.architecture.layout ? change_layout(model, *layout) : model;
}

std::optional<Layout> ArchitectureOptions::layout_alone(const std::string& reason) const {
  for (const CLI::Option* option : options_) {
    if (option->count() > 0) throw Usage(fmt::format("{}: {}", option->get_name(), reason));
  }
  if (!layout_) return std::nullopt;
  try {
    return parse_layout(*layout_);
  } catch (const Error& error) {
    throw as_usage(error);
  }
}

}  // namespace resnet::cli
