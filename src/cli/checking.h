// A check of a model by pictures, as commands run it: the pictures of files, folders and archives, and the flags that
// say what was found.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "arch/schema.h"
#include "resnet/check.h"
#include "resnet/image.h"

namespace resnet::cli {

struct CheckPictures {
  std::vector<std::string> paths;  // files, folders, archives; drawn pictures where there are none
  std::string only;                // of a folder or archive this folder alone
  std::optional<int> limit;        // pictures at most; absent: 64, 16 where they are larger than 64x64
  DecodeOptions decode;
};

struct Checked {
  CheckReport report;
  bool drawn = false;
  std::string flags;  // which say what was found; empty where nothing is contradicted
};

// Checks `model`, which has a preprocessing, by pictures spread evenly over what was named, with progress on stderr.
// One that cannot be read is said there and left out. `threads` as in EngineOptions. Throws kInvalidArgument where
// fewer than two are left, and what check_model() throws.
Checked run_check(const Model& model, const CheckPictures& pictures, int threads);

// "--mean 0,0,0 --std 1,1,1": how the one becomes the other.
std::string flags_to(const Preprocessing& from, const Preprocessing& to);

// "likely: the model is what it says".
std::string in_words(const CheckReport& report);

// Puts what a check found into the model's metadata (docs/model-file.md): the verdict on what the model says, its
// distance, the number of pictures. forget_check() takes it out of a model that became another one.
void record_check(const CheckReport& report, Model& model);
void forget_check(Model& model);

// A row of the table of fields by its name, which must be one.
const ArchitectureField& field_called(std::string_view name);

// The fields, and the slope where the activation is among them, as it belongs to it.
std::vector<std::string> with_slope(std::vector<std::string> fields);

}  // namespace resnet::cli
