// A picture as people see it together with what the network sees of it.
#pragma once

#include "evaluate/input.h"

namespace resnet {

struct Sight {
  Image picture;
  SeenPart part;  // of the picture, that the input covers
  Input input;    // one picture
};

// Of an array, the picture is what its values stand for. Throws resnet::Error whose place is the item's path; kMismatch
// for an array of several pictures. May be called from several threads.
Sight read_sight(const Item& item, const Classifier& classifier, const DecodeOptions& decode);

// The picture that preprocessed values (channels x height x width) stand for, nearly: values * std + mean. RGB where
// there are three channels, else the first as gray.
Image picture_of(std::span<const float> values, const FeatureShape& shape, const Preprocessing& how);

}  // namespace resnet
