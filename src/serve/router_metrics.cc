// The answer to GET /metrics.
#include <unistd.h>

#include <ctime>
#include <fstream>

#include "serve/router.h"

namespace resnet::serve {
namespace {

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t size = 0;
  std::int64_t resident = 0;
  file >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

HttpResponse Router::metrics() {
  MetricsText text;
  const std::vector<ModelStatus> models = repository_.list();
  const auto each = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
    text.family(name, type, help);
    for (const ModelStatus& status : models) {
      text.sample(name, {{"model", status.name}, {"version", status.version}}, value(*status.counters));
    }
  };
  const auto microseconds = [](std::uint64_t nanoseconds) { return nanoseconds / 1000; };
  const auto phase = [](Phase which) { return static_cast<std::size_t>(which); };
  each("nv_inference_request_success", "counter", "Requests that were answered",
       [](const ModelCounters& c) { return c.succeeded.load(); });
  each("nv_inference_request_failure", "counter", "Requests whose answer was an error",
       [](const ModelCounters& c) { return c.failed.load(); });
  each("nv_inference_count", "counter", "Pictures that were answered",
       [](const ModelCounters& c) { return c.pictures.load(); });
  each("nv_inference_exec_count", "counter", "Runs of the network",
       [](const ModelCounters& c) { return c.pictures.load(); });
  each("nv_inference_request_duration_us", "counter", "Time of requests from their last byte to their answer",
       [&](const ModelCounters& c) { return microseconds(c.total.nanoseconds()); });
  each("nv_inference_queue_duration_us", "counter", "Time of requests in the queue",
       [&](const ModelCounters& c) { return microseconds(c.phases[phase(Phase::kQueue)].nanoseconds()); });
  each("nv_inference_compute_input_duration_us", "counter", "Time from bytes to the network's input",
       [&](const ModelCounters& c) { return microseconds(c.phases[phase(Phase::kDecode)].nanoseconds()); });
  each("nv_inference_compute_infer_duration_us", "counter", "Time in the network",
       [&](const ModelCounters& c) { return microseconds(c.phases[phase(Phase::kInfer)].nanoseconds()); });
  each("nv_inference_compute_output_duration_us", "counter", "Time from the network's output to bytes",
       [&](const ModelCounters& c) { return microseconds(c.phases[phase(Phase::kEncode)].nanoseconds()); });
  text.family("nv_inference_pending_request_count", "gauge", "Requests in the queue, of all models");
  text.sample("nv_inference_pending_request_count", {}, static_cast<std::uint64_t>(queue_.waiting()));

  text.family("resnet_request_phase_seconds", "histogram", "Time of requests by model and phase");
  for (const ModelStatus& status : models) {
    for (std::size_t i = 0; i < kPhases; ++i) {
      text.histogram("resnet_request_phase_seconds",
                     {{"model", status.name}, {"version", status.version}, {"phase", name(static_cast<Phase>(i))}},
                     status.counters->phases[i]);
    }
  }
  text.family("resnet_request_seconds", "histogram", "Time of requests from their last byte to their answer");
  for (const ModelStatus& status : models) {
    text.histogram("resnet_request_seconds", {{"model", status.name}, {"version", status.version}},
                   status.counters->total);
  }
  text.family("resnet_refused_total", "counter", "Requests that no model saw, by reason");
  for (std::size_t i = 0; i < kRefusals; ++i) {
    text.sample("resnet_refused_total", {{"reason", name(static_cast<Refusal>(i))}}, counters_.refused[i].load());
  }
  const auto one = [&](std::string_view name, std::string_view type, std::string_view help, std::uint64_t value) {
    text.family(name, type, help);
    text.sample(name, {}, value);
  };
  one("resnet_http_requests_total", "counter", "Requests of all kinds", counters_.requests);
  one("resnet_connections", "gauge", "Open connections", connections_());
  one("resnet_queue_limit", "gauge", "Requests that the queue holds at most", queue_.limit());
  one("resnet_workers", "gauge", "Threads that answer", static_cast<std::uint64_t>(queue_.workers()));
  one("resnet_workers_busy", "gauge", "Those of them that are at work", static_cast<std::uint64_t>(queue_.working()));
  one("resnet_request_bytes", "gauge", "Bytes that requests hold", static_cast<std::uint64_t>(bytes_.used()));
  one("resnet_request_bytes_limit", "gauge", "Bytes that requests may hold",
      static_cast<std::uint64_t>(bytes_.limit()));
  one("resnet_model_loads_total", "counter", "Models that were loaded, or were tried", counters_.loads);
  one("resnet_model_load_failures_total", "counter", "Those of them that failed", counters_.failed_loads);
  if (tracer_ != nullptr) {
    one("resnet_traces_sent_total", "counter", "Requests whose traces the collector took", tracer_->sent());
    text.family("resnet_traces_dropped_total", "counter", "Requests whose traces were dropped, by reason");
    text.sample("resnet_traces_dropped_total", {{"reason", "full"}}, tracer_->dropped_for_room());
    text.sample("resnet_traces_dropped_total", {{"reason", "not_taken"}}, tracer_->dropped_unsent());
  }
  text.family("resnet_model_info", "gauge", "1 for each model that is ready; its precision in a label");
  for (const ModelStatus& status : models) {
    if (!status.model) continue;
    text.sample("resnet_model_info",
                {{"model", status.name},
                 {"version", status.version},
                 {"precision", resnet::name(status.model->classifier().engine().precision())}},
                std::uint64_t{1});
  }
  text.family("resnet_model_bytes", "gauge", "Memory of a model's weights and of one run");
  for (const ModelStatus& status : models) {
    if (!status.model) continue;
    text.sample("resnet_model_bytes", {{"model", status.name}, {"version", status.version}},
                static_cast<std::uint64_t>(status.model->bytes()));
  }
  text.family("resnet_input_drift", "gauge", "Of the first batch norm, 0 where what comes in is like the training's");
  for (const ModelStatus& status : models) {
    if (!status.model || status.model->drift() == nullptr) continue;
    text.sample("resnet_input_drift", {{"model", status.name}, {"version", status.version}},
                status.model->drift()->distance());
  }
  text.family("process_resident_memory_bytes", "gauge", "Memory of the process");
  text.sample("process_resident_memory_bytes", {}, static_cast<std::uint64_t>(resident_bytes()));
  text.family("process_cpu_seconds_total", "counter", "Processor time of the process");
  text.sample("process_cpu_seconds_total", {}, static_cast<double>(std::clock()) / CLOCKS_PER_SEC);
  return {200, {{"content-type", "text/plain; version=0.0.4; charset=utf-8"}}, text.take()};
}

}  // namespace resnet::serve
