// The model file that a run starts from: `--from`, and what is said of a file that does not describe itself.
#pragma once

#include <string>
#include <vector>

#include "resnet/model_file.h"
#include "resnet/recipe.h"

namespace resnet {

struct FirstModel {
  Model model;
  std::vector<std::string> notices;  // what people should know: what was decided, and what was assumed
};

// Of a recipe that says `from`. Writes into the recipe whose network it is. `take`, `head` and the fields that tensors
// do not tell are obeyed, and `arch` of a file that does not describe itself. Throws what load_model() throws, and
// kInvalidArgument, naming the key, for what is said of the network beside that.
FirstModel load_first_model(Recipe& recipe);

}  // namespace resnet
