// What a model file says about itself: the keys of its metadata and the JSON in them (docs/model-file.md), between
// resnet's values and text. Reading is strict: a field that is missing, unknown or out of its range is an error.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "resnet/architecture.h"
#include "resnet/model_file.h"
#include "resnet/preprocessing.h"

namespace resnet {

using Metadata = std::map<std::string, std::string>;

inline constexpr const char* kVersionKey = "resnet.version";
inline constexpr const char* kArchitectureKey = "resnet.architecture";
inline constexpr const char* kClassesKey = "resnet.classes";
inline constexpr const char* kPreprocessingKey = "resnet.preprocessing";

inline constexpr const char* kModelVersion = "1";

nlohmann::ordered_json to_json(const Architecture& architecture);
nlohmann::ordered_json to_json(const Preprocessing& preprocessing);

// The model's own keys and model.metadata. Throws kInvalidArgument, naming the field, for values that could not be read
// back.
Metadata to_metadata(const Model& model);

// True where the metadata has one of our keys; their version is checked (kUnsupported for one that is not known).
bool describes_model(const Metadata& metadata, const std::string& where);

// The values of the keys, absent where the key is. `where` names the file. Throws kFormat, kLimit.
std::optional<Architecture> read_architecture(const Metadata& metadata, const std::string& where);
std::optional<Preprocessing> read_preprocessing(const Metadata& metadata, int channels, const std::string& where);
std::vector<std::string> read_classes(const Metadata& metadata, int classes, const std::string& where);

// The keys that are not ours.
Metadata other_keys(const Metadata& metadata);

}  // namespace resnet
