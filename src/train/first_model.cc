#include "train/first_model.h"

#include <algorithm>

#include "arch/schema.h"
#include "base/error.h"
#include "program/quantized.h"
#include "resnet/graph.h"
#include "weights/checkpoint.h"
#include "weights/metadata.h"
#include "weights/model_source.h"
#include "weights/nonfinite.h"
#include "weights/open_fields.h"

namespace resnet {
namespace {

bool says_arch(const Recipe& recipe) {
  return !recipe.arch.empty() && (recipe.arch != Recipe().arch || recipe.places.contains("arch"));
}

[[noreturn]] void refuse(const Recipe& recipe, std::string_view key) {
  fail(ErrorCode::kInvalidArgument, recipe.place(key), "the network is that of --from");
}

// What tensors tell is not said beside them.
void check_changes(const Recipe& recipe) {
  const std::vector<const ArchitectureField*> open = fields_beyond_tensors();
  for (const ArchitectureField& field : architecture_fields()) {
    const bool may_be_said = std::find(open.begin(), open.end(), &field) != open.end();
    if (!may_be_said && recipe.changes.says(field)) refuse(recipe, field.name);
  }
}

LoadOptions load_options(const Recipe& recipe, bool described) {
  LoadOptions options;
  options.allow_nonfinite = recipe.allow_nonfinite;
  options.take = recipe.take;
  options.head = recipe.head;
  options.changes = recipe.changes;
  if (described || !says_arch(recipe)) return options;
  try {
    options.architecture = find_architecture(recipe.arch);
  } catch (const Error& error) {
    throw Error(error.code(), recipe.place("arch"), error.what());
  }
  return options;
}

// Rounded weights have no gradients.
void check_floats(const Model& model, const std::string& path) {
  if (!is_quantized(expand(model.architecture), model.weights)) return;
  fail(ErrorCode::kUnsupported, path,
       "is an int8 model, which cannot be trained: start from the model that it was quantized from, or from what "
       "`resnet convert {} float32.pth` makes of it, and quantize the result",
       path);
}

std::vector<std::string> notices_of(const Recipe& recipe, const Model& model) {
  std::vector<std::string> said = model.finding.notes;
  if (recipe.allow_nonfinite) {
    if (const auto found = find_nonfinite(model.weights); !found.empty()) said.push_back(describe(found));
  }
  if (const std::string assumed = flags_of(model.finding.assumed); !assumed.empty()) {
    said.push_back("assumed, as its tensors do not tell: " + assumed);
  }
  for (std::string& notice : said) notice = fmt::format("{}: {}", recipe.from, notice);
  return said;
}

}  // namespace

FirstModel load_first_model(Recipe& recipe) {
  check_changes(recipe);
  TensorFile file = read_model_source(recipe.from);
  const bool described = is_checkpoint(file) || describes_model(file.metadata, recipe.from);
  FirstModel first{load_model(std::move(file), recipe.from, load_options(recipe, described)), {}};
  const Architecture& architecture = first.model.architecture;
  if (described && says_arch(recipe) && recipe.arch != architecture.name) refuse(recipe, "arch");
  if (described || !says_arch(recipe)) recipe.arch = described ? architecture.name : "";
  check_floats(first.model, recipe.from);
  first.notices = notices_of(recipe, first.model);
  return first;
}

}  // namespace resnet
