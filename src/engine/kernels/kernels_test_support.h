// What the tests of the kernels share: the tables that this processor can run, and random shapes and values.
#pragma once

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "engine/kernels/kernels.h"

namespace resnet {

// Every table but the reference.
inline std::vector<const Kernels*> fast_kernels() {
  std::vector<const Kernels*> tables;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&avx2_kernels());
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq")) {
    tables.push_back(&avx512_kernels());
  }
  return tables;
}

// How many random shapes to try: RESNET_PROPERTY_CASES where it is set.
inline int property_cases(int usual) {
  const char* cases = std::getenv("RESNET_PROPERTY_CASES");
  return cases != nullptr ? std::atoi(cases) : usual;
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
