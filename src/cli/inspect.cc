// resnet inspect: what a file of tensors holds, whether it is a residual network or not.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "arch/describe.h"
#include "arch/text_table.h"
#include "base/text.h"
#include "cli/command.h"
#include "resnet/error.h"
#include "resnet/model_file.h"
#include "weights/metadata.h"

namespace resnet::cli {
namespace {

using Json = nlohmann::ordered_json;

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
    return {load_model(std::move(file), path).architecture, ""};
  } catch (const Error& error) {
    const std::string message = error.what();
    return {std::nullopt, message.starts_with(path + ": ") ? message.substr(path.size() + 2) : message};
  }
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// Tensor by tensor, so that a file of many tensors needs no tree of them all.
void print_json(TensorFile file, const std::string& path) {
  const Totals totals = count(file.tensors);
  fmt::print("{{\"path\":{},\"format\":{},\"tensors\":[", dump(path), dump(file.format));
  const char* separator = "\n";
  for (const auto& [tensor_name, tensor] : file.tensors) {
    const Json json = {{"name", tensor_name},
                       {"dtype", name(tensor.dtype())},
                       {"shape", tensor.shape()},
                       {"size_bytes", tensor.nbytes()}};
    fmt::print("{}{}", separator, dump(json));
    separator = ",\n";
  }
  const Json metadata = file.metadata;
  const Verdict verdict = judge(std::move(file), path);
  fmt::print("],\n\"tensor_count\":{},\"value_count\":{},\"total_bytes\":{},\n\"metadata\":{},\n", totals.tensors,
             totals.values, totals.bytes, dump(metadata.is_null() ? Json::object() : metadata));
  fmt::print("\"architecture\":{},\"problem\":{}}}\n",
             verdict.architecture ? dump(to_json(*verdict.architecture)) : "null",
             verdict.architecture ? "null" : dump(verdict.problem));
}

// Row by row, so that a file of many tensors needs no table of them all.
void print_tensors(const StateDict& tensors) {
  const auto bytes_of = [](const Tensor& tensor) { return grouped(static_cast<std::int64_t>(tensor.nbytes())); };
  std::size_t names = 6, types = 4, shapes = 5, sizes = 5;  // widths of the columns: those of their titles, at least
  for (const auto& [tensor_name, tensor] : tensors) {
    names = std::max(names, width(one_line(tensor_name)));
    types = std::max(types, name(tensor.dtype()).size());
    shapes = std::max(shapes, to_string(tensor.shape()).size());
    sizes = std::max(sizes, bytes_of(tensor).size());
  }
  const auto print_row = [&](const std::string& text, std::string_view type, std::string_view shape,
                             std::string_view size) {
    fmt::print("{}{:{}}  {:{}}  {:{}}  {:>{}}\n", text, "", names - width(text), type, types, shape, shapes, size,
               sizes);
  };
  print_row("tensor", "type", "shape", "bytes");
  for (std::size_t i = 0; i < names + types + shapes + sizes + 6; ++i) fmt::print("─");
  fmt::print("\n");
  for (const auto& [tensor_name, tensor] : tensors) {
    print_row(one_line(tensor_name), name(tensor.dtype()), to_string(tensor.shape()), bytes_of(tensor));
  }
  fmt::print("\n");
}

void print_text(TensorFile file, const std::string& path) {
  print_tensors(file.tensors);
  const Totals totals = count(file.tensors);
  fmt::print("format        {}\n", file.format);
  fmt::print("tensors       {}\n", grouped(static_cast<std::int64_t>(totals.tensors)));
  fmt::print("values        {}\n", grouped(totals.values));
  fmt::print("bytes         {}\n", grouped(totals.bytes));
  for (const auto& [key, value] : file.metadata) fmt::print("metadata      {}: {}\n", one_line(key), one_line(value));
  const Verdict verdict = judge(std::move(file), path);
  if (verdict.architecture) {
    fmt::print("architecture  {}: {}, {} layout, {} input channels, {} classes\n", verdict.architecture->name,
               headline(*verdict.architecture), name(verdict.architecture->layout), verdict.architecture->in_channels,
               verdict.architecture->classes);
  } else {
    fmt::print("architecture  none: {}\n", verdict.problem);
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

void add_inspect(CLI::App& app) {
  CLI::App* command = app.add_subcommand("inspect", "Print the tensors and the metadata of a file");
  auto options = std::make_shared<Options>();
  command->add_option("FILE", options->path, "A .safetensors or PyTorch file (.pth, .pt, .th, .bin)")->required();
  command->add_flag("--json", options->json, "Print everything as JSON");
  command->footer(
      "Example:\n"
      "  resnet inspect resnet50.safetensors");
  command->callback([options] { inspect(*options); });
}

}  // namespace resnet::cli
