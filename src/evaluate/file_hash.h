// What tells a model from all others.
#pragma once

#include <cstdint>
#include <string>

namespace resnet {

// Of the weights of a model: a file, or those in a folder (weights/model_source.h), one after the other.
struct WeightsDigest {
  std::string sha256;  // in hexadecimal, as sha256sum prints it
  std::int64_t bytes = 0;
};
// Throws kNotFound, kIo, and what weights_of_model_source() throws.
WeightsDigest digest_of_model(const std::string& path);

}  // namespace resnet
