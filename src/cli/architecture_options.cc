#include "cli/architecture_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "resnet/error.h"
#include "weights/change_layout.h"

namespace resnet::cli {
namespace {

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

void ArchitectureOptions::add_to(Command& command, const std::string& label, const std::string& description) {
  command.add_option(label, network_, description);
  const auto option = [&](const char* name, auto& value, const char* help) {
    Option* added = command.add_option(name, value, help)->group("Architecture");
    options_.push_back(added);
    return added;
  };
  option("--block", block_, "basic or bottleneck");
  option("--depths", depths_, "Blocks in each stage, such as 3,4,6,3");
  option("--widths", widths_, "Channels of each stage before a bottleneck's expansion (64,128,256,512)");
  option("--channels", changes_.channels, "Channels of the input (3)");
  option("--classes", changes_.classes, "Outputs (1000)");
  option("--groups", changes_.groups, "Groups of a bottleneck's 3x3 convolution (1)");
  option("--width-per-group", changes_.width_per_group, "Its channels are width * this / 64 * groups (64)");
  option("--stem", stem_, "imagenet (7x7, pooling), deep (three 3x3, pooling) or cifar (one 3x3)");
  option("--stem-width", changes_.stem_width, "Channels that enter the first stage (the first width)");
  option("--shortcut", shortcut_, "projection, padding (option A), average_pool or none (a plain network)");
  option("--dilated-stages", changes_.dilated_stages, "So many of the last stages dilate instead of striding (0)");
  const auto flag = [&](const char* name, bool& value, const char* help) {
    options_.push_back(command.add_flag(name, value, help)->group("Architecture"));
  };
  flag("--stride-on-first", changes_.stride_on_first,
       "A bottleneck strides on its first 1x1 (the paper), not on its 3x3");
  flag("--conv-bias", changes_.conv_bias, "Convolutions have biases");
  command.add_option("--layout", layout_, "Names and order of modules: torchvision or tutorial")->group("Architecture");
}

bool ArchitectureOptions::is_file() const {
  const auto named = [&](const Architecture& known) { return known.name == network_; };
  if (network_.empty() || std::any_of(catalog().begin(), catalog().end(), named)) return false;
  std::error_code ignored;
  return network_.find_first_of("/.") != std::string::npos || std::filesystem::exists(network_, ignored);
}

ArchitectureChoice ArchitectureOptions::choice() const {
  ArchitectureChoice choice = changes_;
  choice.network = network_;
  if (block_) choice.block = parse_block(*block_);
  if (stem_) choice.stem = parse_stem(*stem_);
  if (shortcut_) choice.shortcut = parse_shortcut(*shortcut_);
  if (depths_) choice.depths = parse_numbers(*depths_, "--depths");
  if (widths_) choice.widths = parse_numbers(*widths_, "--widths");
  return choice;
}

Architecture ArchitectureOptions::architecture() const {
  if (network_.empty() && (!block_ || !depths_)) {
    throw Usage("name a network, or describe one with --block and --depths");
  }
  if (!network_.empty()) find_architecture(network_);  // an unknown name is not an option's fault
  try {
    const Architecture result = choose(choice());
    return with_layout(result, layout_ ? parse_layout(*layout_) : result.layout);
  } catch (const Error& error) {
    throw as_usage(error);
  }
}

Model ArchitectureOptions::load_file(const LoadOptions& load) const {
  const std::optional<Layout> layout = layout_alone(fmt::format("{} is a file, which says it itself", network_));
  Model model = load_model(network_, load);
  return layout && *layout != model.architecture.layout ? change_layout(model, *layout) : model;
}

std::optional<Layout> ArchitectureOptions::layout_alone(const std::string& reason) const {
  for (const Option* option : options_) {
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
