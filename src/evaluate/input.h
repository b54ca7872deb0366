// Pictures of a source, decoded and preprocessed for a model on all processors while the network runs.
#pragma once

#include <vector>

#include "dataset/parallel_reader.h"
#include "resnet/classifier.h"

namespace resnet {

// What the network takes: one picture or, from arrays, any batch.
struct Input {
  FeatureShape shape;
  std::vector<float> values;  // NCHW
};

// Decodes and preprocesses a picture; takes a float32 .npy array of shape NxCxHxW or CxHxW as it is. Throws
// resnet::Error whose place is the item's path; kMismatch for an array of other channels than the network's. May be
// called from several threads.
Input read_input(const Item& item, const Classifier& classifier, const DecodeOptions& decode);

// All items of a source in order, read ahead by about two batches.
class InputReader : public ParallelReader<Input> {
 public:
  InputReader(const Classifier& classifier, Source& source, const DecodeOptions& decode, int batch);
};

}  // namespace resnet
