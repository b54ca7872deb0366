// The convolutions of ResNet-18 and -50 with random weights, one by one in the order of the network, and the check of
// their answers: what the programs that time single layers share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "kernels/kernels.h"

namespace resnet {

struct Layer {
  ConvShape shape;
  const ConvAlgorithm* algorithm = nullptr;
  AlignedBuffer<float> weights;
  AlignedBuffer<std::byte> packed;
  AlignedBuffer<float> bias;
  double error = 0;  // of sampled outputs, root mean square over root mean square
  std::vector<double> seconds;

  double operations() const {
    const ConvShape& s = shape;
    return 2.0 * s.batch * s.out_height * s.out_width * s.out_channels * s.kernel * s.kernel * s.in_channels / s.groups;
  }
  std::string name() const {
    char text[100];
    std::snprintf(text, sizeof text, "%4d->%-4d %dx%d/%d %3dx%-3d%s", shape.in_channels, shape.out_channels,
                  shape.kernel, shape.kernel, shape.stride, shape.out_height, shape.out_width,
                  shape.residual ? " +res" : "     ");
    return text;
  }
};

inline ConvShape conv(int batch, int in, int out, int size, int kernel, int stride, bool relu = true,
                      bool residual = false) {
  ConvShape s;
  s.batch = batch;
  s.in_channels = in;
  s.out_channels = out;
  s.in_height = s.in_width = size;
  s.out_height = s.out_width = (size - 1) / stride + 1;
  s.kernel = kernel;
  s.stride = stride;
  s.padding = kernel / 2;
  s.relu = relu;
  s.residual = residual;
  s.dense_input = in < kChannelBlock;
  return s;
}

inline std::vector<ConvShape> network(bool bottleneck, const std::vector<int>& depths, int batch) {
  std::vector<ConvShape> shapes = {conv(batch, 3, 64, 224, 7, 2)};
  int channels = 64;
  int size = 56;
  for (int stage = 0; stage < 4; ++stage) {
    const int width = 64 << stage;
    const int out = bottleneck ? 4 * width : width;
    for (int block = 0; block < depths[stage]; ++block) {
      const int stride = stage > 0 && block == 0 ? 2 : 1;
      if (channels != out) shapes.push_back(conv(batch, channels, out, size, 1, stride, false));
      if (bottleneck) {
        shapes.push_back(conv(batch, channels, width, size, 1, 1));
        shapes.push_back(conv(batch, width, width, size, 3, stride));
        size /= stride;
        shapes.push_back(conv(batch, width, out, size, 1, 1, true, true));
      } else {
        shapes.push_back(conv(batch, channels, width, size, 3, stride));
        size /= stride;
        shapes.push_back(conv(batch, width, width, size, 3, 1, true, true));
      }
      channels = out;
    }
  }
  return shapes;
}

inline std::size_t input_values(const ConvShape& s) {
  return static_cast<std::size_t>(s.batch) * s.in_height * s.in_width * input_pitch(s);
}
inline std::size_t output_values(const ConvShape& s) {
  return static_cast<std::size_t>(s.batch) * s.out_height * s.out_width * padded_channels(s.out_channels);
}

// With the algorithm of this name where it can run, else the one that costs least.
inline void prepare(Layer& layer, const Kernels& kernels, const std::string& wanted, int threads,
                    std::mt19937& random) {
  const ConvShape& s = layer.shape;
  const auto cost = [&](const ConvAlgorithm& algorithm) {
    return algorithm.name == wanted ? 0 : algorithm.cost(s, threads);
  };
  for (const ConvAlgorithm& algorithm : kernels.convs) {
    if (algorithm.refuse(s) != Refusal::kNone) continue;
    if (layer.algorithm == nullptr || cost(algorithm) < cost(*layer.algorithm)) layer.algorithm = &algorithm;
  }
  const int depth = s.in_channels / s.groups * s.kernel * s.kernel;
  layer.weights = AlignedBuffer<float>(static_cast<std::size_t>(s.out_channels) * depth);
  std::uniform_real_distribution<float> uniform(-1, 1);
  const float scale = std::sqrt(6.0F / depth);
  for (float& weight : layer.weights.span()) weight = uniform(random) * scale;
  layer.packed = AlignedBuffer<std::byte>(layer.algorithm->packed_bytes(s));
  layer.algorithm->pack(s, 0, s.out_channels, layer.weights.data(), layer.packed.data());
  layer.bias = AlignedBuffer<float>(padded_channels(s.out_channels), true);
  for (int i = 0; i < s.out_channels; ++i) layer.bias[i] = uniform(random);
}

struct Exact {
  double value;
  double magnitude;  // the sum of what it is the sum of, without signs
};

// One output value in double precision; groups are not needed here.
inline Exact expected(const Layer& layer, const ConvCall& call, int image, int y, int x, int channel) {
  const ConvShape& s = layer.shape;
  double sum = 0, magnitude = 0;
  const auto add = [&](double value) {
    sum += value;
    magnitude += std::abs(value);
  };
  add(layer.bias[channel]);
  for (int ky = 0; ky < s.kernel; ++ky) {
    for (int kx = 0; kx < s.kernel; ++kx) {
      const int in_y = y * s.stride - s.padding + ky;
      const int in_x = x * s.stride - s.padding + kx;
      if (in_y < 0 || in_y >= s.in_height || in_x < 0 || in_x >= s.in_width) continue;
      const float* pixel =
          static_cast<const float*>(call.input) +
          ((static_cast<std::size_t>(image) * s.in_height + in_y) * s.in_width + in_x) * input_pitch(s);
      for (int c = 0; c < s.in_channels; ++c) {
        add(static_cast<double>(pixel[c]) *
            layer.weights[((static_cast<std::size_t>(channel) * s.in_channels + c) * s.kernel + ky) * s.kernel + kx]);
      }
    }
  }
  const std::size_t at =
      ((static_cast<std::size_t>(image) * s.out_height + y) * s.out_width + x) * padded_channels(s.out_channels) +
      channel;
  if (s.residual) add(static_cast<const float*>(call.residual)[at]);
  return {s.relu ? std::max(sum, 0.0) : sum, magnitude};
}

// Ends the program where an output is wrong.
inline void check(Layer& layer, const ConvCall& call, std::mt19937& random) {
  const ConvShape& s = layer.shape;
  double errors = 0, squares = 0;
  for (int sample = 0; sample < 300; ++sample) {
    const int image = static_cast<int>(random() % s.batch);
    const int y = static_cast<int>(random() % s.out_height);
    const int x = static_cast<int>(random() % s.out_width);
    const int channel = static_cast<int>(random() % s.out_channels);
    const Exact want = expected(layer, call, image, y, x, channel);
    const std::size_t pixel = (static_cast<std::size_t>(image) * s.out_height + y) * s.out_width + x;
    const double got = static_cast<const float*>(call.output)[pixel * padded_channels(s.out_channels) + channel];
    if (!(std::abs(want.value - got) < 2e-6 * want.magnitude)) {
      std::fprintf(stderr, "%s, %s: image %d, pixel %d,%d, channel %d: %g instead of %g\n", layer.name().c_str(),
                   layer.algorithm->name, image, y, x, channel, got, want.value);
      std::exit(1);
    }
    errors += (want.value - got) * (want.value - got);
    squares += want.value * want.value;
  }
  layer.error = std::sqrt(errors / squares);
}

inline double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// "--name value" pairs; anything else prints what there is and ends the program.
class BenchOptions {
 public:
  BenchOptions(int argc, char** argv) {
    for (int i = 1; i < argc; i += 2) {
      if (i + 1 == argc || !values_.count(argv[i])) {
        std::fprintf(stderr, "options, with their defaults:\n");
        for (const auto& [name, value] : values_) std::fprintf(stderr, "  %s %s\n", name.c_str(), value.c_str());
        std::exit(2);
      }
      values_[argv[i]] = argv[i + 1];
    }
  }
  const std::string& text(const char* name) const { return values_.at(name); }
  int number(const char* name) const { return std::max(1, std::atoi(values_.at(name).c_str())); }

 private:
  std::map<std::string, std::string> values_ = {
      {"--network", "resnet50"}, {"--batch", "1"}, {"--threads", "2"}, {"--passes", "20"}, {"--algorithm", ""}};
};

}  // namespace resnet
