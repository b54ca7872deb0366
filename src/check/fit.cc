// With r the deviations, J those of each group's moments from all pictures' (so that the covariance of what is seen is
// J'J), and a the ridge: r' (J'J / a + I)^-1 r / 2, computed by Woodbury's identity on matrices as large as there are
// groups.
#include "check/fit.h"

#include <algorithm>
#include <cmath>

namespace resnet {
namespace {

constexpr double kLeastVariance = 1e-12;
constexpr double kRidge = 0.3;     // of the pictures' variance in all directions together
constexpr double kFarthest = 1.5;  // a deviation counts no more: a few odd channels do not decide

using Vector = std::vector<double>;

// What the distance needs of all channels: r'r, J r and J J'.
class Sums {
 public:
  explicit Sums(std::size_t groups) : seen_(groups, 0), gram_(groups, Vector(groups, 0)), here_(groups) {}

  // The channels of a norm, which weigh `weight` together.
  void add(const NormMoments& norm, const Remembered& remembered, double weight) {
    const Moments all = norm.all();
    const auto counts = [&](std::size_t c) { return remembered.variance[c] > kLeastVariance; };
    double channels = 0;
    for (std::size_t c = 0; c < all.sum.size(); ++c) channels += counts(c) ? 1 : 0;
    for (std::size_t c = 0; c < all.sum.size(); ++c) {
      if (counts(c)) add_channel(norm, all, c, remembered.mean[c], remembered.variance[c], weight / channels);
    }
  }

  Fit fit() const;

 private:
  // The mean's deviation in standard deviations, and the variance's as a logarithm: half of the sum of their squares is
  // the distance of moments.h, to the second order.
  void add_channel(const NormMoments& norm, const Moments& all, std::size_t c, double n, double w, double weight) {
    const double m = all.sum[c] / all.pixels, q = all.squares[c] / all.pixels;
    const double v = std::max(q - m * m, kLeastVariance), deviation = std::pow(v * w, 0.25);
    const auto groups = static_cast<double>(here_.size());
    const auto part_of = [&](const Moments& group) { return group.pixels / all.pixels * groups; };
    for (std::size_t g = 0; g < here_.size(); ++g) {
      const Moments& group = norm.groups[g];
      here_[g] = part_of(group) * (group.sum[c] / group.pixels - m) / deviation;
    }
    add_deviation((m - n) / deviation, weight);
    for (std::size_t g = 0; g < here_.size(); ++g) {
      const Moments& group = norm.groups[g];
      const double apart = group.squares[c] / group.pixels - q - 2 * m * (group.sum[c] / group.pixels - m);
      here_[g] = part_of(group) * apart / (v * std::sqrt(2.0));
    }
    add_deviation(std::log(v / w) / std::sqrt(2.0), weight);
  }

  void add_deviation(double r, double weight) {
    r = std::clamp(r, -kFarthest, kFarthest);
    squares_ += weight * r * r;
    for (std::size_t g = 0; g < here_.size(); ++g) {
      seen_[g] += weight * here_[g] * r;
      for (std::size_t h = 0; h <= g; ++h) gram_[g][h] += weight * here_[g] * here_[h];
    }
  }

  double squares_ = 0;
  Vector seen_;               // J r, J not yet divided by what makes it the mean's
  std::vector<Vector> gram_;  // J J', the lower half
  Vector here_;               // a column of J
};

// The columns of (a)^-1 b, by Gauss's elimination; `a` is symmetric and positive definite.
std::vector<Vector> solve(std::vector<Vector> a, std::vector<Vector> b) {
  const std::size_t size = a.size();
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t row = i + 1; row < size; ++row) {
      const double factor = a[row][i] / a[i][i];
      for (std::size_t column = i; column < size; ++column) a[row][column] -= factor * a[i][column];
      for (Vector& values : b) values[row] -= factor * values[i];
    }
  }
  for (Vector& values : b) {
    for (std::size_t i = size; i-- > 0;) {
      for (std::size_t column = i + 1; column < size; ++column) values[i] -= a[i][column] * values[column];
      values[i] /= a[i][i];
    }
  }
  return b;
}

// Without group g, r is less by J_g / (G - 1) to the first order (the infinitesimal jackknife, Jaeckel 1972).
Fit Sums::fit() const {
  const std::size_t groups = seen_.size();
  const auto count = static_cast<double>(groups);
  const double mean = 1 / (count * (count - 1));  // the covariance of a mean of so many
  double ridge = 0;
  for (std::size_t g = 0; g < groups; ++g) ridge += kRidge * mean * gram_[g][g];
  Fit result{squares_ / 2, Vector(groups, 0)};
  if (ridge <= 0) return result;  // the same picture again and again
  std::vector<Vector> a(groups, Vector(groups)), b(1, seen_);
  for (std::size_t g = 0; g < groups; ++g) {
    for (std::size_t h = 0; h < groups; ++h) a[g][h] = mean * gram_[std::max(g, h)][std::min(g, h)];
  }
  b.insert(b.end(), a.begin(), a.end());
  for (std::size_t g = 0; g < groups; ++g) a[g][g] += ridge;
  const std::vector<Vector> solved = solve(std::move(a), std::move(b));
  for (std::size_t g = 0; g < groups; ++g) {
    result.distance -= mean * seen_[g] * solved[0][g] / 2;
    const double along = ridge * solved[0][g], itself = ridge * solved[1 + g][g] / mean;
    result.influence[g] = (itself / (count - 1) / 2 - along) / (count - 1);
  }
  return result;
}

}  // namespace

Fit fit(const std::vector<NormMoments>& norms, const std::vector<Remembered>& remembered) {
  if (norms.empty()) return {};
  Sums sums(norms.front().groups.size());
  for (std::size_t i = 0; i < norms.size(); ++i) {
    sums.add(norms[i], remembered[i], 1 / static_cast<double>(norms.size()));
  }
  return sums.fit();
}

}  // namespace resnet
