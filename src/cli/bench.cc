// resnet bench: how fast a network runs here, and how near that is to what the processor can do.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>

#include "arch/describe.h"
#include "base/proc.h"
#include "base/processor.h"
#include "cli/architecture_options.h"
#include "cli/classifier_options.h"
#include "cli/engine_options.h"
#include "cli/progress.h"
#include "model/calibrate.h"
#include "quantize/quantize.h"
#include "resnet/engine.h"
#include "resnet/model_file.h"
#include "weights/initialize.h"

namespace resnet::cli {
namespace {

using Json = nlohmann::ordered_json;

struct BenchCommand {
  ArchitectureOptions network;
  std::string batches = "1,16";
  std::optional<int> size;
  EngineOptions engine;
  bool profile = false;
  bool json = false;
};

struct Measurement {
  FeatureShape shape;
  std::vector<double> times_ms;  // sorted
  std::int64_t macs = 0;
  std::int64_t peak_memory = 0;
  std::vector<StepProfile> steps;  // with --profile

  // The smallest time that `share` of all runs did not exceed.
  double percentile_ms(double share) const {
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(times_ms.size())));
    return times_ms[std::max<std::size_t>(rank, 1) - 1];
  }
  double median_ms() const { return percentile_ms(0.5); }
  double images_per_second() const { return 1e3 * static_cast<double>(shape.batch) / median_ms(); }
  double gflops() const { return gflops_of(macs, median_ms()); }

  static double gflops_of(std::int64_t macs, double ms) { return ms > 0 ? 2e-6 * static_cast<double>(macs) / ms : 0; }
};

std::string cpu_name() { return fmt::format("{} ({})", processor_name(), instruction_set()); }

// Highest resident memory since the last reset.
void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }
std::int64_t peak_memory_bytes() { return std::atoll(proc_value("/proc/self/status", "VmHWM").c_str()) * 1024; }

// Runs for about two seconds, at least 10 and at most 1,000 times, after three runs that do not count.
Measurement measure(const Engine& engine, const FeatureShape& shape, bool profile) {
  using Clock = std::chrono::steady_clock;
  const Graph& graph = engine.graph();
  Measurement result;
  result.shape = shape;
  result.macs = total_macs(graph, infer_shapes(graph, shape));
  std::vector<float> input(static_cast<std::size_t>(shape.count()));
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-2, 2);
  std::generate(input.begin(), input.end(), [&] { return uniform(random); });
  std::vector<float> logits(static_cast<std::size_t>(shape.batch * graph.architecture.classes));

  reset_peak_memory();
  Progress progress("runs", std::nullopt);  // written between the runs, not within
  for (int i = 0; i < 3; ++i) engine.run(input, shape, logits);
  const auto start = Clock::now();
  const auto enough = [&] {
    const std::size_t runs = result.times_ms.size();
    return runs >= 1000 || (runs >= 10 && Clock::now() - start > std::chrono::seconds(2));
  };
  while (!enough()) {
    const auto before = Clock::now();
    engine.run(input, shape, logits);
    result.times_ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - before).count());
    progress.update(static_cast<std::int64_t>(result.times_ms.size()));
  }
  result.peak_memory = peak_memory_bytes();
  const int runs = static_cast<int>(result.times_ms.size());
  std::sort(result.times_ms.begin(), result.times_ms.end());
  if (profile) result.steps = engine.profile(shape, std::min(runs, 50));
  return result;
}

// --- printing ---

Json step_json(const StepProfile& step, double peak) {
  const double gflops = Measurement::gflops_of(step.macs, step.median_ms);
  const FeatureShape& out = step.output;
  return {{"name", step.name},
          {"algorithm", step.algorithm},
          {"refused", step.refused},
          {"output", {out.batch, out.channels, out.height, out.width}},
          {"macs", step.macs},
          {"bytes", step.bytes},
          {"median_ms", step.median_ms},
          {"gflops", gflops},
          {"percent_of_peak", 100 * gflops / peak}};
}

Json run_json(const std::string& model, Precision precision, const Measurement& m, double peak) {
  Json json = {{"model", model},
               {"batch", m.shape.batch},
               {"precision", name(precision)},
               {"median_ms", m.median_ms()},
               {"p90_ms", m.percentile_ms(0.9)},
               {"p99_ms", m.percentile_ms(0.99)},
               {"images_per_second", m.images_per_second()},
               {"gflops", m.gflops()},
               {"percent_of_peak", 100 * m.gflops() / peak},
               {"peak_memory_bytes", m.peak_memory}};
  for (const StepProfile& step : m.steps) json["layers"].push_back(step_json(step, peak));
  return json;
}

void print_steps(const Measurement& m, double peak) {
  fmt::print("\n{:<26} {:<18} {:>16} {:>9} {:>9} {:>8} {:>7}\n", "layer", "algorithm", "output", "MB", "ms", "GFLOP/s",
             "% peak");
  for (const StepProfile& step : m.steps) {
    const FeatureShape& out = step.output;
    fmt::print("{:<26} {:<18} {:>16} {:>9.2f} {:>9.3f}", step.name, step.algorithm,
               fmt::format("{}x{}x{}x{}", out.batch, out.channels, out.height, out.width),
               static_cast<double>(step.bytes) / 1e6, step.median_ms);
    if (step.macs > 0) {
      const double gflops = Measurement::gflops_of(step.macs, step.median_ms);
      fmt::print(" {:>8.1f} {:>7.1f}", gflops, 100 * gflops / peak);
    }
    fmt::print("\n");
    for (const std::string& reason : step.refused) fmt::print("{:<26} not {}\n", "", reason);
  }
  double sum = 0;
  double convolutions = 0;  // and the linear layer
  for (const StepProfile& step : m.steps) {
    sum += step.median_ms;
    if (step.macs > 0) convolutions += step.median_ms;
  }
  const double gflops = Measurement::gflops_of(m.macs, convolutions);
  fmt::print("{:<26} {:<18} {:>16} {:>9} {:>9.3f} {:>8.1f} {:>7.1f}\n", "all convolutions", "", "", "", convolutions,
             gflops, 100 * gflops / peak);
  fmt::print("{:<26} {:<18} {:>16} {:>9} {:>9.3f}\n\n", "all", "", "", "", sum);
}

void print_run(const std::string& model, Precision precision, const Measurement& m, double peak) {
  fmt::print("{:<18} {:>5} {:>9} {:>9.2f} {:>9.2f} {:>9.2f} {:>9.1f} {:>9.1f} {:>7.1f} {:>8.1f}\n", model,
             m.shape.batch, name(precision), m.median_ms(), m.percentile_ms(0.9), m.percentile_ms(0.99),
             m.images_per_second(), m.gflops(), 100 * m.gflops() / peak, static_cast<double>(m.peak_memory) / 1e6);
}

// --- the command ---

struct Network {
  std::string name;
  Graph graph;
  StateDict weights;
  FeatureShape input;  // one picture of the size that the network takes
};

// Random weights in int8, calibrated on noise.
StateDict random_int8_weights(const Graph& graph) {
  Model model;
  model.architecture = graph.architecture;
  model.weights = calibrate_on_noise(graph, initial_weights(graph, 0), 0);
  FeatureShape shape = usual_input(graph.architecture);
  shape.batch = 2;
  const std::vector<float> noise = octave_noise(shape, 1);
  QuantizeOptions options;
  options.min_agreement = 0;
  return quantize(model, {shape, noise}, options).model.weights;
}

Network load(const BenchCommand& command) {
  Network network;
  network.name = command.network.network();
  if (command.network.is_file()) {
    Model model = command.network.load_file();
    network.graph = expand(model.architecture);
    network.weights = std::move(model.weights);
    network.input = usual_input(model.architecture);
    if (model.preprocessing) {
      network.input.height = model.preprocessing->height;
      network.input.width = model.preprocessing->width;
    }
  } else {
    network.graph = expand(command.network.architecture());
    const bool int8 = command.engine.precision == Precision::kInt8;
    network.weights = int8 ? random_int8_weights(network.graph) : initial_weights(network.graph, 0);
    network.input = usual_input(network.graph.architecture);
    if (network.name.empty()) network.name = network.graph.architecture.name;
  }
  if (command.size) network.input.height = network.input.width = *command.size;
  return network;
}

void bench(const BenchCommand& command) {
  const std::vector<int> batches = parse_numbers(command.batches, "--batch");
  for (const int batch : batches) {
    if (batch < 1 || batch > 65'535) throw Usage(fmt::format("--batch: {} is not 1 to 65535", batch));
  }
  Network network = load(command);
  const Engine engine(network.graph, network.weights, command.engine);
  network.weights = {};
  for (const int batch : batches) {  // makes the plans, and refuses what is too large
    network.input.batch = batch;
    static_cast<void>(engine.workspace_bytes(network.input));
  }
  const double peak = measure_peak_gflops(engine.threads(), engine.precision());
  if (!command.json) {
    const int streams = command.engine.streams;
    fmt::print("{}, {} thread{}{}, peak {:.0f} GFLOP/s\n", cpu_name(), engine.threads(),
               engine.threads() == 1 ? "" : "s", streams > 1 ? fmt::format(" in {} streams", streams) : "", peak);
    fmt::print("{:<18} {:>5} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7} {:>8}\n", "model", "batch", "precision",
               "median ms", "p90 ms", "p99 ms", "images/s", "GFLOP/s", "% peak", "MB");
  }
  Json json = {{"cpu", cpu_name()},
               {"threads", engine.threads()},
               {"streams", command.engine.streams},
               {"peak_gflops", peak},
               {"runs", Json::array()}};
  for (const int batch : batches) {
    network.input.batch = batch;
    const Measurement measurement = measure(engine, network.input, command.profile);
    if (command.json) {
      json["runs"].push_back(run_json(network.name, engine.precision(), measurement, peak));
    } else {
      print_run(network.name, engine.precision(), measurement, peak);
      if (command.profile) print_steps(measurement, peak);
    }
  }
  if (command.json) fmt::print("{}\n", json.dump(2));
}

}  // namespace

void add_bench(CLI::App& app) {
  CLI::App* command = app.add_subcommand("bench", "Measure a network's speed and memory on this machine");
  auto options = std::make_shared<BenchCommand>();
  options->network.add_to(*command, "MODEL|NETWORK", "Model file, or name of an architecture (with random weights)");
  command->add_option("--batch", options->batches, "Pictures per run, several separated by commas")
      ->capture_default_str();
  command->add_option("--size", options->size, "Height and width of the pictures (those that the network is made for)")
      ->check(CLI::Range(1, 65'535));
  command->add_option("--threads", options->engine.threads, "Threads of the network; 0: one per processor")
      ->check(CLI::Range(0, 1024));
  add_precision_option(*command, options->engine.precision);
  add_algorithm_options(*command, options->engine);
  CLI::Option* streams = add_streams_option(*command, options->engine);
  command->add_flag("--profile", options->profile, "Show every layer, the algorithm chosen and why")->excludes(streams);
  command->add_flag("--json", options->json, "Print JSON");
  command->footer(
      "Examples:\n"
      "  resnet bench resnet50 --batch 1,16 --threads 2\n"
      "  resnet bench model.safetensors --size 224 --profile\n"
      "  resnet bench resnet18 --tune\n"
      "  resnet bench resnet18 --batch 16 --streams 2\n"
      "  resnet bench resnet18 --algorithms direct");
  command->callback([options] { bench(*options); });
}

}  // namespace resnet::cli
