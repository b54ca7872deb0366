// Times the convolutions of a ResNet one by one, as the network would run them: every layer has weights of its own, and
// a pass goes through all of them in order, so caches are as cold as they are in life. Every layer's answer is checked
// against sums in double precision, at sampled pixels, before anything is timed: "error" is the root mean square
// difference over the root mean square.
//
//   conv_bench [--network resnet50|resnet18] [--batch N] [--threads N] [--passes N] [--algorithm NAME]
//
// RESNET_ISA chooses the instruction set. The peak is measured before each pass. Times are processor time, so that
// other programs on the machine disturb little: of a layer, that of all its tasks over the number of threads; the wall
// clock's best pass is given for comparison.
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/buffer.h"
#include "base/processor.h"
#include "conv_layers.h"
#include "kernels/kernels.h"

namespace resnet {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Threads that wait spinning, so that starting them costs nothing measurable.
class Team {
 public:
  explicit Team(int threads) : threads_(threads), seconds_(threads) {
    for (int i = 1; i < threads; ++i) helpers_.emplace_back([this, i] { help(i); });
  }
  ~Team() {
    stop_ = true;
    ++round_;
    for (auto& helper : helpers_) helper.join();
  }

  int size() const { return threads_; }

  // work(task, thread) for each task; threads take the next one that is left. Returns the processor time of all tasks
  // over the number of threads.
  double run(int tasks, const std::function<void(int, int)>& work) {
    work_ = &work;
    tasks_ = tasks;
    next_ = 0;
    busy_ = threads_ - 1;
    ++round_;
    take(0);
    while (busy_ > 0) pause_processor();
    double sum = 0;
    for (double& seconds : seconds_) {
      sum += seconds;
      seconds = 0;
    }
    return sum / threads_;
  }

 private:
  void take(int thread) {
    for (int task = next_++; task < tasks_; task = next_++) {
      const double start = thread_seconds();
      (*work_)(task, thread);
      seconds_[thread] += thread_seconds() - start;
    }
  }
  void help(int thread) {
    for (int seen = 0;;) {
      while (round_ == seen) pause_processor();
      ++seen;
      if (stop_) return;
      take(thread);
      --busy_;
    }
  }

  int threads_;
  std::vector<double> seconds_;  // of each thread's tasks
  std::vector<std::thread> helpers_;
  const std::function<void(int, int)>* work_ = nullptr;
  int tasks_ = 0;
  std::atomic<int> next_ = 0, round_ = 0, busy_ = 0;
  std::atomic<bool> stop_ = false;
};

double measure_peak(const Kernels& kernels, Team& team) {
  std::vector<double> operations(team.size());
  const double seconds =
      team.run(team.size(), [&](int task, int) { operations[task] = kernels.spin(ValueType::kF32, 200'000); });
  double sum = 0;
  for (const double value : operations) sum += value;
  return sum / seconds / 1e9;
}

int bench(const std::string& network_name, int batch, int threads, int passes, const std::string& algorithm) {
  const Kernels& kernels = best_kernels();
  Team team(threads);
  std::mt19937 random(1);
  std::vector<Layer> layers;
  const bool bottleneck = network_name == "resnet50";
  const std::vector<int> depths = bottleneck ? std::vector{3, 4, 6, 3} : std::vector{2, 2, 2, 2};
  std::size_t values = 0;
  std::size_t scratch_bytes = 0;
  for (const ConvShape& shape : network(bottleneck, depths, batch)) {
    Layer& layer = layers.emplace_back();
    layer.shape = shape;
    prepare(layer, kernels, algorithm, threads, random);
    values = std::max({values, input_values(shape), output_values(shape)});
    scratch_bytes = std::max(scratch_bytes, layer.algorithm->scratch_bytes(shape));
  }
  AlignedBuffer<float> buffers[3] = {AlignedBuffer<float>(values), AlignedBuffer<float>(values),
                                     AlignedBuffer<float>(values)};
  std::normal_distribution<float> normal;
  for (auto& buffer : buffers) {
    for (float& value : buffer.span()) value = normal(random);
  }
  std::vector<AlignedBuffer<std::byte>> scratch;
  scratch.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i) scratch.emplace_back(scratch_bytes);

  std::vector<double> peaks, totals, walls;
  for (int pass = -1; pass < passes; ++pass) {
    peaks.push_back(measure_peak(kernels, team));
    double total = 0, wall = 0;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      Layer& layer = layers[i];
      ConvCall call;
      call.shape = layer.shape;
      call.input = buffers[i % 3].data();
      call.output = buffers[(i + 1) % 3].data();
      call.residual = layer.shape.residual ? buffers[(i + 2) % 3].data() : nullptr;
      call.weights = layer.packed.data();
      call.bias = layer.bias.data();
      const auto start = Clock::now();
      const int tasks = layer.algorithm->tasks(layer.shape, threads);
      const double seconds = team.run(
          tasks, [&](int task, int thread) { layer.algorithm->run(call, task, tasks, scratch[thread].data()); });
      wall += seconds_since(start);
      if (pass < 0) {
        check(layer, call, random);
        continue;
      }
      total += seconds;
      layer.seconds.push_back(seconds);
    }
    if (pass < 0) continue;
    totals.push_back(total);
    walls.push_back(wall);
  }

  struct Row {
    int count = 0;
    double operations = 0, best = 0, middle = 0, error = 0;
    const char* algorithm = "";
  };
  const double peak = *std::max_element(peaks.begin(), peaks.end());
  std::map<std::string, Row> rows;
  std::vector<std::string> order;
  double operations = 0, best = 0;
  for (const Layer& layer : layers) {
    if (!rows.count(layer.name())) order.push_back(layer.name());
    Row& row = rows[layer.name()];
    const double fastest = *std::min_element(layer.seconds.begin(), layer.seconds.end());
    ++row.count;
    row.operations += layer.operations();
    row.best += fastest;
    row.middle += median(layer.seconds);
    row.error = std::max(row.error, layer.error);
    row.algorithm = layer.algorithm->name;
    operations += layer.operations();
    best += fastest;
  }
  std::printf("%s, batch %d, %d threads, %s: peak %.1f GFLOP/s (median %.1f)\n", network_name.c_str(), batch, threads,
              std::string(name(kernels.isa)).c_str(), peak, median(peaks));
  std::printf("%-30s %5s %9s %9s %8s %6s %8s  %s\n", "layer", "count", "best ms", "median", "GFLOP/s", "peak", "error",
              "algorithm");
  for (const std::string& name : order) {
    const Row& row = rows[name];
    std::printf("%-30s %5d %9.3f %9.3f %8.1f %5.1f%% %8.1e  %s\n", name.c_str(), row.count, row.best * 1e3,
                row.middle * 1e3, row.operations / row.best / 1e9, row.operations / row.best / 1e7 / peak, row.error,
                row.algorithm);
  }
  const auto line = [&](const char* what, double seconds) {
    std::printf("%-30s %5zu %9.3f %9.3f %8.1f %5.1f%%  %.3f ms a picture\n", what, layers.size(), seconds * 1e3,
                seconds * 1e3, operations / seconds / 1e9, operations / seconds / 1e7 / peak, seconds * 1e3 / batch);
  };
  line("sum of the layers' best", best);
  line("best pass", *std::min_element(totals.begin(), totals.end()));
  line("median pass", median(totals));
  line("best pass, wall clock", *std::min_element(walls.begin(), walls.end()));
  return 0;
}

}  // namespace
}  // namespace resnet

int main(int argc, char** argv) {
  const resnet::BenchOptions options(argc, argv);
  return resnet::bench(options.text("--network"), options.number("--batch"), options.number("--threads"),
                       options.number("--passes"), options.text("--algorithm"));
}
