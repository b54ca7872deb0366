#include "cli/checking.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "cli/field_options.h"
#include "cli/inputs.h"
#include "console/output.h"
#include "console/progress.h"
#include "evaluate/input.h"
#include "weights/open_fields.h"

namespace resnet::cli {
namespace {

constexpr std::int64_t kSmall = 64;  // of the pictures' sides
constexpr int kManySmall = 64, kFewLarge = 16;

bool is_picture_file(const std::string& path) {
  return path == "-" || (looks_like_input(path) && !looks_like_set(path));
}

// Pictures as values in 0..1, evenly over what was named and over classes.
std::vector<float> read_pictures(const CheckPictures& pictures, const Preprocessing& stated, std::int64_t limit,
                                 FeatureShape& shape) {
  Preprocessing how = stated;
  how.channels = ChannelOrder::kRgb;
  std::fill(how.mean.begin(), how.mean.end(), 0.0F);
  std::fill(how.std.begin(), how.std.end(), 1.0F);
  std::vector<float> values;
  std::int64_t bad = 0;
  const auto add = [&](Item item) {
    const std::size_t before = values.size();
    values.resize(before + static_cast<std::size_t>(shape.count()));
    try {
      read_standard_input(item);
      const ItemBytes file(item);
      load_input(file.get(), item.path, how, std::span(values).subspan(before), pictures.decode);
    } catch (const Error& error) {
      say(error.what());
      values.resize(before);
      ++bad;
    }
  };
  const auto arguments = static_cast<std::int64_t>(pictures.paths.size());
  for (std::int64_t i = 0; i < arguments; ++i) {
    const std::string& path = pictures.paths[static_cast<std::size_t>(i)];
    const std::int64_t share = (i + 1) * limit / arguments - i * limit / arguments;
    if (is_picture_file(path)) {
      if (share > 0) add({path, "", std::nullopt});
      continue;
    }
    DatasetOptions options;
    options.only = pictures.only;
    options.classes = false;
    const std::unique_ptr<Source> source = Dataset::open(path, options).items(share);
    while (std::optional<Item> item = source->next()) add(std::move(*item));
  }
  const auto count = static_cast<std::int64_t>(values.size()) / shape.count();
  if (count < 2) {
    fail(ErrorCode::kInvalidArgument, "pictures", "{} could be read, but a check needs two at least{}", count,
         bad > 0 ? "" : "; 16 tell most things, 64 nearly all");
  }
  shape.batch = count;
  return values;
}

// The flags that make `from` the network and preprocessing of `to`.
std::string flags_between(const Hypothesis& from, const Hypothesis& to, const std::vector<std::string>& open) {
  std::string text = flags_to(from.preprocessing, to.preprocessing);
  for (const std::string& name : with_slope(open)) {
    const ArchitectureField& field = field_called(name);
    const std::string value = value_text(field, to.architecture);
    if (value == value_text(field, from.architecture)) continue;
    text += fmt::format("{}{}{}{}", text.empty() ? "" : " ", flag_of(name), is_switch(field) ? "=" : " ", value);
  }
  return text;
}

}  // namespace

const ArchitectureField& field_called(std::string_view name) {
  const std::span<const ArchitectureField> fields = architecture_fields();
  return *std::find_if(fields.begin(), fields.end(),
                       [&](const ArchitectureField& field) { return field.name == name; });
}

std::vector<std::string> with_slope(std::vector<std::string> fields) {
  if (std::find(fields.begin(), fields.end(), "activation") != fields.end()) fields.emplace_back("negative_slope");
  return fields;
}

std::string flags_to(const Preprocessing& from, const Preprocessing& to) {
  std::string text;
  if (to.mean != from.mean || to.std != from.std) {
    text = fmt::format("--mean {} --std {}", fmt::join(to.mean, ","), fmt::join(to.std, ","));
  }
  if (to.channels != from.channels) {
    text += fmt::format("{}--channel-order {}", text.empty() ? "" : " ", name(to.channels));
  }
  return text;
}

Checked run_check(const Model& model, const CheckPictures& pictures, int threads) {
  const Preprocessing& how = *model.preprocessing;
  const std::int64_t usual = std::max(how.height, how.width) <= kSmall ? kManySmall : kFewLarge;
  const std::int64_t limit = pictures.limit ? *pictures.limit : usual;
  FeatureShape shape = {1, model.architecture.in_channels, how.height, how.width};
  Checked checked;
  checked.drawn = pictures.paths.empty();
  std::vector<float> values;
  if (checked.drawn) {
    shape.batch = limit;
    values = draw_pictures(shape);
  } else {
    values = read_pictures(pictures, how, limit, shape);
  }
  Progress progress("hypotheses", std::nullopt);
  CheckOptions options;
  options.threads = threads;
  options.first_norm_alone = checked.drawn;
  options.progress = [&](std::size_t done, std::size_t) { progress.update(static_cast<std::int64_t>(done)); };
  checked.report = check_model(model, values, shape, options);
  progress.clear();
  CheckReport& report = checked.report;
  if (checked.drawn && report.verdict == Verdict::kSure) report.verdict = Verdict::kLikely;
  if (report.contradicted) {
    checked.flags = flags_between(report.hypotheses[report.stated], report.hypotheses.front(), report.open);
  }
  return checked;
}

std::string in_words(const CheckReport& report) {
  const char* meaning = !report.remembers ? "its batch norms were never updated and remember nothing"
                        : report.verdict == Verdict::kCannotTell
                            ? "the nearest ones are too close to each other, or none is near"
                        : report.contradicted ? "the model was trained otherwise"
                                              : "the model is what it says";
  return fmt::format("{}: {}", name(report.verdict), meaning);
}

void record_check(const CheckReport& report, Model& model) {
  model.metadata["check.verdict"] = name(report.verdict);
  model.metadata["check.contradicted"] = report.contradicted ? "true" : "false";
  model.metadata["check.distance"] = fmt::format("{:.4f}", report.hypotheses[report.stated].distance);
  model.metadata["check.pictures"] = fmt::format("{}", report.pictures);
}

void forget_check(Model& model) {
  for (const char* key : {"check.verdict", "check.contradicted", "check.distance", "check.pictures"}) {
    model.metadata.erase(key);
  }
}

}  // namespace resnet::cli
