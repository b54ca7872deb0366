// What the processor can do at most.
#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "resnet/engine.h"

namespace resnet {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The best of slices of about 2 ms, because others use the processor too.
double peak_of_one_thread(const Kernels& kernels, ValueType type) {
  constexpr std::int64_t kIterations = 100'000;
  double best = 0;
  for (const auto start = std::chrono::steady_clock::now(); seconds_since(start) < 0.05;) {
    const auto slice = std::chrono::steady_clock::now();
    const double operations = kernels.spin(type, kIterations);
    best = std::max(best, operations / seconds_since(slice));
  }
  return best;
}

}  // namespace

std::string instruction_set() { return std::string(name(chosen_isa())); }

double measure_peak_gflops(int threads, Precision precision) {
  const Kernels& kernels = best_kernels();
  const ValueType type = precision == Precision::kInt8   ? ValueType::kU8
                         : precision == Precision::kBf16 ? ValueType::kBf16
                                                         : ValueType::kF32;
  if (!kernels.multiplies(type)) {
    fail(ErrorCode::kUnsupported, "precision", "{} has no {}", name(kernels.isa), name(precision));
  }
  ThreadPool team(threads);
  std::vector<double> peaks(static_cast<std::size_t>(threads));
  team.run(threads, [&](int task, int) { peaks[static_cast<std::size_t>(task)] = peak_of_one_thread(kernels, type); });
  return std::accumulate(peaks.begin(), peaks.end(), 0.0) / 1e9;
}

}  // namespace resnet
