// Model files: weights together with what is needed to use them.
//
// A file written by this project carries its architecture, class names and preprocessing (docs/model-file.md); for
// others the architecture is inferred from the names and shapes of the tensors.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "resnet/architecture.h"
#include "resnet/preprocessing.h"
#include "resnet/tensor.h"
#include "resnet/tensor_file.h"

namespace resnet {

// A network and its weights, named as expand(architecture) names them.
struct Model {
  Architecture architecture;
  StateDict weights;
  std::vector<std::string> classes;             // empty where the file has none
  std::optional<Preprocessing> preprocessing;   // empty where the file has none
  std::map<std::string, std::string> metadata;  // other keys, kept as they were read
};

// What the caller knows better than the file.
struct LoadOptions {
  // Where absent: the file's own word, else inferred. How many classes and input channels there are, and in which
  // layout they are stored, is always read off the tensors.
  std::optional<Architecture> architecture = std::nullopt;

  // Load weights also where some are NaN, infinite or beyond float32's range: to look for the reason. What such a
  // network answers has no meaning.
  bool allow_nonfinite = false;
};

// Of a checkpoint of `resnet train` the newest weights are taken, not their average. Reads, renames (prefixes module.,
// _orig_mod., model., backbone.; layouts torchvision, timm, tutorial; classifier fc or linear) and checks every tensor.
// Throws kMismatch listing each missing, unexpected and misshapen tensor; kUnsupported naming the tensors, and how many
// of their values, where values are not finite and the options do not allow it.
Model load_model(const std::string& path, const LoadOptions& options = {});

// The same for a file that was read already; `path` names it in errors.
Model load_model(TensorFile file, const std::string& path, const LoadOptions& options = {});

// Writes .safetensors (with metadata) or, where the path ends in .pth, .pt, .th or .bin, a torch zip file that
// torch.load(weights_only=True) reads, which holds the weights alone. Atomic: the path holds the old file or the whole
// new one, also after a power cut. Throws kInvalidArgument for another ending and for values that could not be read
// back, such as a wrong number of class names; kMismatch where the weights are not the architecture's; kIo.
void save_model(const Model& model, const std::string& path);

// Throws kMismatch listing each tensor that `graph` needs and `weights` lacks, has too much, or has in another shape.
// `where` names the weights in the message.
struct Graph;
void check_weights(const Graph& graph, const StateDict& weights, const std::string& where);

}  // namespace resnet
