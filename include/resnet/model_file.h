// Model files: weights together with what is needed to use them.
//
// A file written by this project carries its architecture, class names and preprocessing (docs/model-file.md); for
// others the architecture is inferred from the names and shapes of the tensors.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "resnet/architecture.h"
#include "resnet/preprocessing.h"
#include "resnet/tensor.h"
#include "resnet/tensor_file.h"

namespace resnet {

// A field of an architecture that tensors do not tell.
struct ToldField {
  std::string name;    // "stem_pool"
  std::string value;   // "max"
  std::string source;  // "config.json"; empty for what is assumed because nobody says it
};

// How a network was found in a file that does not describe itself; all is empty for one that does.
struct Finding {
  std::string prefix;                                    // of its tensors' names: "module.encoder_q."
  std::string names;                                     // who gives such names: "torchvision", "Hugging Face", ...
  bool by_order = false;                                 // nobody known: its tensors were taken by shapes and order
  std::string head;                                      // the module that is its classifier: "classifier.1"
  std::vector<std::string> heads;                        // those that LoadOptions::head takes
  std::vector<std::string> others;                       // prefixes of other networks, which LoadOptions::take takes
  std::vector<std::string> passed_over;                  // tensors that are no part of it
  std::vector<std::pair<std::string, std::string>> map;  // names in the file and torchvision's, where they differ
  std::vector<ToldField> said;                           // by the file's own words
  std::vector<ToldField> assumed;
  std::vector<std::string> notes;  // for people: what was decided, and what was made plain
};

// A network and its weights, named as expand(architecture) names them.
struct Model {
  Architecture architecture;
  StateDict weights;
  std::vector<std::string> classes;             // empty where the file has none
  std::optional<Preprocessing> preprocessing;   // empty where the file has none
  std::map<std::string, std::string> metadata;  // other keys, kept as they were read
  Finding finding = {};
};

// What the caller knows better than the file.
struct LoadOptions {
  // Where absent: the file's own word, else inferred. How many classes and input channels there are, and in which
  // layout they are stored, is always read off the tensors.
  std::optional<Architecture> architecture = std::nullopt;

  // Load weights also where some are NaN, infinite or beyond float32's range: to look for the reason. What such a
  // network answers has no meaning.
  bool allow_nonfinite = false;

  // Of several networks in a file the one with this in its prefix ("encoder_k"); of several heads the one of this name.
  // "none" is no head: a backbone.
  std::string take = {};
  std::string head = {};

  // Of the network, instead of what the file says or its tensors show.
  ArchitectureChanges changes = {};
};

// `path` is a file or a folder that holds one, such as those of Hugging Face's hub.
//
// Of a checkpoint of `resnet train` the newest weights are taken, not their average. In a file that does not describe
// itself the network is looked for, whatever stands before the names of its tensors and whoever gave them
// (docs/checkpoints.md); `finding` says what was found. Checks every tensor. Throws kMismatch listing each missing,
// unexpected and misshapen tensor; kUnsupported for a network that this program does not have, for several where
// nothing says which, and, naming the tensors and how many of their values, where values are not finite and the
// options do not allow it; kNotFound for a name in the options that nothing has.
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
