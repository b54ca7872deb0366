#include "recipe/keys.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <system_error>

#include "base/error.h"
#include "base/nearest.h"
#include "base/text.h"
#include "recipe/choices.h"

namespace resnet {
namespace {

constexpr double kTiny = 1e-12;
constexpr double kMany = 1e9;

const std::vector<Key> kRows = {
    {"arch", "Network", &Recipe::arch, "Name of an architecture"},
    {"from", "Network", &Recipe::from, "Model file to start from; its head is replaced where the classes differ"},
    {"take", "Network", &Recipe::take,
     "Of several networks in that file the one whose tensors' names begin so, or have this part"},
    {"head", "Network", &Recipe::head, "Of several classifiers in it the one of this name; none: a backbone"},
    {"allow_nonfinite", "Network", &Recipe::allow_nonfinite,
     "Start also from a file with weights that are NaN or infinite, such as those of a head that is replaced"},
    {"freeze", "Network", &Recipe::freeze, "Parts that do not learn: stem,layer1,... or all-but-head"},
    {"zero_init", "Network", &Recipe::zero_init,
     "The last batch norm of each block starts at zero, except where its shortcut pads"},
    {"stochastic_depth", "Network", &Recipe::stochastic_depth, "Probability that the last block is left out", 0, 0.99},

    {"data", "Data", &Recipe::data,
     "Folder or archive of class folders; shards of it, or CIFAR's as it is handed out. PATH:FOLDER takes one folder"},
    {"val", "Data", &Recipe::val, "To validate with: likewise, or a fraction such as 0.1"},
    {"preset", "Data", enum_member<&Recipe::preset>(kPresetNames),
     "Preprocessing: torchvision, torchvision-v2, timm or cifar (what suits the network)"},
    {"size", "Data", &Recipe::size, "Height and width of the network's input (0: the preset's)", 0, 16384},
    {"resize", "Data", &Recipe::resize, "Shorter side for validation; 0: pictures have the size (-1: the preset's)", -1,
     16384},
    {"interpolation", "Data", enum_member<&Recipe::interpolation>(kInterpolationNames), "bilinear or bicubic"},
    {"mean", "Data", &Recipe::mean, "Of each channel, of values in 0..1", -1e6, 1e6},
    {"std", "Data", &Recipe::std, "Standard deviations likewise", kTiny, 1e6},
    {"shuffle", "Data", &Recipe::shuffle, "Each epoch has an order of its own"},
    {"bad_images", "Data", enum_member<&Recipe::bad_images>(kBadImagesNames),
     "Pictures that cannot be read: fail or skip"},
    {"cache_megabytes", "Data", &Recipe::cache_megabytes, "Pictures stay decoded in memory where they need no more", 0,
     kMany},
    {"max_pixels", "Data", &Recipe::max_pixels, "Larger pictures cannot be read; a pixel takes 3 bytes", 1, 1e12},

    {"crop", "Augmentation", enum_member<&Recipe::crop>(kCropNames),
     "resized (random area), padded (pad and crop) or none"},
    {"crop_min_area", "Augmentation", &Recipe::crop_min_area, "Smallest part of the picture that a resized crop takes",
     1e-4, 1},
    {"padding", "Augmentation", &Recipe::padding, "Pixels around the picture before a padded crop", 0, 1024},
    {"flip", "Augmentation", &Recipe::flip, "Probability of a horizontal flip", 0, 1},
    {"brightness", "Augmentation", &Recipe::brightness, "Colour jitter", 0, 10},
    {"contrast", "Augmentation", &Recipe::contrast, "Colour jitter", 0, 10},
    {"saturation", "Augmentation", &Recipe::saturation, "Colour jitter", 0, 10},
    {"hue", "Augmentation", &Recipe::hue, "Colour jitter", 0, 0.5},
    {"policy", "Augmentation", enum_member<&Recipe::policy>(kPolicyNames),
     "none, trivial (TrivialAugment) or rand (RandAugment)"},
    {"rand_operations", "Augmentation", &Recipe::rand_operations, "Of RandAugment", 1, 14},
    {"rand_magnitude", "Augmentation", &Recipe::rand_magnitude, "Of RandAugment", 0, 30},
    {"erasing", "Augmentation", &Recipe::erasing, "Probability of random erasing", 0, 1},
    {"mixup", "Augmentation", &Recipe::mixup, "Alpha of mixup (0: none)", 0, 100},
    {"cutmix", "Augmentation", &Recipe::cutmix, "Alpha of cutmix (0: none)", 0, 100},

    {"epochs", "Optimiser", &Recipe::epochs, "Passes over the data", 1, 1e6},
    {"batch", "Optimiser", &Recipe::batch, "Pictures a pass through the network", 1, 65535},
    {"accumulate", "Optimiser", &Recipe::accumulate, "Such passes a step", 1, 65535},
    {"optimizer", "Optimiser", enum_member<&Recipe::optimizer>(kOptimizerNames), "sgd, adamw or lamb"},
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

    {"schedule", "Schedule", enum_member<&Recipe::schedule>(kScheduleNames),
     "constant, step, cosine, one_cycle or polynomial"},
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
    {"precision", "Run", enum_member<&Recipe::precision>(kPrecisionNames), "fp32, bf16 or, on CUDA, fp16"},
    {"threads", "Run", &Recipe::threads, "Working on one step (0: one per processor)", 0, 1024},
    {"checkpoint_steps", "Run", &Recipe::checkpoint_steps, "Steps between checkpoints within an epoch (0: none)", 0,
     kMany},
    {"keep", "Run", &Recipe::keep, "Checkpoints that are kept", 1, 1e6},
};

Key key_of_field(const ArchitectureField& field) {
  const auto [min, max] = field.range.value_or(ArchitectureField::Range{0, std::numeric_limits<int>::max()});
  const bool is_list = std::holds_alternative<std::vector<int>>(get(field, Architecture()));
  return {field.name, "Network", &field, field.recipe_help, is_list ? min : std::min(min, 0.0), max};
}

// With the fields of architectures behind the first row.
const std::vector<Key>& table() {
  static const std::vector<Key> kKeys = [] {
    std::vector<Key> keys = {kRows.front()};
    for (const ArchitectureField& field : architecture_fields()) {
      if (!field.recipe_help.empty()) keys.push_back(key_of_field(field));
    }
    keys.insert(keys.end(), kRows.begin() + 1, kRows.end());
    return keys;
  }();
  return kKeys;
}

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

// Of a key that is an enumeration; empty for others.
std::span<const std::string_view> choices(const Key& key) {
  if (const auto* member = std::get_if<EnumMember<Recipe>>(&key.member)) return member->names;
  const auto* field = std::get_if<const ArchitectureField*>(&key.member);
  return field != nullptr ? choices(**field) : std::span<const std::string_view>();
}

// An enumeration that need not be said.
bool may_be_empty(const Key& key) {
  const auto* member = std::get_if<EnumMember<Recipe>>(&key.member);
  return member == nullptr || member->index(Recipe()) < 0;
}

template <typename Value>
void check(const Key& key, const Value& value, const std::string& where) {
  if constexpr (std::is_same_v<Value, std::string>) {
    if (valid_utf8_prefix(value) != value.size() || value.find('\0') != std::string::npos) {
      fail(ErrorCode::kInvalidArgument, where, "'{}' is not text in UTF-8", one_line(value));
    }
    const auto names = choices(key);
    if (names.empty() || std::find(names.begin(), names.end(), value) != names.end()) return;
    if (value.empty() && may_be_empty(key)) return;
    fail(ErrorCode::kInvalidArgument, where, "'{}' is none of {}", one_line(value), fmt::join(names, ", "));
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

// The same value in the architecture's types, and back.
FieldValue as_field(const KeyValue& value) {
  return std::visit(
      [](const auto& of_key) -> FieldValue {
        using Value = std::decay_t<decltype(of_key)>;
        if constexpr (std::is_same_v<Value, std::int64_t>) {
          return static_cast<int>(of_key);
        } else if constexpr (std::is_same_v<Value, std::vector<std::int64_t>>) {
          return std::vector<int>(of_key.begin(), of_key.end());
        } else if constexpr (std::is_constructible_v<FieldValue, Value>) {
          return of_key;
        } else {
          RESNET_ASSERT(!"a kind that no field has");
          return {};
        }
      },
      value);
}

KeyValue as_key(const FieldValue& value) {
  return std::visit(
      [](const auto& of_field) -> KeyValue {
        using Value = std::decay_t<decltype(of_field)>;
        if constexpr (std::is_same_v<Value, int>) {
          return std::int64_t{of_field};
        } else if constexpr (std::is_same_v<Value, std::vector<int>>) {
          return std::vector<std::int64_t>(of_field.begin(), of_field.end());
        } else {
          return of_field;
        }
      },
      value);
}

// What stands for a field that is not said.
FieldValue nothing(const ArchitectureField& field) {
  return std::visit([](const auto& value) -> FieldValue { return std::decay_t<decltype(value)>(); },
                    get(field, Architecture()));
}

// Whether a value can say that the field was not said: that of a switch and a 0 that has a meaning cannot.
bool can_stand_for_nothing(const ArchitectureField& field) {
  const FieldValue usual = get(field, Architecture());
  const bool number = std::holds_alternative<int>(usual) || std::holds_alternative<double>(usual);
  return !is_switch(field) && !(number && usual == nothing(field));
}

bool stands_for_nothing(const ArchitectureField& field, const KeyValue& value) {
  return can_stand_for_nothing(field) && value == as_key(nothing(field));
}

}  // namespace

std::span<const Key> recipe_keys() { return table(); }

const Key& find_key(std::string_view name, const std::string& where) {
  std::vector<std::string> names;
  for (const Key& key : table()) {
    if (key.name == name) return key;
    names.emplace_back(key.name);
  }
  fail(ErrorCode::kInvalidArgument, where, "no key '{}'{}", one_line(name), did_you_mean(name, names));
}

std::string flag_of(const Key& key) { return flag_of(key.name); }

bool is_switch(const Key& key) { return std::holds_alternative<bool>(value_of(Recipe(), key)); }

KeyValue value_of(const Recipe& recipe, const Key& key) {
  return std::visit(
      [&](const auto& member) -> KeyValue {
        using Member = std::decay_t<decltype(member)>;
        if constexpr (std::is_same_v<Member, EnumMember<Recipe>>) {
          return std::string(member.name_in(recipe));
        } else if constexpr (std::is_same_v<Member, const ArchitectureField*>) {
          return as_key(recipe.changes.says(*member) ? get(*member, recipe.changes.values()) : nothing(*member));
        } else {
          return recipe.*member;
        }
      },
      key.member);
}

void set_value(Recipe& recipe, const Key& key, const KeyValue& value, const std::string& where) {
  std::visit([&](const auto& plain) { check(key, plain, where); }, value);
  std::visit(
      [&](const auto& member) {
        using Member = std::decay_t<decltype(member)>;
        if constexpr (std::is_same_v<Member, EnumMember<Recipe>>) {
          if (!member.set(recipe, std::get<std::string>(value))) member.assign(recipe, -1);
        } else if constexpr (std::is_same_v<Member, const ArchitectureField*>) {
          if (stands_for_nothing(*member, value)) return recipe.changes.clear(*member);
          set(*member, recipe.changes, as_field(value));
        } else {
          recipe.*member = std::get<std::decay_t<decltype(recipe.*member)>>(value);
        }
      },
      key.member);
  recipe.places.insert_or_assign(std::string(key.name), where);
}

void set_from_text(Recipe& recipe, const Key& key, const std::string& text, const std::string& where) {
  std::visit(
      [&](const auto& of_kind) { set_value(recipe, key, parse<std::decay_t<decltype(of_kind)>>(text, where), where); },
      value_of(recipe, key));
}

void check_value(const Recipe& recipe, const Key& key, const std::string& where) {
  std::visit([&](const auto& value) { check(key, value, where); }, value_of(recipe, key));
}

bool is_written(const Recipe& recipe, const Key& key) {
  const auto* field = std::get_if<const ArchitectureField*>(&key.member);
  if (field == nullptr || recipe.changes.says(**field)) return true;
  return !(*field)->later && can_stand_for_nothing(**field);
}

std::string toml_value(const Recipe& recipe, const Key& key) {
  return std::visit([](const auto& value) { return as_toml(value); }, value_of(recipe, key));
}

}  // namespace resnet
