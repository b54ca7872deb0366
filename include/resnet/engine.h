// Runs a network: a graph and its weights, made ready once and then run on any number of batches.
//
// Making an Engine checks the weights. The first run at a new input size makes a plan (order, memory, algorithm per
// layer) and packs the weights that no earlier plan packed, batch norms folded in; prepare() does so ahead of time. A
// plan serves every smaller batch of pictures of its size, too.
//
// All const member functions may be called from several threads at the same time and run side by side: each call takes
// memory and threads of its own, and holds no lock while it computes. Only so many calls run at a time
// (EngineOptions::sessions); the others wait for their turn. Who packs weights does so alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "resnet/graph.h"
#include "resnet/precision.h"
#include "resnet/tensor.h"

namespace resnet {

class Crew;

// Which ways to compute convolutions a plan may choose from.
enum class Algorithms {
  kAuto,      // whichever is fastest
  kDirect,    // only multiplying and adding as the definition does
  kWinograd,  // Winograd's minimal filtering wherever it can run, elsewhere whichever is fastest
};

struct EngineOptions {
  int threads = 0;   // working on one run, the caller included; 0: one per processor this process may use
  bool fuse = true;  // false: one step per node of the graph, for tests and for looking inside; kFp32 alone
  std::optional<Precision> precision{};  // absent: kInt8 where the weights are made for it, else kFp32
  Algorithms algorithms = Algorithms::kAuto;

  // Chooses by measuring: the first plan for a size runs the network with every algorithm. What was measured is kept in
  // the user's cache directory ($XDG_CACHE_HOME/resnet or ~/.cache/resnet) for this processor, number of threads and
  // shape. Where there is none that can be read and written, it is kept as long as the engine lives.
  bool tune = false;

  // Told, once, a line for people: why measured times are not kept. By the thread that runs the network; may be empty.
  std::function<void(const std::string&)> notice{};

  // Cuts a batch into so many parts (as many as it has pictures, where those are fewer) that run side by side, each on
  // `threads / streams` threads: threads wait less for each other, and each part has memory of its own. 1 to `threads`,
  // else kInvalidArgument. A single picture runs on one part's threads.
  int streams = 1;

  // How many runs may be under way at a time: further ones wait, in the order in which they came. Each has memory of
  // its own, kept for the next run and given back when no run has needed it for ten seconds and another one ends. 0:
  // one per processor this process may use, at least two; at most 65,535.
  int sessions = 0;

  // Helps this engine's runs where it has nothing else to do (crew.h). For engines of one thread alone, else
  // kInvalidArgument. Measured times are those without it.
  std::shared_ptr<Crew> crew{};
};

// What one step of a plan is and how long it took.
struct StepProfile {
  std::string name;                  // path of the convolution, pool or linear layer that the step is built around
  std::string algorithm;             // the one chosen, "direct 14x32"
  std::vector<std::string> refused;  // the others, each with its reason
  FeatureShape output;
  std::int64_t macs = 0;
  std::int64_t bytes = 0;  // read and written at least once: input, weights, output, residual
  double median_ms = 0;
};

class Engine {
 public:
  // Checks the weights (kMismatch). `weights` is not needed afterwards: the engine keeps handles on the tensors'
  // memory.
  Engine(const Graph& graph, const StateDict& weights, const EngineOptions& options = {});
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  const Graph& graph() const noexcept;
  int threads() const noexcept;          // of all streams together
  Precision precision() const noexcept;  // what was chosen; never kAuto

  // The tensors that it was made with, as they were given, but for num_batches_tracked.
  const StateDict& weights() const noexcept;

  // Makes the plan for this size, packs its weights and takes memory for a run, so that runs have nothing left to do
  // but to compute. With prepare() or without, a smaller batch of such pictures is computed by the algorithms that were
  // chosen for the larger one, unless it was prepared itself. Throws what run() throws.
  void prepare(const FeatureShape& shape) const;

  // Gives back the memory and threads that no run uses now. Plans and packed weights stay.
  void release_memory() const;

  // `input`: batch x channels x height x width (NCHW), row-major. `logits`: batch x classes, of a backbone
  // batch x features. Throws kMismatch where the
  // sizes do not fit, kInvalidArgument where the image is too small for the network.
  void run(std::span<const float> input, const FeatureShape& shape, std::span<float> logits) const;

  // The same, and shows the output of each step (NCHW, float32) as soon as it is computed. `node` is an index into
  // graph().nodes: the last node of those that the step fused. Runs that show something are one stream. An observer
  // must not run this engine: it would wait for the run that it is part of.
  using Observer = std::function<void(int node, const FeatureShape& shape, std::span<const float> values)>;
  void run(std::span<const float> input, const FeatureShape& shape, std::span<float> logits,
           const Observer& observer) const;

  // The same for the outputs of `nodes` alone. Throws kInvalidArgument for a node whose output never exists because a
  // step computes a later one with it: a convolution followed by a batch norm, an add or a relu.
  void run(std::span<const float> input, const FeatureShape& shape, std::span<float> logits, std::span<const int> nodes,
           const Observer& observer) const;

  // The rest of a run: `values` (NCHW) take the place of the output of `node`, and what follows is computed. `shape` is
  // the network's input, as in run(). Throws kInvalidArgument, as above and where what follows reads more than this
  // output: it does not behind a stage, a block, the stem or a pool.
  void run_from(int node, std::span<const float> values, const FeatureShape& shape, std::span<float> logits) const;

  // Times every step over `repeats` runs on random input, in one stream.
  std::vector<StepProfile> profile(const FeatureShape& shape, int repeats) const;

  // Bytes of the weights packed so far, and of the workspaces of a run at this shape.
  std::int64_t weight_bytes() const;
  std::int64_t workspace_bytes(const FeatureShape& shape) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The processor and what it can do: "AVX-512" and so on, as RESNET_ISA chose it (kInvalidArgument for an unknown value,
// kUnsupported for one that this processor lacks).
std::string instruction_set();

// Multiply-adds of a precision (not kAuto) counted as two operations, measured over registers for about 50 ms on
// `threads` threads, best of short slices. Throws kUnsupported where the processor has none.
double measure_peak_gflops(int threads, Precision precision = Precision::kFp32);

}  // namespace resnet
