// resnet explain: heatmaps of what speaks for a class.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file_name.h"
#include "base/nearest.h"
#include "base/text.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "cli/inputs.h"
#include "console/json.h"
#include "console/output.h"
#include "evaluate/sight.h"
#include "formats/npy.h"
#include "report/heat.h"
#include "resnet/explain.h"

namespace resnet::cli {
namespace {

constexpr int kBars = 5;

struct ExplainCommand {
  ClassifierArguments classifier;
  std::vector<std::string> inputs;
  std::string directory;
  std::string class_name = "top";
  std::string layer;
  std::string method = "cam";
  std::string raw;
  bool json = false;
};

std::optional<int> find_class(const Classifier& classifier, const std::string& text) {
  if (text == "top") return std::nullopt;
  const auto& labels = classifier.labels();
  const auto found = std::find(labels.begin(), labels.end(), text);
  if (found != labels.end()) return static_cast<int>(found - labels.begin());
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  const bool number = end == text.data() + text.size();
  if (number && error == std::errc() && index < labels.size()) return static_cast<int>(index);
  if (number || !classifier.named()) {
    fail(ErrorCode::kNotFound, "class", "'{}': give {}an index, 0 to {}", text, classifier.named() ? "a name or " : "",
         labels.size() - 1);
  }
  std::string hint = did_you_mean(text, labels, 1, "'");
  if (hint.empty()) {
    constexpr std::size_t kShown = 10;
    const auto shown = labels.begin() + static_cast<std::ptrdiff_t>(std::min(labels.size(), kShown));
    hint = fmt::format("; it has {}", one_line(fmt::format("{}", fmt::join(labels.begin(), shown, ", "))));
    if (labels.size() > kShown) hint += fmt::format(" and {} more", labels.size() - kShown);
  }
  fail(ErrorCode::kNotFound, "class", "the model has no '{}'{}", one_line(text), hint);
}

// File names of pictures' sheets, of which no two of a run are one.
class SheetNames {
 public:
  std::string take(const std::string& directory, const std::string& picture) {
    const std::string stem = picture == "-" ? "stdin" : std::filesystem::path(picture).stem().string();
    for (int& number = numbers_[directory + "/" + stem];;) {
      const std::string ending = ++number == 1 ? "-explained.png" : fmt::format("-{}-explained.png", number);
      const std::string name = cut_file_name(stem, directory, ending.size()) + ending;
      const std::string path = (std::filesystem::path(directory) / name).string();
      if (taken_.insert(path).second) return path;
    }
  }

 private:
  std::set<std::string> taken_;
  std::map<std::string, int> numbers_;  // the last one of each picture's name in a folder
};

// The folder that a picture lies in below the folder or archive that was named, "" where it was named itself.
std::string folder_below(const std::vector<std::string>& inputs, const std::string& picture) {
  namespace fs = std::filesystem;
  for (const std::string& input : inputs) {
    if (picture.starts_with(input + ":")) return fs::path(picture.substr(input.size() + 1)).parent_path().string();
    std::error_code error;
    if (!fs::is_directory(input, error)) continue;
    const fs::path below = fs::path(picture).lexically_relative(input);
    if (!below.empty() && *below.begin() != "..") return below.parent_path().string();
  }
  return "";
}

void make_directory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  const bool made = !error && std::filesystem::is_directory(path, error);
  if (!made) {
    fail(ErrorCode::kIo, path, "cannot be made a directory: {}", error ? error.message() : "something else is there");
  }
}

class ExplainRun {
 public:
  ExplainRun(const ExplainCommand& command, const Classifier& classifier, std::size_t inputs)
      : command_(command),
        classifier_(classifier),
        explainer_(classifier, {parse_heatmap_method(command.method), command.layer}),
        class_(find_class(classifier, command.class_name)),
        answers_(command.classifier.allow_nonfinite, inputs) {
    if (!command.raw.empty()) check_writable(command.raw);
    for (const char* ending : {".png", ".jpg", ".jpeg", ".svg"}) {
      if (command.directory.ends_with(ending) && !std::filesystem::exists(command.directory)) {
        throw Usage(command.directory + ": --out names a folder, into which NAME-explained.png goes");
      }
    }
    if (writes_sheets()) make_directory(command.directory.empty() ? "." : command.directory);
  }

  void add(const std::string& path, const Sight& sight) {
    const Heatmap map = explainer_.explain(sight.input.values, sight.input.shape, class_);
    if (!answers_.take(map.logits, path) || !answers_.take(map.values, path)) return;
    if (!command_.raw.empty() && !fits(map)) {
      ++misfits_;
      return say(fmt::format("{}: a map of {}x{} does not go into a file of {}x{}", path, map.height, map.width,
                             height_, width_));
    }
    std::string sheet;
    if (writes_sheets()) {
      const std::filesystem::path place = std::filesystem::path(command_.directory.empty() ? "." : command_.directory) /
                                          folder_below(command_.inputs, path);
      make_directory(place.string());
      sheet = names_.take(place.string(), path);
      write_image(sheet, draw(path, sight, map));
    }
    if (!command_.raw.empty()) keep(map);
    command_.json ? print_json(path, sheet, map) : print_plain(path, sheet, map);
    flush_output();
  }

  // Pictures whose maps have another size than the first in the file.
  std::int64_t misfits() const { return misfits_; }

  // Fails where answers were not finite.
  void finish() const { answers_.finish(); }

  void write_raw() const {
    if (command_.raw.empty() || height_ == 0) return;
    std::vector<std::int64_t> shape = {height_, width_};
    const std::int64_t count = static_cast<std::int64_t>(maps_.size()) / (height_ * width_);
    if (count > 1) shape.insert(shape.begin(), count);
    write_npy(command_.raw, shape, std::span<const float>(maps_));
  }

 private:
  bool writes_sheets() const { return command_.raw.empty() || !command_.directory.empty(); }

  bool has_head() const { return classifier_.architecture().classes > 0; }

  // The class that the map or, where it speaks for none, the network itself is about.
  int class_of(const Heatmap& map) const {
    return map.class_index >= 0 ? map.class_index : classifier_.top(map.logits, 1)[0].index;
  }

  Guess guess(const Heatmap& map, int index) const {
    const auto all = classifier_.top(map.logits, static_cast<int>(map.logits.size()));
    return *std::find_if(all.begin(), all.end(), [&](const Guess& g) { return g.index == index; });
  }

  // The maps of a file have one size, that of the first.
  bool fits(const Heatmap& map) const { return height_ == 0 || (map.height == height_ && map.width == width_); }

  void keep(const Heatmap& map) {
    height_ = map.height;
    width_ = map.width;
    maps_.insert(maps_.end(), map.values.begin(), map.values.end());
  }

  Image draw(const std::string& path, const Sight& sight, const Heatmap& map) const {
    HeatSheet sheet;
    sheet.title = path == "-" ? "standard input" : std::filesystem::path(path).filename().string();
    sheet.subtitle = subtitle(map);
    sheet.map = HeatGrid::make(map.width, map.height, map.values);
    sheet.part = sight.part;
    std::vector<Guess> guesses;
    if (has_head()) guesses = classifier_.top(map.logits, kBars);
    const auto shown = [&](const Guess& g) { return g.index == map.class_index; };
    if (map.class_index >= 0 && std::none_of(guesses.begin(), guesses.end(), shown)) {
      guesses.push_back(guess(map, map.class_index));
    }
    for (const Guess& g : guesses) sheet.bars.push_back({g.label, g.probability, shown(g)});
    return draw_heat_sheet(sight.picture, sheet);
  }

  std::string subtitle(const Heatmap& map) const {
    const char* what = *std::max_element(map.values.begin(), map.values.end()) > 0 ? "What speaks" : "Nothing speaks";
    switch (explainer_.method()) {
      case HeatmapMethod::kEigen:
        return fmt::format("What stands out in {}, whatever the class (Eigen-CAM)", explainer_.layer());
      case HeatmapMethod::kAblation:
        return fmt::format("{} for \u201c{}\u201d in {} (Ablation-CAM)", what, classifier_.labels()[map.class_index],
                           explainer_.layer());
      case HeatmapMethod::kCam: break;
    }
    return fmt::format("{} for \u201c{}\u201d (class activation map of {})", what,
                       classifier_.labels()[map.class_index], explainer_.layer());
  }

  void print_plain(const std::string& path, const std::string& sheet, const Heatmap& map) const {
    if (!has_head()) {
      fmt::print("{}{}\n", printable(path), sheet.empty() ? "" : "  " + printable(sheet));
      return;
    }
    const Guess about = guess(map, class_of(map));
    fmt::print("{}  {:.2f} %  {}{}\n", printable(path), 100 * about.probability, printable(about.label),
               sheet.empty() ? "" : "  " + printable(sheet));
  }

  void print_json(const std::string& path, const std::string& sheet, const Heatmap& map) const {
    std::optional<Guess> about;  // none: the map speaks for no class
    if (map.class_index >= 0) about = guess(map, map.class_index);
    const JsonObject json = {{"path", path},
                             {"method", name(explainer_.method())},
                             {"layer", explainer_.layer()},
                             {"index", about ? Json(about->index) : Json()},
                             {"class", about ? Json(about->label) : Json()},
                             {"probability", about ? Json(about->probability) : Json()},
                             {"map", std::vector<int>{map.height, map.width}},
                             {"largest", *std::max_element(map.values.begin(), map.values.end())},
                             {"output", sheet.empty() ? Json() : Json(sheet)}};
    fmt::print("{}\n", json.text());
  }

  const ExplainCommand& command_;
  const Classifier& classifier_;
  const Explainer explainer_;
  const std::optional<int> class_;
  AnswerCheck answers_;
  SheetNames names_;
  std::vector<float> maps_;  // of one size, for --raw
  std::int64_t misfits_ = 0;
  std::int64_t height_ = 0;
  std::int64_t width_ = 0;
};

void explain(const ExplainCommand& command) {
  if (!command.raw.empty() && !command.raw.ends_with(".npy")) {
    throw Usage(fmt::format("--raw {}: the name must end in .npy", command.raw));
  }
  if (command.method == "eigen" && command.class_name != "top") {
    throw Usage("--method eigen speaks for no class: leave --class out");
  }
  const Inputs inputs = list_inputs(command.inputs);
  const Head head = parse_heatmap_method(command.method) == HeatmapMethod::kEigen ? Head::kAny : Head::kNeeded;
  const Classifier classifier = load_classifier(command.classifier, head);
  const DecodeOptions decode = command.classifier.decode_options();
  ExplainRun run(command, classifier, inputs.count());
  const std::int64_t bad = read_inputs<Sight>(
      inputs, [&](const Item& item) { return read_sight(item, classifier, decode); }, 2, ::isatty(STDOUT_FILENO) == 0,
      [&](const std::string& path, const Sight& sight) {
        say_notes(path, sight.input.notes);
        run.add(path, sight);
      });
  run.write_raw();
  fail_if_bad(bad + run.misfits(), inputs.count());
  run.finish();
}

}  // namespace

void add_explain(Command& app) {
  Command* sub = app.add_subcommand("explain", "Show which parts of pictures speak for a class");
  auto command = std::make_shared<ExplainCommand>();
  add_model_argument(*sub, command->classifier.model);
  sub->add_option("PICTURES", command->inputs, kInputsHelp)->required();
  sub->add_option(
         "-o,--out,--output", command->directory,
         "Where NAME-explained.png goes; the picture, the heatmap over it and the top five classes. Without it "
         "the current folder, or nowhere where --raw is given")
      ->type_name("FOLDER");
  sub->add_option("--class", command->class_name, "Name or index of the class; top: the most probable one")
      ->type_name("CLASS")
      ->capture_default_str();
  sub->add_option(
         "--method", command->method,
         "How; cam: the last stage, one pass. ablation: any layer, a partial pass for each channel. eigen: any "
         "layer, one pass, the same for every class")
      ->capture_default_str()
      ->check(IsMember({"cam", "ablation", "eigen"}));
  sub->add_option("--layer", command->layer, "Stage or block for ablation and eigen: layer3, layer3.0")
      ->type_name("LAYER");
  sub->add_option("--raw", command->raw,
                  "Write the map as a .npy array; float32, HxW, NxHxW of several pictures. Pictures then with -o alone")
      ->type_name("FILE");
  sub->add_flag("--json", command->json, "A line of JSON per picture");
  add_classes_option(*sub, command->classifier.classes);
  add_classifier_options(*sub, command->classifier);
  sub->footer(
      "Pictures that cannot be read have no map. docs/explain.md says what the methods show and where they come from.\n"
      "Examples:\n"
      "  resnet explain model.safetensors photos/ -o explained --class \"tiger cat\"\n"
      "  resnet explain model.safetensors cat.jpg --method eigen --raw map.npy");
  sub->callback([command] { explain(*command); });
}

}  // namespace resnet::cli
