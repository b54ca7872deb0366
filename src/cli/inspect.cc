// resnet inspect: what a file of tensors holds, whether it is a residual network or not.
#include <fmt/format.h>

#include <algorithm>

#include "arch/describe.h"
#include "base/text.h"
#include "cli/command.h"
#include "console/json.h"
#include "console/numbers.h"
#include "console/text_table.h"
#include "resnet/error.h"
#include "resnet/model_file.h"
#include "weights/architecture_json.h"
#include "weights/nonfinite.h"

namespace resnet::cli {
namespace {

struct Options {
  std::string path;
  bool json = false;
};

struct Totals {
  std::size_t tensors = 0;
  std::int64_t values = 0;
  std::int64_t bytes = 0;
};

Totals count(const StateDict& tensors) {
  Totals totals;
  for (const auto& [name, tensor] : tensors) {
    ++totals.tensors;
    totals.values += tensor.count();
    totals.bytes += static_cast<std::int64_t>(tensor.nbytes());
  }
  return totals;
}

// The architecture, or why there is none.
struct Verdict {
  std::optional<Architecture> architecture;
  std::string problem;
};

Verdict judge(TensorFile file, const std::string& path) {
  try {
    return {load_model(std::move(file), path, {.allow_nonfinite = true}).architecture, ""};
  } catch (const Error& error) {
    const std::string message = error.what();
    return {std::nullopt, message.starts_with(path + ": ") ? message.substr(path.size() + 2) : message};
  }
}

// Tensor by tensor, so that a file of many tensors needs no tree of them all.
void print_json(TensorFile file, const std::string& path) {
  const Totals totals = count(file.tensors);
  JsonArray nonfinite;
  for (const NonfiniteTensor& found : find_nonfinite(file.tensors)) {
    nonfinite.add(JsonObject{{"name", found.name}, {"values", found.nonfinite}, {"of", found.values}});
  }
  fmt::print("{{\"path\":{},\"format\":{},\"tensors\":[", Json(path).text(), Json(file.format).text());
  const char* separator = "\n";
  for (const auto& [tensor_name, tensor] : file.tensors) {
    const JsonObject json = {{"name", tensor_name},
                             {"dtype", name(tensor.dtype())},
                             {"shape", tensor.shape()},
                             {"size_bytes", tensor.nbytes()}};
    fmt::print("{}{}", separator, json.text());
    separator = ",\n";
  }
  JsonObject metadata;
  for (const auto& [key, value] : file.metadata) metadata.add(key, value);
  const Verdict verdict = judge(std::move(file), path);
  fmt::print("],\n\"tensor_count\":{},\"value_count\":{},\"total_bytes\":{},\"nonfinite\":{},\n\"metadata\":{},\n",
             totals.tensors, totals.values, totals.bytes, nonfinite.text(), metadata.text());
  const Json architecture = verdict.architecture ? Json(architecture_json(*verdict.architecture)) : Json();
  const Json problem = verdict.architecture ? Json() : Json(verdict.problem);
  fmt::print("\"architecture\":{},\"problem\":{}}}\n", architecture.text(), problem.text());
}

// Row by row, so that a file of many tensors needs no table of them all.
void print_tensors(const StateDict& tensors) {
  const auto cells = [](const std::string& tensor_name, const Tensor& tensor) -> TextTable::Cells {
    return {one_line(tensor_name), std::string(name(tensor.dtype())), to_string(tensor.shape()),
            grouped(static_cast<std::int64_t>(tensor.nbytes()))};
  };
  const TextTable::Cells titles = {"tensor", "type", "shape", "bytes"};
  TextTable table({Align::kLeft, Align::kLeft, Align::kLeft, Align::kRight});
  table.fit(titles);
  for (const auto& [tensor_name, tensor] : tensors) table.fit(cells(tensor_name, tensor));
  fmt::print("{}{}", table.line(titles), table.rule_line());
  for (const auto& [tensor_name, tensor] : tensors) fmt::print("{}", table.line(cells(tensor_name, tensor)));
  fmt::print("\n");
}

void print_text(TensorFile file, const std::string& path) {
  print_tensors(file.tensors);
  const Totals totals = count(file.tensors);
  fmt::print("format        {}\n", file.format);
  fmt::print("tensors       {}\n", grouped(static_cast<std::int64_t>(totals.tensors)));
  fmt::print("values        {}\n", grouped(totals.values));
  fmt::print("bytes         {}\n", grouped(totals.bytes));
  for (const NonfiniteTensor& found : find_nonfinite(file.tensors)) {
    fmt::print("not finite    {}: {} of {} values\n", one_line(found.name), grouped(found.nonfinite),
               grouped(found.values));
  }
  for (const auto& [key, value] : file.metadata) fmt::print("metadata      {}: {}\n", one_line(key), one_line(value));
  const Verdict verdict = judge(std::move(file), path);
  if (verdict.architecture) {
    fmt::print("architecture  {}: {}, {} layout, {} input channels, {} classes\n", verdict.architecture->name,
               headline(*verdict.architecture), name(verdict.architecture->layout), verdict.architecture->in_channels,
               verdict.architecture->classes);
  } else {
    fmt::print("architecture  none: {}\n", printable(verdict.problem));
  }
}

void inspect(const Options& options) {
  TensorFile file = read_tensor_file(options.path);
  if (options.json) {
    print_json(std::move(file), options.path);
  } else {
    print_text(std::move(file), options.path);
  }
}

}  // namespace

void add_inspect(Command& app) {
  Command* command = app.add_subcommand("inspect", "Print the tensors and the metadata of a file");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->path, "A .safetensors or PyTorch file (.pth, .pt, .th, .bin)")->required();
  command->add_flag("--json", options->json, "Print everything as JSON");
  command->footer(
      "Example:\n"
      "  resnet inspect resnet50.safetensors");
  command->callback([options] { inspect(*options); });
}

}  // namespace resnet::cli
