// Times the convolutions of a ResNet one by one, as the network would run them: every layer has weights of its own, and
// a pass goes through all of them in order, so caches are as cold as they are in life. Every layer's answer is checked
// against sums in double precision, at sampled pixels, before anything is timed.
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
#include "engine/kernels/kernels.h"

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
    while (busy_ > 0) __builtin_ia32_pause();
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
      while (round_ == seen) __builtin_ia32_pause();
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

struct Layer {
  ConvShape shape;
  const ConvAlgorithm* algorithm = nullptr;
  AlignedBuffer<float> weights;
  AlignedBuffer<std::byte> packed;
  AlignedBuffer<float> bias;
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

ConvShape conv(int batch, int in, int out, int size, int kernel, int stride, bool relu = true, bool residual = false) {
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

std::vector<ConvShape> network(bool bottleneck, const std::vector<int>& depths, int batch) {
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

std::size_t input_values(const ConvShape& s) {
  return static_cast<std::size_t>(s.batch) * s.in_height * s.in_width * input_pitch(s);
}
std::size_t output_values(const ConvShape& s) {
  return static_cast<std::size_t>(s.batch) * s.out_height * s.out_width * padded_channels(s.out_channels);
}

void prepare(Layer& layer, const Kernels& kernels, const std::string& wanted, std::mt19937& random) {
  const ConvShape& s = layer.shape;
  for (const ConvAlgorithm& algorithm : kernels.convs) {
    if (algorithm.refuse(s) != nullptr) continue;
    if (layer.algorithm == nullptr || algorithm.name == wanted) layer.algorithm = &algorithm;
  }
  const int depth = s.in_channels / s.groups * s.kernel * s.kernel;
  layer.weights = AlignedBuffer<float>(static_cast<std::size_t>(s.out_channels) * depth);
  std::uniform_real_distribution<float> uniform(-1, 1);
  const float scale = std::sqrt(6.0F / depth);
  for (float& weight : layer.weights.span()) weight = uniform(random) * scale;
  layer.packed = AlignedBuffer<std::byte>(layer.algorithm->packed_bytes(s));
  layer.algorithm->pack(s, layer.weights.data(), layer.packed.data());
  layer.bias = AlignedBuffer<float>(padded_channels(s.out_channels), true);
  for (int i = 0; i < s.out_channels; ++i) layer.bias[i] = uniform(random);
}

// One output value in double precision; groups are not needed here.
double expected(const Layer& layer, const ConvCall& call, int image, int y, int x, int channel) {
  const ConvShape& s = layer.shape;
  double sum = layer.bias[channel];
  for (int ky = 0; ky < s.kernel; ++ky) {
    for (int kx = 0; kx < s.kernel; ++kx) {
      const int in_y = y * s.stride - s.padding + ky;
      const int in_x = x * s.stride - s.padding + kx;
      if (in_y < 0 || in_y >= s.in_height || in_x < 0 || in_x >= s.in_width) continue;
      const float* pixel =
          static_cast<const float*>(call.input) +
          ((static_cast<std::size_t>(image) * s.in_height + in_y) * s.in_width + in_x) * input_pitch(s);
      for (int c = 0; c < s.in_channels; ++c) {
        sum += static_cast<double>(pixel[c]) *
               layer.weights[((static_cast<std::size_t>(channel) * s.in_channels + c) * s.kernel + ky) * s.kernel + kx];
      }
    }
  }
  const std::size_t at =
      ((static_cast<std::size_t>(image) * s.out_height + y) * s.out_width + x) * padded_channels(s.out_channels) +
      channel;
  if (s.residual) sum += static_cast<const float*>(call.residual)[at];
  return s.relu ? std::max(sum, 0.0) : sum;
}

void check(const Layer& layer, const ConvCall& call, std::mt19937& random) {
  const ConvShape& s = layer.shape;
  for (int sample = 0; sample < 300; ++sample) {
    const int image = static_cast<int>(random() % s.batch);
    const int y = static_cast<int>(random() % s.out_height);
    const int x = static_cast<int>(random() % s.out_width);
    const int channel = static_cast<int>(random() % s.out_channels);
    const double want = expected(layer, call, image, y, x, channel);
    const std::size_t pixel = (static_cast<std::size_t>(image) * s.out_height + y) * s.out_width + x;
    const double got = static_cast<const float*>(call.output)[pixel * padded_channels(s.out_channels) + channel];
    if (!(std::abs(want - got) < 1e-4 * (1 + std::abs(want)))) {
      std::fprintf(stderr, "%s, %s: image %d, pixel %d,%d, channel %d: %g instead of %g\n", layer.name().c_str(),
                   layer.algorithm->name, image, y, x, channel, got, want);
      std::exit(1);
    }
  }
}

double measure_peak(const Kernels& kernels, Team& team) {
  std::vector<double> operations(team.size());
  const double seconds = team.run(team.size(), [&](int task, int) { operations[task] = kernels.spin[0](200'000); });
  double sum = 0;
  for (const double value : operations) sum += value;
  return sum / seconds / 1e9;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
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
    prepare(layer, kernels, algorithm, random);
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
    double operations = 0, best = 0, middle = 0;
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
    row.algorithm = layer.algorithm->name;
    operations += layer.operations();
    best += fastest;
  }
  std::printf("%s, batch %d, %d threads, %s: peak %.1f GFLOP/s (median %.1f)\n", network_name.c_str(), batch, threads,
              kernels.name, peak, median(peaks));
  std::printf("%-30s %5s %9s %9s %8s %6s  %s\n", "layer", "count", "best ms", "median", "GFLOP/s", "peak", "algorithm");
  for (const std::string& name : order) {
    const Row& row = rows[name];
    std::printf("%-30s %5d %9.3f %9.3f %8.1f %5.1f%%  %s\n", name.c_str(), row.count, row.best * 1e3, row.middle * 1e3,
                row.operations / row.best / 1e9, row.operations / row.best / 1e7 / peak, row.algorithm);
  }
  const auto line = [&](const char* what, double seconds) {
    std::printf("%-30s %5zu %9.3f %9.3f %8.1f %5.1f%%  %.3f ms an image\n", what, layers.size(), seconds * 1e3,
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
  std::map<std::string, std::string> options = {
      {"--network", "resnet50"}, {"--batch", "1"}, {"--threads", "2"}, {"--passes", "20"}, {"--algorithm", ""}};
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!options.count(argv[i])) {
      std::fprintf(stderr, "conv_bench: no option %s\n", argv[i]);
      return 2;
    }
    options[argv[i]] = argv[i + 1];
  }
  const auto number = [&](const char* name) { return std::max(1, std::atoi(options[name].c_str())); };
  return resnet::bench(options["--network"], number("--batch"), number("--threads"), number("--passes"),
                       options["--algorithm"]);
}
