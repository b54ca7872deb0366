// What a server counts, and how Prometheus reads it.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "serve/work_queue.h"

namespace resnet::serve {

// The parts of a request's time: waiting for its turn, from bytes to the network's input, the network, from its
// output to bytes.
enum class Phase { kQueue, kDecode, kInfer, kEncode };
inline constexpr std::size_t kPhases = 4;
std::string_view name(Phase phase) noexcept;  // "queue"

// Durations counted by size. All functions may be called from several threads at the same time.
class Histogram {
 public:
  // Upper bounds in seconds; what is longer counts in the last, unbounded one.
  static constexpr std::array<double, 14> kBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                     0.1,    0.25,  0.5,    1,     2.5,  5,     10};

  void add(Clock::duration time) noexcept;
  std::uint64_t count(std::size_t bound) const noexcept { return counts_[bound].load(std::memory_order_relaxed); }
  std::uint64_t nanoseconds() const noexcept { return nanoseconds_.load(std::memory_order_relaxed); }
  std::uint64_t all() const noexcept;

 private:
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> counts_{};
  std::atomic<std::uint64_t> nanoseconds_ = 0;
};

// Of one version of a model; lives on when the file is loaded anew.
struct ModelCounters {
  std::atomic<std::uint64_t> succeeded = 0;  // requests
  std::atomic<std::uint64_t> failed = 0;
  std::atomic<std::uint64_t> pictures = 0;           // of those that succeeded
  std::atomic<std::uint64_t> last_inference_ms = 0;  // Unix time
  std::array<Histogram, kPhases> phases;
  Histogram total;  // from the request's last byte to its answer
};

struct ServerCounters {
  std::array<std::atomic<std::uint64_t>, kRefusals> refused{};
  std::atomic<std::uint64_t> requests = 0;  // of HTTP, whatever they ask
  std::atomic<std::uint64_t> loads = 0;
  std::atomic<std::uint64_t> failed_loads = 0;
};

// The text of Prometheus (exposition format 0.0.4), family by family.
class MetricsText {
 public:
  using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

  void family(std::string_view name, std::string_view type, std::string_view help);
  void sample(std::string_view name, const Labels& labels, double value);
  void sample(std::string_view name, const Labels& labels, std::uint64_t value);
  void histogram(std::string_view name, const Labels& labels, const Histogram& histogram);

  std::string take() { return std::move(text_); }

 private:
  void line(std::string_view name, const Labels& labels, std::string_view value);

  std::string text_;
};

}  // namespace resnet::serve
