// resnet quantize: an int8 model from one in floating point.
#include "resnet/quantize.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "cli/data_options.h"
#include "cli/inputs.h"
#include "console/json.h"
#include "console/progress.h"
#include "console/text_table.h"
#include "evaluate/input.h"

namespace resnet::cli {
namespace {

struct QuantizeCommand {
  ClassifierArguments classifier;
  std::string images;
  std::string only;
  std::string output;
  std::int64_t limit = 512;
  double min_agreement = QuantizeOptions().min_agreement;
  bool json = false;
  bool verbose = false;
};

PictureStack read_pictures(const QuantizeCommand& command, const Classifier& classifier) {
  const Dataset images = Dataset::open(command.images, {command.only, "", /*classes=*/false});
  say_parts(command.images, images, "calibrated on");
  Progress progress("pictures", std::min(images.count(), static_cast<std::size_t>(command.limit)));
  return read_stack(images, classifier, command.limit, command.classifier.decode_options(),
                    {[&](std::int64_t done, std::int64_t) { progress.update(done); }, say_notes});
}

std::int64_t bytes_of(const StateDict& weights) {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : weights) bytes += static_cast<std::int64_t>(tensor.nbytes());
  return bytes;
}

void print_json(const QuantizeCommand& command, const QuantizedModel& result, std::int64_t bytes_before) {
  JsonArray layers;  // what is no number (the noise of weights that all are whole numbers already) becomes null
  for (const QuantizedLayer& layer : result.layers) {
    layers.add(JsonObject{{"name", layer.name},
                          {"precision", layer.int8 ? "int8" : "fp32"},
                          {"low", layer.low},
                          {"high", layer.high},
                          {"method", layer.method},
                          {"weight_sqnr_db", layer.weight_sqnr_db},
                          {"output_sqnr_db", layer.output_sqnr_db},
                          {"macs", layer.macs}});
  }
  const JsonObject json = {{"images", result.images},
                           {"agreement", result.agreement},
                           {"min_agreement", command.min_agreement},
                           {"input_bytes", bytes_before},
                           {"output_bytes", bytes_of(result.model.weights)},
                           {"layers", layers}};
  fmt::print("{}\n", json.indented());
}

void print_verdict(const QuantizeCommand& command, const QuantizedModel& result, std::int64_t floats,
                   std::int64_t bytes_before) {
  const double before = static_cast<double>(bytes_before) / 1e6;
  const double after = static_cast<double>(bytes_of(result.model.weights)) / 1e6;
  const auto layers = static_cast<std::int64_t>(result.layers.size());
  constexpr double kMost = 0.98, kSome = 0.9;
  const char* verdict = floats == layers           ? "nothing gained, every layer stays in fp32"
                        : result.agreement < kSome ? "int8, but many answers change: look at eval of both"
                        : result.agreement < kMost ? "int8, some answers change"
                                                   : "int8, the answers stay";
  fmt::print("{}: {}\n", printable(command.output), verdict);
  fmt::print("agreement  {:.2f} % of {} pictures have the same most probable class\n", 100 * result.agreement,
             result.images);
  fmt::print("size       {:.2f} MB, {:.2f} before\n", after, before);
  if (floats > 0) {
    fmt::print("fp32       {} of {} layers, to keep {:.2f} %{}\n", floats, layers, 100 * command.min_agreement,
               command.verbose ? "" : "; --verbose lists them");
  }
}

void print_plain(const QuantizeCommand& command, const QuantizedModel& result, std::int64_t bytes_before) {
  std::int64_t floats = 0;
  for (const QuantizedLayer& layer : result.layers) floats += layer.int8 ? 0 : 1;
  print_verdict(command, result, floats, bytes_before);
  if (!command.verbose) return;
  TextTable table(
      {Align::kLeft, Align::kLeft, Align::kRight, Align::kRight, Align::kLeft, Align::kRight, Align::kRight});
  table.row({"layer", "precision", "low", "high", "range by", "weights dB", "output dB"});
  table.rule();
  for (const QuantizedLayer& layer : result.layers) {
    const bool ranged = !layer.method.empty();
    table.row({layer.name, layer.int8 ? "int8" : "fp32", ranged ? fmt::format("{:.3f}", layer.low) : "",
               ranged ? fmt::format("{:.3f}", layer.high) : "", layer.method,
               fmt::format("{:.1f}", layer.weight_sqnr_db), fmt::format("{:.1f}", layer.output_sqnr_db)});
  }
  fmt::print("\n{}", table.str());
}

void quantize_model(const QuantizeCommand& command) {
  if (!command.output.ends_with(".safetensors"))
    throw Usage(command.output + ": int8 models are .safetensors files, of which `resnet export` makes ONNX");
  check_writable(command.output);
  const Model model = load_classifier_model(command.classifier, Head::kNeeded);
  PictureStack stack;
  {
    ClassifierOptions options;
    options.engine.threads = command.classifier.engine.threads;
    stack = read_pictures(command, Classifier(model, options));
  }
  Progress progress("pictures through the network", std::nullopt);
  QuantizeOptions options;
  options.min_agreement = command.min_agreement;
  options.threads = command.classifier.engine.threads;
  options.progress = [&](std::int64_t done, std::int64_t) { progress.update(done); };
  const QuantizedModel result = quantize(model, {stack.shape, stack.values}, options);
  progress.clear();
  save_model(result.model, command.output);
  command.json ? print_json(command, result, bytes_of(model.weights))
               : print_plain(command, result, bytes_of(model.weights));
}

}  // namespace

void add_quantize(Command& app) {
  Command* sub = app.add_subcommand("quantize", "Make an int8 model: a quarter the size, faster");
  auto command = std::make_shared<QuantizeCommand>();
  add_model_argument(*sub, command->classifier.model);
  sub->add_option("PICTURES", command->images, "Folder or archive of pictures to calibrate on; they need no classes")
      ->required();
  sub->add_option("-o,--out,--output", command->output, "The .safetensors file to write")
      ->type_name("FILE")
      ->required();
  sub->add_option("--only", command->only, "This folder of the pictures alone, such as train")->type_name("FOLDER");
  sub->add_option("--limit", command->limit, "Pictures at most, as many of each class folder; the same ones each time")
      ->capture_default_str()
      ->check(Range(2, 1'000'000));
  sub->add_option("--min-agreement", command->min_agreement,
                  "Share of answers that must stay; layers that cost too much are left in fp32")
      ->type_name("SHARE")
      ->capture_default_str()
      ->check(Range(0.0, 1.0));
  sub->add_flag("--verbose", command->verbose, "Print a table of the layers as well");
  sub->add_flag("--json", command->json, "Print JSON");
  add_classes_option(*sub, command->classifier.classes);
  add_classifier_options(*sub, command->classifier, /*runs=*/false);
  sub->footer(
      "The file is an ordinary model file: predict, eval and bench run it in int8, or with --precision fp32.\n"
      "Examples:\n"
      "  resnet quantize resnet50.safetensors imagenet/train -o int8.safetensors\n"
      "  resnet quantize resnet20.th cifar10.tar.gz --only train -o int8.safetensors");
  sub->callback([command] { quantize_model(*command); });
}

}  // namespace resnet::cli
