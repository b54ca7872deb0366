// Means and variances of what goes into each batch norm, and how far they are from those that it remembers.
#pragma once

#include <string>
#include <vector>

#include "engine/observe.h"
#include "resnet/graph.h"
#include "resnet/tensor.h"

namespace resnet {

// Sums over pixels of each channel.
struct Moments {
  std::vector<double> sum, squares;
  double pixels = 0;

  void add(const float* values, std::int64_t row, std::int64_t pixels, std::size_t channels);
  Moments& operator+=(const Moments& other);
};

// Of one batch norm: pictures are dealt out to groups, so that their disagreement tells what chance does.
struct NormMoments {
  std::string path;
  std::vector<Moments> groups;
};

// What a batch norm remembers of its training.
struct Remembered {
  std::vector<double> mean, variance;

  bool never_updated() const;  // as it was made: means 0, variances 1
};
Remembered remembered(const StateDict& weights, const std::string& path);

// The median over the channels of the symmetric Kullback-Leibler divergence of two normal distributions, halved, one of
// what was seen and one of what is remembered (Kullback and Leibler 1951; with means m and n, variances v and w:
// (v/w + w/v) / 4 - 1/2 + (m - n)^2 (1/v + 1/w) / 4). Channels whose remembered variance is 0 do not count.
double distance(const Moments& seen, const Remembered& remembered);

}  // namespace resnet
