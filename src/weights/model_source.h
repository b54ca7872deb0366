// What a model argument names: a file of tensors, or a folder in which Hugging Face's libraries or timm keep one, with
// its configuration beside it and its tensors in one file or in several.
#pragma once

#include <string>
#include <vector>

#include "resnet/tensor_file.h"

namespace resnet {

// A folder: the weights by the names that those libraries give (model.safetensors, pytorch_model.bin, an index of
// shards), else the only file of weights in it. The texts of config.json and preprocessor_config.json stand in `values`
// under these names; so they do for a file of one of those names that has them beside it. Throws what
// read_tensor_file() throws, kNotFound for a folder without weights, kUnsupported for one with several, kFormat for an
// index that is none.
TensorFile read_model_source(const std::string& path);

// The files of weights that it reads: `path` itself, or a folder's, or all shards of an index. Throws what it throws
// for a folder and an index.
std::vector<std::string> weights_of_model_source(const std::string& path);

}  // namespace resnet
