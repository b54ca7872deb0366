// Files of tensors, whatever network they are of.
//
// Reads .safetensors and PyTorch's .pth/.pt/.th/.bin (zip and legacy pickle; nothing in them is ever executed).
#pragma once

#include <map>
#include <string>

#include "resnet/tensor.h"

namespace resnet {

// The tensors of a file as they stand there, and its metadata (safetensors only). Tensors of a .safetensors file or of
// an uncompressed torch zip are views of the mapped file, which stays mapped as long as one of them lives.
struct TensorFile {
  std::string format;  // "safetensors", "torch-zip", "torch-legacy"
  StateDict tensors;
  std::map<std::string, std::string> metadata;
  std::string container;  // the key under which a torch checkpoint had the tensors; "" where they stood at its top
};

// The format is told by the bytes, not by the name. A torch checkpoint that keeps its weights under "state_dict",
// "model", "state_dict_ema" or "model_ema" is opened at the first of these that holds tensors: averaged (EMA) weights
// come last, because they are better only after long training. Entries that are not tensors are left out.
//
// Throws kNotFound, kIo, kFormat, kLimit, kUnsupported; the place is "path: ..." with tensor or offset.
TensorFile read_tensor_file(const std::string& path);

}  // namespace resnet
