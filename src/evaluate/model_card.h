// What a report says of a model, so that its figures can be traced to a file.
#pragma once

#include <cstdint>
#include <string>

#include "console/json.h"
#include "resnet/classifier.h"
#include "resnet/precision.h"

namespace resnet {

struct ModelCard {
  std::string path;
  std::string sha256;
  std::int64_t file_bytes = 0;
  Architecture architecture;
  int depth = 0;  // layers with weights on the longest way, as the paper counts them
  std::int64_t parameters = 0;
  std::int64_t macs_per_image = 0;
  FeatureShape input;  // of one picture
  Preprocessing preprocessing;
  Precision precision = Precision::kFp32;  // that it runs in
  std::string processor;                   // its instruction set in use
  int threads = 0;
};

// Throws what reading the file throws.
ModelCard describe_model(const std::string& path, const Classifier& classifier);

// What tells one model from another: path, hash, architecture, parameters, work, precision, as docs/json.md names them.
JsonObject to_json(const ModelCard& card);

// The card as a list for a page.
std::string card_html(const ModelCard& card);

}  // namespace resnet
