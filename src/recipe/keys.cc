#include "recipe/keys.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

#include "base/error.h"
#include "base/nearest.h"
#include "base/text.h"

namespace resnet {
namespace {

constexpr double kTiny = 1e-12;
constexpr double kMany = 1e9;

const std::vector<Key> kKeys = {
    {"arch", "Network", &Recipe::arch, "Name of an architecture"},
    {"block", "Network", &Recipe::block, "Its blocks instead: basic or bottleneck", 0, 0, {"", "basic", "bottleneck"}},
    {"depths", "Network", &Recipe::depths, "Blocks in each stage", 1, 2000},
    {"widths", "Network", &Recipe::widths, "Channels of each stage", 1, 65535},
    {"groups", "Network", &Recipe::groups, "Groups of a bottleneck's 3x3 (0: the architecture's)", 0, 65535},
    {"width_per_group", "Network", &Recipe::width_per_group, "Its channels are width * this / 64 * groups (0)", 0,
     65535},
    {"stem", "Network", &Recipe::stem, "imagenet, deep or cifar", 0, 0, {"", "imagenet", "deep", "cifar"}},
    {"stem_width", "Network", &Recipe::stem_width, "Channels that enter the first stage (0)", 0, 65535},
    {"shortcut",
     "Network",
     &Recipe::shortcut,
     "projection, padding, average_pool or none (a plain network)",
     0,
     0,
     {"", "projection", "padding", "average_pool", "none"}},
    {"from", "Network", &Recipe::from, "Model file to start from; its head is replaced where the classes differ"},
    {"allow_nonfinite", "Network", &Recipe::allow_nonfinite,
     "Start also from a file with weights that are NaN or infinite, such as those of a head that is replaced"},
    {"freeze", "Network", &Recipe::freeze, "Parts that do not learn: stem,layer1,... or all-but-head"},
    {"zero_init", "Network", &Recipe::zero_init,
     "The last batch norm of each block starts at zero, except where its shortcut pads"},
    {"stochastic_depth", "Network", &Recipe::stochastic_depth, "Probability that the last block is left out", 0, 0.99},

    {"data", "Data", &Recipe::data,
     "Folder of class folders, .tar, .tar.gz, shards or CIFAR binaries; PATH:FOLDER takes one folder"},
    {"val", "Data", &Recipe::val, "The same for validation, or a fraction of the data such as 0.1"},
    {"preset",
     "Data",
     &Recipe::preset,
     "Preprocessing: torchvision, torchvision-v2, timm or cifar (what suits the network)",
     0,
     0,
     {"", "torchvision", "torchvision-v2", "timm", "cifar"}},
    {"size", "Data", &Recipe::size, "Height and width of the network's input (0: the preset's)", 0, 16384},
    {"resize", "Data", &Recipe::resize, "Shorter side for validation; 0: pictures have the size (-1: the preset's)", -1,
     16384},
    {"interpolation", "Data", &Recipe::interpolation, "bilinear or bicubic", 0, 0, {"", "bilinear", "bicubic"}},
    {"mean", "Data", &Recipe::mean, "Of each channel, of values in 0..1", -1e6, 1e6},
    {"std", "Data", &Recipe::std, "Standard deviations likewise", kTiny, 1e6},
    {"shuffle", "Data", &Recipe::shuffle, "Each epoch has an order of its own"},
    {"bad_images", "Data", &Recipe::bad_images, "Pictures that cannot be read: fail or skip", 0, 0, {"fail", "skip"}},
    {"cache_megabytes", "Data", &Recipe::cache_megabytes, "Pictures stay decoded in memory where they need no more", 0,
     kMany},

    {"crop",
     "Augmentation",
     &Recipe::crop,
     "resized (random area), padded (pad and crop) or none",
     0,
     0,
     {"resized", "padded", "none"}},
    {"crop_min_area", "Augmentation", &Recipe::crop_min_area, "Smallest part of the picture that a resized crop takes",
     1e-4, 1},
    {"padding", "Augmentation", &Recipe::padding, "Pixels around the picture before a padded crop", 0, 1024},
    {"flip", "Augmentation", &Recipe::flip, "Probability of a horizontal flip", 0, 1},
    {"brightness", "Augmentation", &Recipe::brightness, "Colour jitter", 0, 10},
    {"contrast", "Augmentation", &Recipe::contrast, "Colour jitter", 0, 10},
    {"saturation", "Augmentation", &Recipe::saturation, "Colour jitter", 0, 10},
    {"hue", "Augmentation", &Recipe::hue, "Colour jitter", 0, 0.5},
    {"policy",
     "Augmentation",
     &Recipe::policy,
     "none, trivial (TrivialAugment) or rand (RandAugment)",
     0,
     0,
     {"none", "trivial", "rand"}},
    {"rand_operations", "Augmentation", &Recipe::rand_operations, "Of RandAugment", 1, 14},
    {"rand_magnitude", "Augmentation", &Recipe::rand_magnitude, "Of RandAugment", 0, 30},
    {"erasing", "Augmentation", &Recipe::erasing, "Probability of random erasing", 0, 1},
    {"mixup", "Augmentation", &Recipe::mixup, "Alpha of mixup (0: none)", 0, 100},
    {"cutmix", "Augmentation", &Recipe::cutmix, "Alpha of cutmix (0: none)", 0, 100},

    {"epochs", "Optimiser", &Recipe::epochs, "Passes over the data", 1, 1e6},
    {"batch", "Optimiser", &Recipe::batch, "Pictures a pass through the network", 1, 65535},
    {"accumulate", "Optimiser", &Recipe::accumulate, "Such passes a step", 1, 65535},
    {"optimizer", "Optimiser", &Recipe::optimizer, "sgd, adamw or lamb", 0, 0, {"sgd", "adamw", "lamb"}},
    {"lr", "Optimiser", &Recipe::lr, "Highest learning rate", kTiny, 1000},
    {"momentum", "Optimiser", &Recipe::momentum, "Of SGD", 0, 0.9999999},
    {"nesterov", "Optimiser", &Recipe::nesterov, "SGD looks ahead"},
    {"beta1", "Optimiser", &Recipe::beta1, "Of AdamW and LAMB", 0, 0.9999999},
    {"beta2", "Optimiser", &Recipe::beta2, "Of AdamW and LAMB", 0, 0.9999999},
    {"epsilon", "Optimiser", &Recipe::epsilon, "Of AdamW and LAMB", 1e-30, 1},
    {"weight_decay", "Optimiser", &Recipe::weight_decay, "L2 for SGD, decoupled for the others", 0, 100},
    {"decay_all", "Optimiser", &Recipe::decay_all, "Weight decay of batch norms and biases too"},
    {"clip", "Optimiser", &Recipe::clip, "Longest gradient (0: any)", 0, kMany},
    {"stage_lr", "Optimiser", &Recipe::stage_lr, "Factors of the learning rate: stem=0.1,layer1=0.3,head=10"},

    {"schedule",
     "Schedule",
     &Recipe::schedule,
     "constant, step, cosine, one_cycle or polynomial",
     0,
     0,
     {"constant", "step", "cosine", "one_cycle", "polynomial"}},
    {"warmup_epochs", "Schedule", &Recipe::warmup_epochs, "Epochs over which the rate rises linearly at first", 0, 1e6},
    {"warmup_start", "Schedule", &Recipe::warmup_start, "First rate of the warm-up, as a factor of lr", 0, 1},
    {"step_epochs", "Schedule", &Recipe::step_epochs, "step: epochs at which the rate falls", 0, 1e6},
    {"step_factor", "Schedule", &Recipe::step_factor, "step: by which it falls", kTiny, 1},
    {"power", "Schedule", &Recipe::power, "polynomial: exponent", 0.01, 100},
    {"peak", "Schedule", &Recipe::peak, "one_cycle: where the highest rate is, as a part of the run", 0, 1},
    {"start_factor", "Schedule", &Recipe::start_factor, "one_cycle: first rate, as a factor of lr", 0, 1},
    {"end_factor", "Schedule", &Recipe::end_factor, "cosine, one_cycle, polynomial: last rate, as a factor of lr", 0,
     1},

    {"label_smoothing", "Loss", &Recipe::label_smoothing, "Part of each label that all classes share", 0, 0.999},
    {"class_weights", "Loss", &Recipe::class_weights, "A weight for each class", 0, kMany},
    {"ema", "Loss", &Recipe::ema, "Decay of averaged weights (0: none)", 0, 0.9999999},
    {"patience", "Loss", &Recipe::patience, "Epochs without a better result before training ends (0: none)", 0, 1e6},

    {"seed", "Run", &Recipe::seed, "The same seed gives the same run", 0, 1e15},
    {"device", "Run", &Recipe::device, "cpu, cuda, cuda:1 or auto"},
    {"precision", "Run", &Recipe::precision, "fp32, bf16 or, on CUDA, fp16", 0, 0, {"fp32", "bf16", "fp16"}},
    {"threads", "Run", &Recipe::threads, "Working on one step (0: one per processor)", 0, 1024},
    {"checkpoint_steps", "Run", &Recipe::checkpoint_steps, "Steps between checkpoints within an epoch (0: none)", 0,
     kMany},
    {"keep", "Run", &Recipe::keep, "Checkpoints that are kept", 1, 1e6},
};

template <typename Number>
Number parse_number(const std::string& text, const std::string& where) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail(ErrorCode::kInvalidArgument, where, "'{}' is not a {}", one_line(text),
         std::is_same_v<Number, double> ? "number" : "whole number");
  }
  return value;
}

template <typename Value>
Value parse(const std::string& text, const std::string& where) {
  if constexpr (std::is_same_v<Value, std::string>) {
    return text;
  } else if constexpr (std::is_same_v<Value, bool>) {
    if (text != "true" && text != "false") {
      fail(ErrorCode::kInvalidArgument, where, "'{}' is neither true nor false", one_line(text));
    }
    return text == "true";
  } else if constexpr (std::is_arithmetic_v<Value>) {
    return parse_number<Value>(text, where);
  } else {
    Value list;
    for (std::size_t begin = 0; begin <= text.size() && !text.empty();) {
      const std::size_t comma = std::min(text.find(',', begin), text.size());
      list.push_back(parse<typename Value::value_type>(text.substr(begin, comma - begin), where));
      begin = comma + 1;
    }
    return list;
  }
}

void check_number(const Key& key, double value, const std::string& where) {
  if (value >= key.min && value <= key.max) return;  // what is no number fails both
  fail(ErrorCode::kInvalidArgument, where, "{} is not between {} and {}", value, key.min, key.max);
}

template <typename Value>
void check(const Key& key, const Value& value, const std::string& where) {
  if constexpr (std::is_same_v<Value, std::string>) {
    if (valid_utf8_prefix(value) != value.size() || value.find('\0') != std::string::npos) {
      fail(ErrorCode::kInvalidArgument, where, "'{}' is not text in UTF-8", one_line(value));
    }
    if (key.choices.empty() || std::find(key.choices.begin(), key.choices.end(), value) != key.choices.end()) return;
    const std::size_t skipped = key.choices.front().empty() ? 1 : 0;  // empty: not said
    fail(ErrorCode::kInvalidArgument, where, "'{}' is none of {}", one_line(value),
         fmt::join(key.choices.begin() + static_cast<std::ptrdiff_t>(skipped), key.choices.end(), ", "));
  } else if constexpr (std::is_same_v<Value, bool>) {
    return;
  } else if constexpr (std::is_arithmetic_v<Value>) {
    check_number(key, static_cast<double>(value), where);
  } else {
    for (const auto& item : value) check(key, item, where);
  }
}

// TOML's basic strings; what is no plain character is written as \uXXXX.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      result += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    } else {
      result += c;
    }
  }
  return result + '"';
}

template <typename Value>
std::string as_toml(const Value& value) {
  if constexpr (std::is_same_v<Value, std::string>) {
    return quoted(value);
  } else if constexpr (std::is_same_v<Value, double>) {
    std::string text = fmt::format("{}", value);  // the shortest that is read back the same
    return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
  } else if constexpr (std::is_arithmetic_v<Value>) {
    return fmt::format("{}", value);
  } else {
    std::vector<std::string> items;
    items.reserve(value.size());
    for (const auto& item : value) items.push_back(as_toml(item));
    return fmt::format("[{}]", fmt::join(items, ", "));
  }
}

}  // namespace

std::span<const Key> recipe_keys() { return kKeys; }

const Key& find_key(std::string_view name, const std::string& where) {
  const auto found = std::find_if(kKeys.begin(), kKeys.end(), [&](const Key& key) { return key.name == name; });
  if (found != kKeys.end()) return *found;
  std::vector<std::string> names;
  names.reserve(kKeys.size());
  for (const Key& key : kKeys) names.emplace_back(key.name);
  fail(ErrorCode::kInvalidArgument, where, "no key '{}'; did you mean {}?", one_line(name), nearest(name, names, 1)[0]);
}

std::string flag_of(const Key& key) {
  std::string flag = "--" + std::string(key.name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

void set_from_text(Recipe& recipe, const Key& key, const std::string& text, const std::string& where) {
  std::visit([&](auto member) { recipe.*member = parse<std::decay_t<decltype(recipe.*member)>>(text, where); },
             key.member);
  recipe.places.insert_or_assign(std::string(key.name), where);
  check_value(recipe, key, where);
}

void check_value(const Recipe& recipe, const Key& key, const std::string& where) {
  std::visit([&](auto member) { check(key, recipe.*member, where); }, key.member);
}

std::string toml_value(const Recipe& recipe, const Key& key) {
  return std::visit([&](auto member) { return as_toml(recipe.*member); }, key.member);
}

}  // namespace resnet
