// From what a data set calls a class to the index of the model's output for it.
#pragma once

#include <span>
#include <string>
#include <unordered_map>

#include "base/hash.h"
#include "resnet/classifier.h"

namespace resnet {

class ClassMap {
 public:
  // `labels`: all that occur in the data set, sorted; `indices_allowed` where they may be numbers of classes, as labels
  // files have them (folders may not: there "10" is a name); `model`: what errors call it.
  //
  // A label is matched to the name of a class; to a WordNet id (n01440764) where the classes are ImageNet's; to an
  // index. For a model without names, whose labels are not all indices, the labels stand for the classes in
  // alphabetical order. Throws kMismatch naming the labels that fit no class.
  ClassMap(const Classifier& classifier, std::span<const std::string> labels, bool indices_allowed,
           const std::string& model = "model");

  int at(const std::string& label) const;  // throws kMismatch
  bool alphabetical() const noexcept { return alphabetical_; }

 private:
  std::unordered_map<std::string, int, KeyedHash> indices_;
  bool alphabetical_ = false;
};

}  // namespace resnet
