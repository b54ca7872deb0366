// resnet bench: how fast a network runs here, and how near that is to what the processor can do.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <random>

#include "arch/describe.h"
#include "base/proc.h"
#include "base/processor.h"
#include "base/text.h"
#include "cli/architecture_options.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "cli/engine_options.h"
#include "console/json.h"
#include "console/progress.h"
#include "console/text_table.h"
#include "model/calibrate.h"
#include "resnet/engine.h"
#include "resnet/model_file.h"
#include "resnet/quantize.h"
#include "weights/initialize.h"

namespace resnet::cli {
namespace {

struct BenchCommand {
  ArchitectureOptions network;
  std::string batches = "1,16";
  std::optional<int> size;
  EngineOptions engine;
  bool profile = false;
  bool json = false;
  bool allow_nonfinite = false;
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
  std::vector<float> logits(static_cast<std::size_t>(shape.batch * graph.architecture.outputs()));

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
  return JsonObject{{"name", step.name},
                    {"algorithm", step.algorithm},
                    {"refused", step.refused},
                    {"output", std::vector<std::int64_t>{out.batch, out.channels, out.height, out.width}},
                    {"macs", step.macs},
                    {"bytes", step.bytes},
                    {"median_ms", step.median_ms},
                    {"gflops", gflops},
                    {"percent_of_peak", 100 * gflops / peak}};
}

Json run_json(const std::string& model, Precision precision, const Measurement& m, double peak) {
  JsonObject json = {{"model", model},
                     {"batch", m.shape.batch},
                     {"precision", name(precision)},
                     {"median_ms", m.median_ms()},
                     {"p90_ms", m.percentile_ms(0.9)},
                     {"p99_ms", m.percentile_ms(0.99)},
                     {"images_per_second", m.images_per_second()},
                     {"gflops", m.gflops()},
                     {"percent_of_peak", 100 * m.gflops() / peak},
                     {"peak_memory_bytes", m.peak_memory}};
  JsonArray layers;
  for (const StepProfile& step : m.steps) layers.add(step_json(step, peak));
  if (!m.steps.empty()) json.add("layers", layers);
  return json;
}

std::string fixed(double value, int decimals) { return fmt::format("{:.{}f}", value, decimals); }

// What multiplications and additions a second are called: of int8 they are no floating-point operations.
const char* rate_name(Precision precision) { return precision == Precision::kInt8 ? "GOP/s" : "GFLOP/s"; }

// Without the precision, which the table's head says.
std::string algorithm_name(std::string_view name, Precision precision) {
  const std::string prefix = precision == Precision::kInt8 ? "int8 " : "";
  return std::string(name.starts_with(prefix) ? name.substr(prefix.size()) : name);
}

// Why the next best algorithm was not taken, where there was one that could have run; else why the first could not.
const std::string* telling_reason(const StepProfile& step) {
  const auto timed = std::find_if(step.refused.begin(), step.refused.end(),
                                  [](const std::string& reason) { return reason.ends_with("times as long"); });
  if (timed != step.refused.end()) return &*timed;
  return step.refused.empty() ? nullptr : &step.refused.front();
}

void print_steps(const Measurement& m, Precision precision, double peak) {
  TextTable table(
      {Align::kLeft, Align::kLeft, Align::kRight, Align::kRight, Align::kRight, Align::kRight, Align::kRight});
  table.row({"layer", "algorithm", "output", "MB", "ms", rate_name(precision), "% peak"});
  double sum = 0;
  double convolutions = 0;  // and the linear layer
  for (const StepProfile& step : m.steps) {
    const FeatureShape& out = step.output;
    const double gflops = Measurement::gflops_of(step.macs, step.median_ms);
    const bool counts = step.macs > 0;
    table.row({step.name, algorithm_name(step.algorithm, precision),
               fmt::format("{}x{}x{}x{}", out.batch, out.channels, out.height, out.width),
               fixed(static_cast<double>(step.bytes) / 1e6, 2), fixed(step.median_ms, 3),
               counts ? fixed(gflops, 1) : "", counts ? fixed(100 * gflops / peak, 1) : ""});
    if (const std::string* reason = telling_reason(step)) {
      table.note(1, fmt::format("not {}", algorithm_name(*reason, precision)));
    }
    sum += step.median_ms;
    if (counts) convolutions += step.median_ms;
  }
  const double gflops = Measurement::gflops_of(m.macs, convolutions);
  table.row({"all convolutions", "", "", "", fixed(convolutions, 3), fixed(gflops, 1), fixed(100 * gflops / peak, 1)});
  table.row({"all", "", "", "", fixed(sum, 3)});
  fmt::print("\n{}\n", table.str());
}

// A line per run, printed as soon as it is over.
class RunTable {
 public:
  explicit RunTable(Precision precision) : table_(std::vector<Align>(9, Align::kRight)) {
    const TextTable::Cells titles = {"batch",      "precision",          "median ms", "p90 ms", "p99 ms",
                                     "pictures/s", rate_name(precision), "% peak",    "MB"};
    table_.fit({"65535", "", "99999.99", "99999.99", "99999.99", "99999.9", "99999.9", "", "99999.9"});
    table_.fit(titles);
    fmt::print("{}", table_.line(titles));
  }

  void add(Precision precision, const Measurement& m, double peak) {
    fmt::print("{}",
               table_.line({std::to_string(m.shape.batch), std::string(name(precision)), fixed(m.median_ms(), 2),
                            fixed(m.percentile_ms(0.9), 2), fixed(m.percentile_ms(0.99), 2),
                            fixed(m.images_per_second(), 1), fixed(m.gflops(), 1), fixed(100 * m.gflops() / peak, 1),
                            fixed(static_cast<double>(m.peak_memory) / 1e6, 1)}));
  }

 private:
  TextTable table_;
};

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
    Model model = command.network.load_file({.allow_nonfinite = command.allow_nonfinite});
    if (command.allow_nonfinite) say_nonfinite(network.name, model.weights);
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
    engine.prepare(network.input);
  }
  const double peak = measure_peak_gflops(engine.threads(), engine.precision());
  std::optional<RunTable> table;
  if (!command.json) {
    const int streams = command.engine.streams;
    fmt::print("{}\n{}, {} thread{}{}, peak {:.0f} {}\n", printable(network.name), cpu_name(), engine.threads(),
               engine.threads() == 1 ? "" : "s", streams > 1 ? fmt::format(" in {} streams", streams) : "", peak,
               rate_name(engine.precision()));
    table.emplace(engine.precision());
  }
  JsonArray runs;
  for (const int batch : batches) {
    network.input.batch = batch;
    const Measurement measurement = measure(engine, network.input, command.profile);
    if (command.json) {
      runs.add(run_json(network.name, engine.precision(), measurement, peak));
    } else {
      table->add(engine.precision(), measurement, peak);
      if (command.profile) print_steps(measurement, engine.precision(), peak);
    }
  }
  if (!command.json) return;
  const JsonObject json = {{"cpu", cpu_name()},
                           {"threads", engine.threads()},
                           {"streams", command.engine.streams},
                           {"peak_gflops", peak},
                           {"runs", runs}};
  fmt::print("{}\n", json.indented());
}

}  // namespace

void add_bench(Command& app) {
  Command* command = app.add_subcommand("bench", "Measure speed and memory on this machine");
  auto options = std::make_shared<BenchCommand>();
  options->network.add_to(*command, "NETWORK|MODEL", "An architecture, with random weights, or a model file");
  command->add_option("--batch", options->batches, "Pictures per run, several with commas")
      ->type_name("LIST")
      ->capture_default_str();
  command->add_option("--size", options->size, "Height and width of the pictures; else those the network is made for")
      ->type_name("SIZE")
      ->check(Range(1, 65'535));
  command->add_option("--threads", options->engine.threads, "Threads (one per processor)")->check(Range(0, 1024));
  add_precision_option(*command, options->engine.precision);
  add_algorithm_options(*command, options->engine);
  Option* streams = add_streams_option(*command, options->engine);
  command->add_flag("--profile", options->profile, "Show every layer, its algorithm and why")->excludes(streams);
  add_nonfinite_option(*command, options->allow_nonfinite);
  command->add_flag("--json", options->json, "Print JSON");
  command->footer(
      "Examples:\n"
      "  resnet bench resnet50 --batch 1,16 --threads 2\n"
      "  resnet bench model.safetensors --size 224 --profile\n"
      "  resnet bench resnet18 --batch 16 --streams 2");
  command->callback([options] { bench(*options); });
}

}  // namespace resnet::cli
