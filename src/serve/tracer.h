// Traces for OpenTelemetry (OTLP, JSON): one span a request and one for each of its phases, handed to a thread that
// sends them in batches. Whoever answers a request never waits for that: what there is no room for is dropped and
// counted.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "serve/metrics.h"

namespace resnet::serve {

// What a client's header `traceparent` says (https://www.w3.org/TR/trace-context/).
struct TraceParent {
  std::string trace;  // 32 hexadecimal digits
  std::string span;   // 16
  bool sampled = false;
};

// Nothing where it is none.
std::optional<TraceParent> parse_traceparent(std::string_view text);

// A request that was answered.
struct RequestTrace {
  std::optional<TraceParent> parent;
  std::string name;    // "POST /classify"
  std::string method;  // of HTTP
  std::string path;
  int status = 0;
  std::optional<int> grpc_status;
  std::string model, version;  // empty where none was found
  std::int64_t pictures = 0;
  std::chrono::system_clock::time_point begin;
  std::array<Clock::duration, kPhases> phases{};  // one after the other
  Clock::duration total{};
};

// The body of a POST to /v1/traces. Identifiers of spans, and of traces that have none, are drawn.
std::string format_traces(const std::vector<RequestTrace>& traces);

// All functions may be called from several threads at the same time.
class Tracer {
 public:
  // Requests that wait to be sent, and requests of a batch, at most.
  static constexpr std::size_t kRoom = 4096;
  static constexpr std::size_t kBatch = 512;

  // `send` gives a body away, on the tracer's thread; what it throws of resnet::Error is told to `say`, once until
  // sending works again, and the batch is dropped. A batch is sent when it is full, and after `gap` when it is not.
  Tracer(std::function<void(const std::string& body)> send, std::function<void(const std::string&)> say,
         std::chrono::milliseconds gap = std::chrono::seconds(1));
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  // Sends what is there, but gives up where that fails.
  ~Tracer();

  // A request whose parent is not sampled is passed over.
  void add(RequestTrace trace);

  // Of requests.
  std::uint64_t sent() const noexcept { return sent_; }
  std::uint64_t dropped_for_room() const noexcept { return dropped_; }
  std::uint64_t dropped_unsent() const noexcept { return unsent_; }

 private:
  void work();
  bool send_batch(const std::vector<RequestTrace>& batch);

  const std::function<void(const std::string&)> send_;
  const std::function<void(const std::string&)> say_;
  const std::chrono::milliseconds gap_;
  std::atomic<std::uint64_t> sent_ = 0;
  std::atomic<std::uint64_t> dropped_ = 0;
  std::atomic<std::uint64_t> unsent_ = 0;
  bool failing_ = false;  // for the tracer's thread alone
  std::mutex mutex_;      // for what follows; held for moments
  std::condition_variable there_;
  std::vector<RequestTrace> waiting_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace resnet::serve
