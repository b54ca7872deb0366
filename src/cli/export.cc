// resnet export: a model file as ONNX, for other runtimes.
#include <fmt/format.h>

#include "base/text.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "console/json.h"
#include "console/numbers.h"
#include "program/quantized.h"
#include "resnet/model_file.h"
#include "resnet/onnx.h"

namespace resnet::cli {
namespace {

struct Options {
  std::string model;
  std::string output;
  std::optional<std::string> architecture;
  bool int8 = false;  // it must be that
  bool fp32 = false;
  bool json = false;
  bool allow_nonfinite = false;
  WhichNetwork which;
};

void print_json(const Options& options, bool int8, const Model& model, const OnnxFile& file) {
  const FeatureShape& in = file.input;
  const JsonObject json = {{"path", options.output},
                           {"architecture", model.architecture.name},
                           {"precision", int8 ? "int8" : "fp32"},
                           {"opset", kOnnxOpset},
                           {"input", kOnnxInput},
                           {"output", onnx_output(model.architecture)},
                           {"input_shape", std::vector<Json>{nullptr, in.channels, in.height, in.width}},
                           {"output_shape", std::vector<Json>{nullptr, model.architecture.outputs()}},
                           {"nodes", file.nodes},
                           {"size_bytes", file.bytes}};
  fmt::print("{}\n", json.indented());
}

void export_model(const Options& options) {
  if (!options.output.ends_with(".onnx")) throw Usage(options.output + ": the name must end in .onnx");
  check_writable(options.output);
  LoadOptions load;
  if (options.architecture) load.architecture = find_architecture(*options.architecture);
  load.allow_nonfinite = options.allow_nonfinite;
  options.which.apply_to(load);
  const Model model = load_model_aloud(options.model, load);
  const bool int8 = options.int8 || (!options.fp32 && is_quantized(expand(model.architecture), model.weights));
  const OnnxFile file = export_onnx(model, options.output, {.int8 = int8});
  if (options.json) {
    print_json(options, int8, model, file);
  } else {
    fmt::print("{}: {}, {}, opset {}, {} Nx{}x{}x{} -> {} Nx{}, {} bytes\n", printable(options.output),
               model.architecture.name, int8 ? "int8" : "fp32", kOnnxOpset, kOnnxInput, file.input.channels,
               file.input.height, file.input.width, onnx_output(model.architecture), model.architecture.outputs(),
               grouped(file.bytes));
  }
}

}  // namespace

void add_export(Command& app) {
  Command* command = app.add_subcommand("export", "Write a model as ONNX, for other runtimes");
  auto options = std::make_shared<Options>();
  command->add_option("MODEL", options->model, "A .safetensors file, or one of PyTorch")->required();
  command->add_option("-o,--out,OUT", options->output, "The .onnx file to write")->type_name("FILE")->required();
  add_arch_option(*command, options->architecture);
  add_which_options(*command, options->which);
  Option* int8 =
      command->add_flag("--int8", options->int8, "Refuse a model that is not int8; int8 models stay int8, as QDQ");
  command->add_flag("--fp32", options->fp32, "Write an int8 model in float32")->excludes(int8);
  add_nonfinite_option(*command, options->allow_nonfinite);
  command->add_flag("--json", options->json, "Print JSON");
  command->footer(
      "Examples:\n"
      "  resnet export resnet50.safetensors -o resnet50.onnx\n"
      "  resnet export resnet50-int8.safetensors -o resnet50-int8.onnx");
  command->callback([options] { export_model(*options); });
}

}  // namespace resnet::cli
