#include "serve/tracer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <utility>

#include "console/json.h"
#include "resnet/error.h"

namespace resnet::serve {
namespace {

constexpr std::size_t kMaxText = 256;  // bytes of a client's text that a span holds
constexpr int kInternal = 1;           // kinds of spans (opentelemetry/proto/trace/v1/trace.proto)
constexpr int kServer = 2;
constexpr int kError = 2;  // a span's status

// Random bits as hexadecimal digits, not all zero.
std::string draw_digits(int words) {
  thread_local std::mt19937_64 random = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  std::string digits;
  for (int i = 0; i < words; ++i) digits += fmt::format("{:016x}", std::max<std::uint64_t>(random(), 1));
  return digits;
}

// As JSON has 64-bit numbers of protobuf.
std::string whole(std::int64_t value) { return std::to_string(value); }

JsonObject text_attribute(std::string_view key, std::string_view value) {
  return {{"key", key}, {"value", JsonObject{{"stringValue", value}}}};
}
JsonObject number_attribute(std::string_view key, std::int64_t value) {
  return {{"key", key}, {"value", JsonObject{{"intValue", whole(value)}}}};
}

// Of a client's text, which may hold anything: a collector might refuse the whole batch.
std::string printable(std::string_view text) {
  std::string result(text.substr(0, kMaxText));
  for (char& c : result) {
    if (c < ' ' || c > '~') c = '?';
  }
  return result;
}

JsonArray attributes_of(const RequestTrace& trace) {
  JsonArray attributes;
  attributes.add(text_attribute("http.request.method", printable(trace.method)));
  attributes.add(text_attribute("url.path", printable(trace.path)));
  attributes.add(number_attribute("http.response.status_code", trace.status));
  if (trace.grpc_status) attributes.add(number_attribute("rpc.grpc.status_code", *trace.grpc_status));
  if (!trace.model.empty()) {
    attributes.add(text_attribute("resnet.model", trace.model));
    attributes.add(text_attribute("resnet.version", trace.version));
  }
  if (trace.pictures > 0) attributes.add(number_attribute("resnet.pictures", trace.pictures));
  return attributes;
}

void add_spans(const RequestTrace& trace, JsonArray& spans) {
  const std::string id = trace.parent ? trace.parent->trace : draw_digits(2);
  const std::string root = draw_digits(1);
  const auto nanoseconds = [](auto time) { return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count(); };
  const std::int64_t begin = nanoseconds(trace.begin.time_since_epoch());
  JsonObject span = {{"traceId", id}, {"spanId", root}};
  if (trace.parent) span.add("parentSpanId", trace.parent->span);
  span.add("name", printable(trace.name))
      .add("kind", kServer)
      .add("startTimeUnixNano", whole(begin))
      .add("endTimeUnixNano", whole(begin + nanoseconds(trace.total)))
      .add("attributes", attributes_of(trace));
  if (trace.status >= 500 || trace.grpc_status.value_or(0) != 0) span.add("status", JsonObject{{"code", kError}});
  spans.add(span);
  std::int64_t at = begin;
  for (std::size_t i = 0; i < kPhases; ++i) {
    const std::int64_t end = at + nanoseconds(trace.phases[i]);
    if (end == at) continue;  // it did not come to that
    spans.add(JsonObject{{"traceId", id},
                         {"spanId", draw_digits(1)},
                         {"parentSpanId", root},
                         {"name", name(static_cast<Phase>(i))},
                         {"kind", kInternal},
                         {"startTimeUnixNano", whole(at)},
                         {"endTimeUnixNano", whole(end)}});
    at = end;
  }
}

}  // namespace

std::optional<TraceParent> parse_traceparent(std::string_view text) {
  constexpr std::size_t kLength = 55;
  if (text.size() != kLength || text.starts_with("ff")) return std::nullopt;
  for (std::size_t i = 0; i < kLength; ++i) {
    const bool dash = i == 2 || i == 35 || i == 52;
    const bool hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
    if (dash ? text[i] != '-' : !hex) return std::nullopt;
  }
  TraceParent parent{std::string(text.substr(3, 32)), std::string(text.substr(36, 16)), false};
  const auto is_zero = [](const std::string& digits) { return digits.find_first_not_of('0') == std::string::npos; };
  if (is_zero(parent.trace) || is_zero(parent.span)) return std::nullopt;
  const char flags = text.back();
  parent.sampled = ((flags <= '9' ? flags - '0' : flags - 'a' + 10) & 1) != 0;
  return parent;
}

std::string format_traces(const std::vector<RequestTrace>& traces) {
  JsonArray spans;
  for (const RequestTrace& trace : traces) add_spans(trace, spans);
  JsonArray resource;
  resource.add(text_attribute("service.name", "resnet")).add(text_attribute("service.version", RESNET_VERSION));
  const JsonObject scope = {{"scope", JsonObject{{"name", "resnet.serve"}}}, {"spans", spans}};
  const JsonObject all = {{"resource", JsonObject{{"attributes", resource}}}, {"scopeSpans", JsonArray().add(scope)}};
  return JsonObject{{"resourceSpans", JsonArray().add(all)}}.text();
}

Tracer::Tracer(std::function<void(const std::string& body)> send, std::function<void(const std::string&)> say,
               std::chrono::milliseconds gap)
    : send_(std::move(send)), say_(std::move(say)), gap_(gap), thread_([this] { work(); }) {}

Tracer::~Tracer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  there_.notify_all();
  thread_.join();
}

void Tracer::add(RequestTrace trace) {
  if (trace.parent && !trace.parent->sampled) return;
  bool full = false;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kRoom) {
      ++dropped_;
      return;
    }
    waiting_.push_back(std::move(trace));
    full = waiting_.size() == kBatch;
  }
  if (full) there_.notify_one();
}

void Tracer::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    there_.wait_for(lock, gap_, [this] { return ending_ || waiting_.size() >= kBatch; });
    if (waiting_.empty()) {
      if (ending_) return;
      continue;
    }
    const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kBatch));
    std::vector<RequestTrace> batch(std::make_move_iterator(waiting_.begin()),
                                    std::make_move_iterator(waiting_.begin() + count));
    waiting_.erase(waiting_.begin(), waiting_.begin() + count);
    lock.unlock();
    const bool worked = send_batch(batch);
    lock.lock();
    if (ending_ && !worked) {
      unsent_ += waiting_.size();
      return;
    }
  }
}

bool Tracer::send_batch(const std::vector<RequestTrace>& batch) {
  try {
    send_(format_traces(batch));
  } catch (const Error& error) {
    unsent_ += batch.size();
    if (!std::exchange(failing_, true)) say_(fmt::format("traces are dropped: {}", error.what()));
    return false;
  }
  sent_ += batch.size();
  if (std::exchange(failing_, false)) say_("traces are sent again");
  return true;
}

}  // namespace resnet::serve
