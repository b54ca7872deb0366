// resnet inspect: what a file of tensors holds, whether it is a residual network or not.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <span>

#include "arch/describe.h"
#include "base/text.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "console/json.h"
#include "console/numbers.h"
#include "console/progress.h"
#include "console/text_table.h"
#include "resnet/error.h"
#include "resnet/model_file.h"
#include "weights/architecture_json.h"
#include "weights/model_source.h"
#include "weights/nonfinite.h"
#include "weights/open_fields.h"

namespace resnet::cli {
namespace {

struct Options {
  std::string path;
  bool json = false;
  WhichNetwork which;
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

// Reads the whole file, which on a terminal is said of a large one meanwhile.
std::vector<NonfiniteTensor> look_for_nonfinite(const StateDict& tensors, std::int64_t bytes) {
  constexpr std::int64_t kLarge = 200'000'000;
  StatusLine line(/*terminal=*/true, {});
  if (bytes >= kLarge && stderr_is_terminal()) {
    std::fflush(stdout);
    line.show(fmt::format("looking for values that are not finite in {} MB ...", grouped(bytes / 1'000'000)));
  }
  return find_nonfinite(tensors);
}

// The architecture and how it was found, or why there is none.
struct Verdict {
  std::optional<Architecture> architecture;
  Finding finding;
  std::size_t classes_named = 0;
  bool says_preprocessing = false;
  std::string problem;
};

Verdict judge(TensorFile file, const Options& options) {
  const std::string& path = options.path;
  try {
    LoadOptions load;
    load.allow_nonfinite = true;
    options.which.apply_to(load);
    Model model = load_model(std::move(file), path, load);
    return {model.architecture, std::move(model.finding), model.classes.size(), model.preprocessing.has_value(), ""};
  } catch (const Error& error) {
    const std::string message = error.what();
    return {std::nullopt, {}, 0, false, message.starts_with(path + ": ") ? message.substr(path.size() + 2) : message};
  }
}

JsonObject told_json(const std::vector<ToldField>& fields) {
  JsonObject json;
  for (const ToldField& field : fields) {
    json.add(field.name, field.source.empty() ? Json(field.value)
                                              : Json(JsonObject{{"value", field.value}, {"source", field.source}}));
  }
  return json;
}

JsonObject found_json(const Finding& finding) {
  JsonObject map;
  for (const auto& [in_file, plain] : finding.map) map.add(in_file, plain);
  return {{"prefix", finding.prefix},
          {"names", finding.names},
          {"by_order", finding.by_order},
          {"head", finding.head},
          {"heads", finding.heads},
          {"others", finding.others},
          {"passed_over", finding.passed_over},
          {"map", map},
          {"said", told_json(finding.said)},
          {"assumed", told_json(finding.assumed)},
          {"notes", finding.notes}};
}

Json containers_json(const TensorFile& file) {
  JsonArray containers;
  for (const TensorContainer& container : file.containers) {
    containers.add(JsonObject{{"path", container.path}, {"type", container.type}, {"tensors", container.tensors}});
  }
  return containers;
}

Json opaque_json(const TensorFile& file) {
  JsonArray opaque;
  for (const OpaquePart& part : file.opaque) {
    opaque.add(
        JsonObject{{"path", part.path}, {"type", part.type}, {"why", part.why.empty() ? Json() : Json(part.why)}});
  }
  return opaque;
}

// Value by value, as they are JSON already.
void print_values(const TensorFile& file) {
  fmt::print("\"values\":{{");
  const char* separator = "";
  for (const auto& [value_path, json] : file.values) {
    fmt::print("{}{}:{}", separator, Json(value_path).text(), json);
    separator = ",\n";
  }
  fmt::print("}},\n\"containers\":{},\n\"opaque\":{},\n", containers_json(file).text(), opaque_json(file).text());
}

// Tensor by tensor, so that a file of many tensors needs no tree of them all.
void print_json(TensorFile file, const Options& options) {
  const std::string& path = options.path;
  const Totals totals = count(file.tensors);
  JsonArray nonfinite;
  for (const NonfiniteTensor& found : look_for_nonfinite(file.tensors, totals.bytes)) {
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
  fmt::print("],\n");
  print_values(file);
  const Verdict verdict = judge(std::move(file), options);
  fmt::print("\"tensor_count\":{},\"value_count\":{},\"total_bytes\":{},\"nonfinite\":{},\n\"metadata\":{},\n",
             totals.tensors, totals.values, totals.bytes, nonfinite.text(), metadata.text());
  const Json architecture = verdict.architecture ? Json(architecture_json(*verdict.architecture)) : Json();
  const Json problem = verdict.architecture ? Json() : Json(verdict.problem);
  fmt::print("\"architecture\":{},\"problem\":{}", architecture.text(), problem.text());
  if (verdict.architecture) fmt::print(",\n\"found\":{}", found_json(verdict.finding).text());
  fmt::print("}}\n");
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

// At most so many lines of a kind; --json prints all.
constexpr std::size_t kShown = 20;

void print_rest(const char* title, std::size_t count) {
  if (count > kShown) fmt::print("{:<14}and {} more: --json prints them\n", title, count - kShown);
}

// What a file holds beside its tensors.
void print_others(const TensorFile& file) {
  for (const TensorContainer& c : std::span(file.containers).first(std::min(kShown, file.containers.size()))) {
    fmt::print("container     {}: {}, {} tensor{}\n", c.path.empty() ? "top" : one_line(c.path), one_line(c.type),
               grouped(static_cast<std::int64_t>(c.tensors)), c.tensors == 1 ? "" : "s");
  }
  print_rest("container", file.containers.size());
  std::size_t shown = 0;
  for (const auto& [path, json] : file.values) {
    if (shown++ == kShown) break;
    fmt::print("value         {}: {}\n", one_line(path), one_line(json));
  }
  print_rest("value", file.values.size());
  for (const OpaquePart& part : std::span(file.opaque).first(std::min(kShown, file.opaque.size()))) {
    fmt::print("not read      {}: {}{}{}\n", part.path.empty() ? "top" : one_line(part.path), one_line(part.type),
               part.why.empty() ? "" : ": ", one_line(part.why));
  }
  print_rest("not read", file.opaque.size());
}

// How the network was found.
void print_finding(const Verdict& verdict) {
  const Finding& finding = verdict.finding;
  const auto print = [](const char* what, const std::string& text) {
    if (!text.empty()) fmt::print("{:<13} {}\n", what, text);
  };
  const auto list = [](const std::vector<std::string>& names) {
    constexpr std::size_t kShown = 10;
    std::string text;
    for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) {
      text += fmt::format("{}{}", i == 0 ? "" : ", ", one_line(names[i]));
    }
    if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
    return text;
  };
  print("names of", finding.names);
  print("prefix", one_line(finding.prefix));
  print("head", one_line(finding.head));
  if (finding.heads.size() > 1) print("--head takes", list(finding.heads));
  print("--take takes", list(finding.others));
  if (verdict.classes_named > 0) print("class names", fmt::format("{}", verdict.classes_named));
  if (verdict.says_preprocessing) print("preprocessing", "said by the file");
  for (const ToldField& field : finding.said) print("said", flags_of({field}) + "  (" + one_line(field.source) + ")");
  print("assumed", flags_of(finding.assumed));
  print("passed over", list(finding.passed_over));
  for (const std::string& note : finding.notes) print("note", note);
  for (const auto& [in_file, plain] : finding.map) print("renamed", one_line(in_file) + " -> " + plain);
}

void print_text(TensorFile file, const Options& options) {
  print_tensors(file.tensors);
  const Totals totals = count(file.tensors);
  fmt::print("format        {}\n", file.format);
  fmt::print("tensors       {}\n", grouped(static_cast<std::int64_t>(totals.tensors)));
  fmt::print("values        {}\n", grouped(totals.values));
  fmt::print("bytes         {}\n", grouped(totals.bytes));
  for (const NonfiniteTensor& found : look_for_nonfinite(file.tensors, totals.bytes)) {
    fmt::print("not finite    {}: {} of {} values\n", one_line(found.name), grouped(found.nonfinite),
               grouped(found.values));
  }
  for (const auto& [key, value] : file.metadata) fmt::print("metadata      {}: {}\n", one_line(key), one_line(value));
  print_others(file);
  const Verdict verdict = judge(std::move(file), options);
  if (verdict.architecture) {
    fmt::print("architecture  {}: {}, {} layout, {} input channels, {} classes\n", verdict.architecture->name,
               headline(*verdict.architecture), name(verdict.architecture->layout), verdict.architecture->in_channels,
               verdict.architecture->classes);
    print_finding(verdict);
  } else {
    fmt::print("architecture  none: {}\n", printable(verdict.problem));
  }
}

void inspect(const Options& options) {
  TensorFile file = read_model_source(options.path);
  if (options.json) {
    print_json(std::move(file), options);
  } else {
    print_text(std::move(file), options);
  }
}

}  // namespace

void add_inspect(Command& app) {
  Command* command = app.add_subcommand("inspect", "Print the tensors and the network of a file");
  auto options = std::make_shared<Options>();
  command
      ->add_option("FILE", options->path,
                   "A file of tensors, or a folder that holds one; .safetensors, PyTorch's, pickle, joblib, .npz")
      ->required();
  command->add_flag("--json", options->json, "Print everything as JSON");
  add_which_options(*command, options->which);
  command->footer(
      "Example:\n"
      "  resnet inspect resnet50.safetensors");
  command->callback([options] { inspect(*options); });
}

}  // namespace resnet::cli
