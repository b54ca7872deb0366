// What is said of a data set before a model is judged on it: what was assumed, and what cannot be meant.
#pragma once

#include <string>

#include "dataset/dataset.h"
#include "evaluate/class_map.h"

namespace resnet {

// Of what parts the data consist, where they do: all of them are `done`, such as "judged". Else empty.
std::string parts_note(const std::string& path, const Dataset& dataset, const std::string& done);

// What the labels were taken for, where nobody has said it. Else empty. `model` is its file, for people.
std::string labels_note(const std::string& path, const Dataset& dataset, const ClassMap& classes,
                        const std::string& model);

// Throws kMismatch where folders that are parts of a set (train, val) were taken for classes, as others lie beside
// them.
void refuse_parts(const std::string& path, const Dataset& dataset, const Classifier& classifier);

}  // namespace resnet
