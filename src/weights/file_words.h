// What a file that is not ours says of its network in its own words: the configurations of Hugging Face's libraries and
// timm, what trainers put into checkpoints, and the attributes of pickled modules. Tensors do not tell it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "resnet/model_file.h"

namespace resnet {

struct FileWords {
  ArchitectureChanges changes;
  std::map<std::string, std::string> sources;  // of each field of `changes`, by its name: "config.json"
  std::optional<Preprocessing> preprocessing;
  std::string preprocessing_source;
  std::vector<std::string> notes;  // for people
};

// `architecture` and `finding` are what the tensors show. Throws kUnsupported where the file says that the network is
// one that this program does not have.
FileWords read_words(const TensorFile& file, const Finding& finding, const Architecture& architecture,
                     const std::string& path);

// The names of the classes, where the file has as many anywhere under a name that people give such lists; else none.
std::vector<std::string> find_class_names(const TensorFile& file, int classes);

}  // namespace resnet
