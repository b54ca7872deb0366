// What the tests of the kernels share: random shapes and values, and how many to try.
#pragma once

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/isa_test_support.h"
#include "kernels/kernels.h"
#include "kernels/training.h"

namespace resnet {

// Those that need rare instructions, over a vector of plain C++ (emulated_kernels_test.cc).
std::span<const ConvAlgorithm> emulated_convs();
std::span<const TrainingKernels> emulated_training_kernels();

// How many random shapes to try: RESNET_PROPERTY_CASES where it is set; else four times as many as usual in the long
// runs (RESNET_TEST_ALL), and an eighth beside a sanitizer.
inline int property_cases(int usual) {
  const char* cases = std::getenv("RESNET_PROPERTY_CASES");
  if (cases != nullptr) return std::atoi(cases);
  if (std::getenv("RESNET_TEST_ALL") != nullptr) return 4 * usual;
#ifdef RESNET_SANITIZED
  return usual / 8;
#else
  return usual;
#endif
}

// Values between -1 and 1 as bytes of the type; of u8, all occur.
inline std::vector<std::byte> stored(const std::vector<float>& values, ValueType type) {
  std::vector<std::byte> bytes(values.size() * size_in_bytes(type));
  reference_kernels().convert({}, values.data(), {type, 1.0F / 128, 128}, bytes.data(), 0, values.size());
  return bytes;
}

// Back; u8 without a scale.
inline std::vector<float> as_floats(const std::vector<std::byte>& bytes, ValueType type) {
  std::vector<float> values(bytes.size() / size_in_bytes(type));
  reference_kernels().convert({type}, bytes.data(), {}, values.data(), 0, values.size());
  return values;
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}

  int between(int low, int high) { return std::uniform_int_distribution<int>(low, high)(engine_); }
  bool chance(double probability) { return std::bernoulli_distribution(probability)(engine_); }

  // Between -1 and 1.
  std::vector<float> values(std::size_t count) {
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<float> values(count);
    for (float& value : values) value = uniform(engine_);
    return values;
  }

  // Pixels of `channels` values between -1 and 1, zeros up to `pitch`.
  std::vector<float> pixels(std::size_t count, int channels, int pitch) {
    std::vector<float> values = this->values(count * pitch);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (static_cast<int>(i % pitch) >= channels) values[i] = 0;
    }
    return values;
  }

 private:
  std::mt19937 engine_;
};

}  // namespace resnet
