// The engine's convolutions beside oneDNN's own, layer by layer of a ResNet, float32: which layers have something left
// to win. Debian's libdnnl-dev has oneDNN 2.6.3.
//
//   onednn_bench [--network resnet50|resnet18] [--batch N] [--threads N] [--passes N] [--algorithm NAME]
//
// Both compute the same convolutions with bias, residual and ReLU, each with values and weights in its own layout.
// Answers are checked first: ours against sums in double precision, oneDNN's whole output against ours. Both run on the
// threads of OpenMP, so that none waits busily while the other computes. A pass goes through all layers with one, then
// with the other; a layer's time is its best by the wall clock.
#include <omp.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <oneapi/dnnl/dnnl.hpp>
#include <span>

#include "conv_layers.h"

namespace resnet {
namespace {

using MemoryDesc = dnnl::memory::desc;
using Dims = dnnl::memory::dims;
constexpr auto kFloat = dnnl::memory::data_type::f32;

// Values in the engine's layout: NHWC with `pitch` values from one pixel to the next.
MemoryDesc engine_layout(int batch, int channels, int height, int width, std::int64_t pitch) {
  return {{batch, channels, height, width}, kFloat, Dims{height * width * pitch, 1, width * pitch, pitch}};
}
MemoryDesc input_layout(const ConvShape& s) {
  return engine_layout(s.batch, s.in_channels, s.in_height, s.in_width, input_pitch(s));
}
MemoryDesc output_layout(const ConvShape& s) {
  return engine_layout(s.batch, s.out_channels, s.out_height, s.out_width, padded_channels(s.out_channels));
}

dnnl::convolution_forward::primitive_desc describe(const ConvShape& s, const dnnl::engine& engine) {
  const auto any = [](const Dims& dims) { return MemoryDesc(dims, kFloat, dnnl::memory::format_tag::any); };
  const auto after = [&](int in, int out) { return (out - 1) * s.stride + s.kernel - in - s.padding; };
  const dnnl::convolution_forward::desc desc(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_auto,
      any({s.batch, s.in_channels, s.in_height, s.in_width}), any({s.out_channels, s.in_channels, s.kernel, s.kernel}),
      any({s.out_channels}), any({s.batch, s.out_channels, s.out_height, s.out_width}), {s.stride, s.stride},
      {s.padding, s.padding}, {after(s.in_height, s.out_height), after(s.in_width, s.out_width)});
  dnnl::post_ops then;
  if (s.residual) then.append_sum();  // of what stands in the output
  if (s.relu) then.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(then);
  return {desc, attributes, engine};
}

// A layer as oneDNN computes it. Its input and output lie where place() says, which comes before any run.
class OneDnnConv {
 public:
  OneDnnConv(const Layer& layer, const dnnl::engine& engine, dnnl::stream& stream)
      : stream_(stream),
        pd_(describe(layer.shape, engine)),
        conv_(pd_),
        src_(pd_.src_desc(), engine, DNNL_MEMORY_NONE),
        weights_(pd_.weights_desc(), engine),
        bias_(pd_.bias_desc(), engine, const_cast<float*>(layer.bias.data())),
        dst_(pd_.dst_desc(), engine, DNNL_MEMORY_NONE) {
    const ConvShape& s = layer.shape;
    const MemoryDesc plain({s.out_channels, s.in_channels, s.kernel, s.kernel}, kFloat, dnnl::memory::format_tag::oihw);
    copy(dnnl::memory(plain, engine, const_cast<float*>(layer.weights.data())), weights_);
  }

  // Of the larger one of input and output.
  std::size_t bytes() const { return std::max(pd_.src_desc().get_size(), pd_.dst_desc().get_size()); }

  void place(float* input, float* output) {
    src_.set_data_handle(input);
    dst_.set_data_handle(output);
  }

  void run() {
    conv_.execute(stream_,
                  {{DNNL_ARG_SRC, src_}, {DNNL_ARG_WEIGHTS, weights_}, {DNNL_ARG_BIAS, bias_}, {DNNL_ARG_DST, dst_}});
    stream_.wait();
  }

  // The answer to values in the engine's layout, in that layout.
  void answer(const ConvCall& call, float* output) {
    const dnnl::engine engine = pd_.get_engine();
    copy(dnnl::memory(input_layout(call.shape), engine, const_cast<void*>(static_cast<const void*>(call.input))), src_);
    const MemoryDesc out = output_layout(call.shape);
    if (call.shape.residual) {
      copy(dnnl::memory(out, engine, const_cast<void*>(static_cast<const void*>(call.residual))), dst_);
    }
    run();
    copy(dst_, dnnl::memory(out, engine, output));
  }

  std::string implementation() const { return pd_.impl_info_str(); }

 private:
  void copy(dnnl::memory from, dnnl::memory to) {
    dnnl::reorder(from, to).execute(stream_, from, to);
    stream_.wait();
  }

  dnnl::stream& stream_;
  dnnl::convolution_forward::primitive_desc pd_;
  dnnl::convolution_forward conv_;
  dnnl::memory src_, weights_, bias_, dst_;
};

// Three blocks of memory that layers read and write in turn, as a network's values do.
class Buffers {
 public:
  Buffers(std::size_t values, std::mt19937& random) : first_(values) {
    std::normal_distribution<float> normal;
    for (float& value : first_.span()) value = normal(random);
    for (auto& buffer : buffers_) buffer = AlignedBuffer<float>(values);
    reset();
  }
  float* operator[](std::size_t i) { return buffers_[i % 3].data(); }
  void reset() {
    for (auto& buffer : buffers_) std::copy(first_.span().begin(), first_.span().end(), buffer.data());
  }

 private:
  AlignedBuffer<float> first_;
  AlignedBuffer<float> buffers_[3];
};

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class Bench {
 public:
  Bench(const std::string& network_name, int batch, int threads, const std::string& algorithm)
      : threads_(threads), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    omp_set_num_threads(threads);
    const bool bottleneck = network_name == "resnet50";
    const std::vector<int> depths = bottleneck ? std::vector{3, 4, 6, 3} : std::vector{2, 2, 2, 2};
    std::size_t values = 0, scratch_bytes = 0;
    for (const ConvShape& shape : network(bottleneck, depths, batch)) {
      Layer& layer = layers_.emplace_back();
      layer.shape = shape;
      prepare(layer, best_kernels(), algorithm, threads, random_);
      values = std::max({values, input_values(shape), output_values(shape)});
      scratch_bytes = std::max(scratch_bytes, layer.algorithm->scratch_bytes(shape));
    }
    theirs_.reserve(layers_.size());
    for (const Layer& layer : layers_) {
      theirs_.emplace_back(layer, engine_, stream_);
      values = std::max(values, theirs_.back().bytes() / sizeof(float) + 1);
    }
    buffers_ = Buffers(values, random_);
    for (std::size_t i = 0; i < theirs_.size(); ++i) theirs_[i].place(buffers_[i], buffers_[i + 1]);
    for (int i = 0; i < threads; ++i) scratch_.emplace_back(scratch_bytes);
    their_seconds_.resize(layers_.size());
  }

  // Ends the program where an answer is wrong.
  void check_answers() {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const Layer& layer = layers_[i];
      buffers_.reset();
      AlignedBuffer<float> input(input_values(layer.shape)), residual(output_values(layer.shape));
      AlignedBuffer<float> ours(residual.size()), theirs(residual.size(), true);
      std::copy_n(buffers_[0], input.size(), input.data());
      std::copy_n(buffers_[0], residual.size(), residual.data());
      ConvCall call = our_call(i);
      call.input = input.data();
      call.output = ours.data();
      if (layer.shape.residual) call.residual = residual.data();
      run_ours(layer, call);
      check(layer, call, random_);
      theirs_[i].answer(call, theirs.data());
      compare(layer, ours.span(), theirs.span());
    }
  }

  void time(int passes) {
    for (int pass = 0; pass < passes; ++pass) {
      buffers_.reset();
      for (std::size_t i = 0; i < layers_.size(); ++i) {
        layers_[i].seconds.push_back(seconds_of([&] { run_ours(layers_[i], our_call(i)); }));
      }
      buffers_.reset();
      for (std::size_t i = 0; i < layers_.size(); ++i) {
        their_seconds_[i].push_back(seconds_of([&] { theirs_[i].run(); }));
      }
    }
  }

  void print() const;

 private:
  ConvCall our_call(std::size_t i) {
    ConvCall call;
    call.shape = layers_[i].shape;
    call.input = buffers_[i];
    call.output = buffers_[i + 1];
    call.residual = call.shape.residual ? buffers_[i + 2] : nullptr;
    call.weights = layers_[i].packed.data();
    call.bias = layers_[i].bias.data();
    return call;
  }

  void run_ours(const Layer& layer, const ConvCall& call) {
    const int tasks = layer.algorithm->tasks(layer.shape, threads_);
    std::atomic<int> next = 0;
#pragma omp parallel num_threads(threads_)
    {
      std::byte* scratch = scratch_[static_cast<std::size_t>(omp_get_thread_num())].data();
      for (int task = next++; task < tasks; task = next++) layer.algorithm->run(call, task, tasks, scratch);
    }
  }

  static void compare(const Layer& layer, std::span<const float> ours, std::span<const float> theirs) {
    for (std::size_t i = 0; i < ours.size(); ++i) {
      if (std::abs(ours[i] - theirs[i]) < 1e-4F * (1 + std::abs(theirs[i]))) continue;
      std::fprintf(stderr, "%s, %s: value %zu: %g, but %g with oneDNN\n", layer.name().c_str(), layer.algorithm->name,
                   i, ours[i], theirs[i]);
      std::exit(1);
    }
  }

  int threads_;
  std::mt19937 random_{1};
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::vector<Layer> layers_;
  std::vector<OneDnnConv> theirs_;
  std::vector<std::vector<double>> their_seconds_;
  Buffers buffers_{0, random_};
  std::vector<AlignedBuffer<std::byte>> scratch_;
};

// Layers of one shape are one row.
void Bench::print() const {
  struct Row {
    explicit Row(std::string row_name) : name(std::move(row_name)) {}
    std::string name;
    int count = 0;
    double operations = 0, ours = 0, theirs = 0;
    std::string algorithm, implementation;
  };
  std::vector<Row> rows;
  Row sum("sum");
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const std::string name = layers_[i].name();
    auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return row.name == name; });
    if (row == rows.end()) row = rows.insert(row, Row(name));
    row->algorithm = layers_[i].algorithm->name;
    row->implementation = theirs_[i].implementation();
    for (Row* r : {&*row, &sum}) {
      ++r->count;
      r->operations += layers_[i].operations();
      r->ours += *std::min_element(layers_[i].seconds.begin(), layers_[i].seconds.end());
      r->theirs += *std::min_element(their_seconds_[i].begin(), their_seconds_[i].end());
    }
  }
  const dnnl_version_t& version = *dnnl_version();
  std::printf("%d threads, %s, oneDNN %d.%d.%d; best ms of all layers of a shape\n", threads_, best_kernels().name,
              version.major, version.minor, version.patch);
  std::printf("%-30s %5s %9s %9s %6s %9s %9s  %s | %s\n", "layer", "count", "ours", "oneDNN", "ratio", "GFLOP/s",
              "oneDNN", "ours", "oneDNN");
  rows.push_back(sum);
  for (const Row& row : rows) {
    std::printf("%-30s %5d %9.3f %9.3f %6.2f %9.1f %9.1f  %s | %s\n", row.name.c_str(), row.count, row.ours * 1e3,
                row.theirs * 1e3, row.theirs / row.ours, row.operations / row.ours / 1e9,
                row.operations / row.theirs / 1e9, row.algorithm.c_str(), row.implementation.c_str());
  }
}

}  // namespace
}  // namespace resnet

int main(int argc, char** argv) {
  const resnet::BenchOptions options(argc, argv);
  resnet::Bench bench(options.text("--network"), options.number("--batch"), options.number("--threads"),
                      options.text("--algorithm"));
  bench.check_answers();
  bench.time(options.number("--passes"));
  bench.print();
}
