#include "cli/way_out.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>
#include <numeric>

#include "base/nearest.h"
#include "base/text.h"

namespace resnet::cli {
namespace {

struct OtherName {
  std::string_view word, ours;
};

constexpr OtherName kCommands[] = {
    {"classify", "predict"},
    {"infer", "predict"},
    {"run", "predict"},
    {"test", "eval"},
    {"val", "eval"},
    {"validate", "eval"},
    {"evaluate", "eval"},
    {"accuracy", "eval"},
    {"info", "inspect (a file) or summary (a network)"},
    {"show", "inspect (a file) or summary (a network)"},
    {"models", "summary --help-all, which lists the networks"},
    {"networks", "summary --help-all, which lists the networks"},
    {"list", "summary --help-all, which lists the networks"},
    {"benchmark", "bench"},
    {"speed", "bench"},
    {"onnx", "export"},
    {"int8", "quantize"},
    {"heatmap", "explain"},
    {"cam", "explain"},
    {"embed", "features"},
    {"search", "similar"},
    {"finetune", "train --from MODEL"},
    {"fine-tune", "train --from MODEL"},
    {"plot", "draw"},
    {"diagram", "draw"},
    {"version", "--version"},
};

// Options of other programs, and what stands for them: an option, which a command has or has not, with a value or
// without.
constexpr OtherName kOptions[] = {
    {"--batch-size", "--batch"},
    {"--bs", "--batch"},
    {"--topk", "--top"},
    {"--top-k", "--top"},
    {"-k", "--top"},
    {"--img-size", "--size"},
    {"--imgsz", "--size"},
    {"--image-size", "--size"},
    {"--input-size", "--size"},
    {"--crop-size", "--size"},
    {"--workers", "--threads"},
    {"--num-workers", "--threads"},
    {"-j", "--threads"},
    {"--jobs", "--threads"},
    {"--split", "--only"},
    {"--subset", "--only"},
    {"--names", "--classes"},
    {"--class-names", "--classes"},
    {"--labels", "--classes"},
    {"--target", "--class"},
    {"--normalize", "--mean"},
    {"--half", "--precision bf16"},
    {"--fp16", "--precision bf16"},
    {"--bf16", "--precision bf16"},
    {"--amp", "--precision bf16"},
    {"--int8", "--precision int8"},
    {"--output-dir", "--out"},
    {"--outdir", "--out"},
    {"--save", "--out"},
    {"--project", "--out"},
    {"--learning-rate", "--lr"},
    {"--n", "--limit"},
    {"--num-classes", "--classes"},
    {"--max-samples", "--limit"},
    {"--network", "--arch"},
    {"--architecture", "--arch"},
    {"--transform", "--preset"},
    {"--bgr", "--channel-order bgr"},
};

constexpr std::string_view kProcessors[] = {"--device", "--gpu", "--gpus", "--cuda", "--cpu"};

// What has a place of its own and no option.
constexpr std::string_view kArguments[] = {"--model",  "-m",        "--weights", "--checkpoint", "--ckpt",
                                           "--data",   "--dataset", "--input",   "--image",      "--images",
                                           "--source", "--photo",   "-i"};

bool is_one_of(std::string_view word, const auto& words) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

std::string_view without_dashes(std::string_view word) {
  word.remove_prefix(std::min(word.find_first_not_of('-'), word.size()));
  return word;
}

bool is_number(const std::string& text) {
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0';
}

// An ending in common makes no two names alike: they are near without it, or differ in one letter.
bool is_likely(const std::string& name, const std::string& other) {
  const std::string stem = std::filesystem::path(other).stem().string();
  if (!nearest(std::filesystem::path(name).stem().string(), std::vector<std::string>{stem}, 1).empty()) return true;
  if (name.size() != other.size()) return false;
  return std::inner_product(name.begin(), name.end(), other.begin(), 0, std::plus<>(), std::not_equal_to<>()) == 1;
}

// The name of a file beside which there would be `path`, were it spelt so; "" where none is near.
std::string near_file(const std::filesystem::path& path) {
  constexpr std::size_t kMostNames = 10'000;
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (names.size() == kMostNames) return "";
    names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  const std::string name = path.filename().string();
  const std::vector<std::string> near = nearest(name, names, 1);
  if (near.empty() || !is_likely(name, near[0])) return "";
  return path.has_parent_path() ? (path.parent_path() / near[0]).string() : near[0];
}

}  // namespace

std::string command_of_others(std::string_view word, std::string_view program) {
  for (const OtherName& name : kCommands) {
    if (name.word == word) return fmt::format("; that is {} {}", program, name.ours);
  }
  if (program == "resnet" && (word == "train" || word == "study")) {
    return " in this build, which left out the trainer (RESNET_TRAIN=OFF; docs/training.md says what it needs)";
  }
  return "";
}

std::string option_meant(std::string_view word, const std::vector<std::string>& options) {
  word = word.substr(0, word.find('='));
  for (const OtherName& name : kOptions) {
    const std::string option(name.ours.substr(0, name.ours.find(' ')));
    if (name.word == word && is_one_of(option, options)) return fmt::format("; that is {} here", name.ours);
  }
  if (is_one_of(word, kProcessors)) return "; everything runs on the processor, and --threads says on how much of it";
  if (is_one_of(word, kArguments)) return "; it stands without an option, in the order of --help";
  if (!word.starts_with("--")) return "";  // one letter is near any other
  std::vector<std::string> names;
  for (const std::string& option : options) {
    if (option.starts_with("--")) names.emplace_back(without_dashes(option));
  }
  const std::vector<std::string> near = nearest(without_dashes(word), names, 1);
  return near.empty() ? "" : fmt::format("; did you mean --{}?", near[0]);
}

std::string file_meant(const Error& error) {
  const std::string_view text = error.what();
  if (error.code() != ErrorCode::kNotFound ||
      !(text.ends_with("No such file or directory") || text.ends_with("no such file or directory"))) {
    return "";
  }
  const std::string& path = error.where();
  if (path.find("://") != std::string::npos) return "; this is an address: download it first";
  if (is_number(path)) return "; the numbers of a list have commas between them, as 0.5,0.5,0.5";
  if (path.find_first_of("*?") != std::string::npos) return "; no name of a file is like this pattern";
  const std::string near = near_file(path);
  return near.empty() ? "" : fmt::format("; did you mean {}?", one_line(near));
}

}  // namespace resnet::cli
