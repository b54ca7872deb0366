#include "journal/plan_words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "console/numbers.h"

namespace resnet {
namespace {

std::string count_of(std::int64_t count, const char* one) {
  return fmt::format("{} {}{}", grouped(count), one, count == 1 ? "" : "s");
}

// "cat, dog, ship and 7 more"
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) shown.push_back(printable(names[i]));
  const std::string more = names.size() > kShown ? fmt::format(" and {} more", names.size() - kShown) : "";
  return fmt::format("{}{}", fmt::join(shown, ", "), more);
}

bool is_fraction(const std::string& val) {
  double value = 0;
  const char* const end = val.data() + val.size();
  const auto [after, error] = std::from_chars(val.data(), end, value);
  return error == std::errc() && after == end;
}

std::string validation(const RunPlan& plan) {
  const Recipe& r = plan.recipe;
  if (plan.val_pictures == 0) {
    return "none, so nobody knows how good the network is on new pictures, and the newest is kept as the best; --val "
           "0.1 would set a tenth of the pictures apart";
  }
  std::string text = count_of(plan.val_pictures, "picture");
  if (r.val.empty()) text += " that the data bring";
  if (is_fraction(r.val)) text += fmt::format(", {} of each class, drawn by seed {}", r.val, r.seed);
  if (!r.val.empty() && !is_fraction(r.val)) text += " of " + printable(r.val);
  if (!plan.unvalidated.empty()) text += fmt::format("; none of {}", some_of(plan.unvalidated));
  return text;
}

std::string changes(const Recipe& r) {
  std::vector<std::string> parts;
  switch (r.crop) {
    case Recipe::Crop::kResized:
      parts.push_back(fmt::format("random crops of {:g} % of the area or more", 100 * r.crop_min_area));
      break;
    case Recipe::Crop::kPadded:
      parts.push_back(fmt::format("random crops after {} pixels of padding", r.padding));
      break;
    case Recipe::Crop::kNone: break;
  }
  if (r.flip > 0) parts.emplace_back("flips");
  if (r.brightness + r.contrast + r.saturation + r.hue > 0) parts.emplace_back("colour jitter");
  if (r.policy == Recipe::Policy::kTrivial) parts.emplace_back("TrivialAugment");
  if (r.policy == Recipe::Policy::kRand) parts.emplace_back("RandAugment");
  if (r.erasing > 0) parts.emplace_back("random erasing");
  if (r.mixup > 0) parts.emplace_back("mixup");
  if (r.cutmix > 0) parts.emplace_back("cutmix");
  return parts.empty() ? "none" : fmt::format("{}", fmt::join(parts, ", "));
}

std::string network(const RunPlan& plan) {
  const Recipe& r = plan.recipe;
  std::string text = fmt::format("{}, {}, ", plan.architecture.name, count_of(plan.parameters, "parameter"));
  if (r.from.empty()) return text + fmt::format("first weights drawn by seed {}", r.seed);
  text += fmt::format("weights of {}", printable(r.from));
  if (plan.new_head)
    text += fmt::format(", a new head for {}", plan.classes.size() == 1 ? "one class" : "these classes");
  if (!r.freeze.empty()) text += fmt::format("; frozen: {}", fmt::join(r.freeze, ", "));
  return text;
}

std::string machine(const RunPlan& plan) {
  constexpr const char* kPrecisions[] = {"fp32", "bf16", "fp16"};
  std::string text = fmt::format("{}, {}, {}", plan.device, count_of(plan.threads, "thread"),
                                 kPrecisions[static_cast<int>(plan.recipe.precision)]);
  if (plan.processes > 1) text += fmt::format(", in each of {} processes", plan.processes);
  return text;
}

std::string steps(const RunPlan& plan) {
  const Recipe& r = plan.recipe;
  std::string text =
      fmt::format("{} of {} of {}", count_of(r.epochs, "epoch"), count_of(plan.steps, "step"),
                  r.accumulate == 1 ? count_of(r.batch, "picture")
                                    : fmt::format("{} batches of {}", r.accumulate, count_of(r.batch, "picture")));
  if (const std::int64_t left = left_over(plan); left > 0) {
    text += r.shuffle ? fmt::format("; {} left over in each epoch, others each time", count_of(left, "picture"))
                      : fmt::format("; the last {} never learned from, as nothing is shuffled",
                                    left == 1 ? "picture is" : fmt::format("{} pictures are", grouped(left)));
  }
  return text;
}

std::string rate(const Recipe& r) {
  constexpr const char* kOptimizers[] = {"SGD", "AdamW", "LAMB"};
  constexpr const char* kSchedules[] = {"constant", "in steps", "cosine", "one cycle", "polynomial"};
  return fmt::format("{}, {:g} at most, {}", kOptimizers[static_cast<int>(r.optimizer)], r.lr,
                     kSchedules[static_cast<int>(r.schedule)]);
}

std::string chosen(const RunPlan& plan) {
  std::vector<std::string> flags;
  for (const std::string& key : plan.chosen) flags.push_back("--" + key);
  return fmt::format("{} to suit data and machine; {} would say otherwise", fmt::join(plan.chosen, ", "),
                     fmt::join(flags, ", "));
}

// "about 40 min"
std::string about(double seconds) {
  constexpr double kMinute = 60;
  if (seconds < 1.5 * kMinute) return fmt::format("about {:.0f} s", std::max(seconds, 1.0));
  if (seconds < 90 * kMinute) return fmt::format("about {:.0f} min", seconds / kMinute);
  return fmt::format("about {:.1f} h", seconds / (60 * kMinute));
}

std::string time(const RunPlan& plan) {
  constexpr double kHour = 3600;
  const bool long_epoch = plan.recipe.epochs == 1 && plan.seconds > kHour;
  return fmt::format("{}, measured just now{}", about(plan.seconds),
                     long_epoch ? ", for one epoch alone: a smaller --size or another --arch takes less" : "");
}

std::string files(const RunPlan& plan) {
  return fmt::format("{}: best.safetensors ({}), the last {} ({} each), metrics.csv, report.html", printable(plan.out),
                     bytes_words(plan.model_bytes),
                     plan.recipe.keep == 1 ? "checkpoint" : fmt::format("{} checkpoints", plan.recipe.keep),
                     bytes_words(plan.checkpoint_bytes));
}

}  // namespace

std::int64_t left_over(const RunPlan& plan) {
  return plan.pictures - plan.steps * plan.recipe.accumulate * plan.recipe.batch;
}

std::vector<PlanLine> plan_words(const RunPlan& plan) {
  std::vector<PlanLine> lines = {
      {"data", fmt::format("{}: {} of {} classes: {}", printable(plan.recipe.data), count_of(plan.pictures, "picture"),
                           grouped(static_cast<std::int64_t>(plan.classes.size())), some_of(plan.classes))},
      {"validation", validation(plan)},
      {"input", preprocessing_words(plan.preprocessing)},
      {"changes", changes(plan.recipe)},
      {"network", network(plan)},
      {"machine", machine(plan)},
      {"training", steps(plan)},
      {"rate", rate(plan.recipe)},
  };
  if (!plan.chosen.empty()) lines.push_back({"chosen", chosen(plan)});
  if (plan.seconds > 0) lines.push_back({"time", time(plan)});
  lines.push_back({"output", files(plan)});
  return lines;
}

std::string preprocessing_words(const Preprocessing& how) {
  std::string text = fmt::format("{}x{}", how.height, how.width);
  text += how.resize == 0 ? ", as the pictures are"
                          : fmt::format(" out of the centre, the shorter side resized to {} ({})", how.resize,
                                        name(how.interpolation));
  const char* colours = how.mean.size() == 1 ? "gray" : how.channels == ChannelOrder::kBgr ? "BGR" : "RGB";
  return text +
         fmt::format("; {}, mean {:.4g}, std {:.4g}", colours, fmt::join(how.mean, " "), fmt::join(how.std, " "));
}

std::string bytes_words(std::int64_t bytes) {
  constexpr double kMega = 1e6;
  const double mega = static_cast<double>(bytes) / kMega;
  if (mega >= 1000) return fmt::format("{:.1f} GB", mega / 1000);
  return mega >= 10 ? fmt::format("{:.0f} MB", mega) : fmt::format("{:.2g} MB", std::max(mega, 0.01));
}

}  // namespace resnet
