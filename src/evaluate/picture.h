// Pictures of a source, decoded and preprocessed for a model on all processors while the network runs.
#pragma once

#include <optional>
#include <vector>

#include "dataset/parallel_reader.h"
#include "resnet/classifier.h"

namespace resnet {

// One picture as the network takes it (CHW). Throws resnet::Error whose place is the item's path. Any thread.
std::vector<float> read_picture(const Item& item, const Classifier& classifier, const DecodeOptions& decode);

// All pictures of a source in order, read ahead by about two batches.
class PictureReader : public ParallelReader<std::vector<float>> {
 public:
  PictureReader(const Classifier& classifier, Source& source, const DecodeOptions& decode, int batch);
};

}  // namespace resnet
