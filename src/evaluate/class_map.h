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
  // What the labels were taken for, which nobody has said: to be told to people.
  enum class Assumption {
    kNone,          // labels are names, WordNet ids of the names, or indexes where these are allowed
    kAlphabetical,  // the model names no classes: labels stand for them in the order given
    kIndices,       // folders are called 0, 1, ..., the model's classes otherwise
    kWordNet,       // folders are called as ImageNet's, the model's 1,000 classes not as ImageNet's usually are
  };

  // `labels`: all that occur in the data set, sorted; `indices_allowed` where they may be numbers of classes, as labels
  // files have them (folders may not: there "10" is a name); `model`: what errors call it.
  //
  // A label is matched to the name of a class; to a WordNet id (n01440764) where the classes are ImageNet's; to an
  // index. Folders that are called 0 to N - 1, all N of them, fit a model of N classes that are called otherwise by
  // index, and some of 0 to 999 one whose classes are ImageNet's. For a model without names, whose labels are not all
  // indices, the labels stand for the classes in alphabetical order. Throws kMismatch naming the labels that fit no
  // class.
  ClassMap(const Classifier& classifier, std::span<const std::string> labels, bool indices_allowed,
           const std::string& model = "model");

  int at(const std::string& label) const;  // throws kMismatch
  Assumption assumption() const noexcept { return assumption_; }
  bool alphabetical() const noexcept { return assumption_ == Assumption::kAlphabetical; }

 private:
  using Indices = std::unordered_map<std::string, int, KeyedHash>;

  bool take_numbers(std::span<const std::string> labels, const std::vector<std::string>& names);
  void take_wordnet_ids(std::vector<std::string>& strangers, const std::vector<std::string>& names);

  Indices indices_;
  Assumption assumption_ = Assumption::kNone;
};

}  // namespace resnet
