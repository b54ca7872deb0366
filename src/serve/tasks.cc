// The router's requests that a model answers: from the queue to the answer.
#include <fmt/chrono.h>

#include <chrono>

#include "base/error.h"
#include "base/text.h"
#include "console/json.h"
#include "serve/answers.h"
#include "serve/compression.h"
#include "serve/grpc.h"
#include "serve/multipart.h"
#include "serve/router.h"
#include "serve/v2_json.h"

namespace resnet::serve {
namespace {

constexpr int kMaxTop = 10'000'000;

// From "Inference-Header-Content-Length".
std::optional<std::size_t> json_length(const Headers& headers) {
  const std::string* text = find_header(headers, "inference-header-content-length");
  if (text == nullptr) return std::nullopt;
  const auto length = number_of<std::size_t>(*text);
  if (!length) fail(ErrorCode::kFormat, "inference-header-content-length", "'{}' is no number", one_line(*text));
  return length;
}

// "X-Request-Timeout: 0.25", in seconds, and gRPC's own.
std::optional<Clock::duration> timeout_of(const Headers& headers) {
  if (const std::string* text = find_header(headers, "grpc-timeout")) {
    if (const auto time = parse_grpc_timeout(*text)) return std::chrono::duration_cast<Clock::duration>(*time);
  }
  const std::string* text = find_header(headers, "x-request-timeout");
  if (text == nullptr) return std::nullopt;
  const auto seconds = number_of<double>(*text);
  if (!seconds || !(*seconds > 0 && *seconds < 1e6)) {
    fail(ErrorCode::kInvalidArgument, "x-request-timeout", "'{}' is no number of seconds", one_line(*text));
  }
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(*seconds));
}

bool is_priority(std::int64_t value) { return value >= kHighestPriority && value <= kLowestPriority; }

std::optional<int> priority_of(const Headers& headers) {
  const std::string* text = find_header(headers, "x-request-priority");
  if (text == nullptr) return std::nullopt;
  const auto value = number_of<int>(*text);
  if (!value || !is_priority(*value)) {
    fail(ErrorCode::kInvalidArgument, "x-request-priority", "'{}' is not {} to {}", one_line(*text), kHighestPriority,
         kLowestPriority);
  }
  return value;
}

// Throws UnknownCoding.
Coding coding_of(const HttpRequest& request) {
  const std::string* text = find_header(request.headers, "content-encoding");
  return text == nullptr ? Coding::kIdentity : parse_coding(*text, "content-encoding");
}

// That a request of the Open Inference Protocol says itself, where that can be seen before it is read.
std::optional<std::int64_t> peek_priority_of(const HttpRequest& request, bool grpc) {
  if (grpc) return peek_grpc_priority(request.body);
  if (coding_of(request) != Coding::kIdentity) return std::nullopt;
  return peek_priority(
      std::string_view(request.body).substr(0, json_length(request.headers).value_or(std::string::npos)));
}

// The body as it was before it was compressed; `storage` takes it then. At most `limit` bytes.
std::string_view unpack_body(const HttpRequest& request, std::size_t limit, std::string& storage) {
  const Coding coding = coding_of(request);
  if (coding == Coding::kIdentity) return request.body;
  storage = inflate_body(request.body, coding, limit);
  return storage;
}

std::string now_text() {
  const auto now = std::chrono::system_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms);
}

std::uint64_t unix_ms() {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
}

double milliseconds(Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

}  // namespace

// A request that a worker answers.
struct Router::Task {
  std::shared_ptr<Exchange> exchange;
  bool grpc = false;
  Clock::time_point arrival = Clock::now();
  std::optional<Clock::time_point> deadline;
  std::optional<int> priority;               // that is known
  std::shared_ptr<const ServedModel> model;  // which it may find out itself
  Clock::duration waited{};
  Times times;
  std::function<HttpResponse(Task&)> run;

  // Of a request that says itself how long it may take. Throws where that is over.
  struct Late {};
  void expect_before(std::optional<std::chrono::microseconds> timeout) const {
    if (timeout && timeout->count() > 0 && Clock::now() > arrival + *timeout) throw Late();
  }

  // Throws where it has waited as if it had none.
  void expect_known(std::optional<std::int64_t> given) const {
    if (!given || priority) return;
    fail(ErrorCode::kInvalidArgument, "priority",
         "it cannot be seen in time in a body that is compressed or has much JSON: send it as X-Request-Priority");
  }
};

HttpResponse Router::refuse(Refusal refusal) {
  ++counters_.refused[static_cast<std::size_t>(refusal)];
  switch (refusal) {
    case Refusal::kQueueFull:
    case Refusal::kBytes: {
      HttpResponse response =
          error_response(options_.full_status, refusal == Refusal::kQueueFull
                                                   ? "the queue is full"
                                                   : "the server holds as many bytes of requests as it may");
      response.headers.emplace_back("retry-after", "1");
      return response;
    }
    case Refusal::kDeadline: return error_response(504, "its time was over before its turn came");
    case Refusal::kGone: return error_response(504, "the client has gone");
    case Refusal::kStopping: break;
  }
  HttpResponse response = error_response(503, "the server is stopping");
  response.headers.emplace_back("retry-after", "1");
  return response;
}

void Router::begin_infer(std::shared_ptr<Exchange> exchange, std::string name, std::string version) {
  const auto task = std::make_shared<Task>();
  task->exchange = exchange;
  task->grpc = is_grpc(exchange->request);
  task->priority = priority_of(exchange->request.headers);
  if (!task->priority) {
    const auto own = peek_priority_of(exchange->request, task->grpc);
    if (own && !is_priority(*own)) {
      fail(ErrorCode::kInvalidArgument, "priority", "{} is not {} to {}", *own, kHighestPriority, kLowestPriority);
    }
    if (own) task->priority = static_cast<int>(*own);
  }
  if (task->grpc) {
    task->run = [this](Task& t) {
      GrpcInfer infer = parse_grpc_infer(grpc_message(t.exchange->request, options_.max_body));
      t.model = repository_.find(infer.model, infer.version);
      t.expect_before(infer.request.timeout);
      t.expect_known(infer.request.priority);
      t.times.decode += Clock::now() - t.arrival - t.waited;
      const InferResponse response = serve::infer(*t.model, infer.request, t.times);
      const auto begun = Clock::now();
      HttpResponse answer = grpc_response(format_grpc_infer(response, *t.model));
      t.times.encode += Clock::now() - begun;
      return answer;
    };
  } else {
    task->model = repository_.find(name, version);
    task->run = [this](Task& t) {
      const HttpRequest& request = t.exchange->request;
      std::string unpacked;
      const std::string_view body = unpack_body(request, options_.max_body, unpacked);
      std::vector<std::string> storage;
      const InferRequest infer =
          parse_infer(body, json_length(request.headers), t.model->classifier().input_shape(), storage);
      t.expect_before(infer.timeout);
      t.expect_known(infer.priority);
      t.times.decode += Clock::now() - t.arrival - t.waited;
      const InferResponse response = serve::infer(*t.model, infer, t.times);
      const auto begun = Clock::now();
      HttpResponse answer = format_infer(response, *t.model);
      compress(answer, request.headers);
      t.times.encode += Clock::now() - begun;
      return answer;
    };
  }
  enqueue(task);
}

void Router::begin_classify(std::shared_ptr<Exchange> exchange) {
  const HttpRequest& request = exchange->request;
  const auto task = std::make_shared<Task>();
  task->exchange = exchange;
  const auto wanted = request.query("model");
  task->model = wanted ? repository_.find(*wanted) : repository_.only();
  int top = 5;
  if (const auto text = request.query("top")) {
    const auto value = number_of<int>(*text);
    if (!value || *value < 1 || *value > kMaxTop) {
      fail(ErrorCode::kInvalidArgument, "top", "'{}' is not 1 to {}", one_line(*text), kMaxTop);
    }
    top = *value;
  }
  const bool logits = request.query("logits").has_value();
  task->priority = priority_of(request.headers);
  static_cast<void>(coding_of(request));
  if (request.body.empty()) {
    fail(ErrorCode::kInvalidArgument, "body", "no picture: send its file as the body, or as a form's file");
  }
  task->run = [this, top, logits](Task& t) {
    const HttpRequest& r = t.exchange->request;
    std::string unpacked;
    FormFile file{"", unpack_body(r, options_.max_body, unpacked)};
    if (const std::string* type = find_header(r.headers, "content-type"); type && type->starts_with("multipart/")) {
      file = first_file(*type, file.bytes);
    }
    if (file.name.empty()) file.name = "-";  // as `resnet predict` calls standard input
    HttpResponse response = json_response(classify_line(*t.model, file.bytes, file.name, top, logits, t.times));
    compress(response, r.headers);
    return response;
  };
  enqueue(task);
}

void Router::enqueue(std::shared_ptr<Task> task) {
  const Headers& headers = task->exchange->request.headers;
  if (const auto timeout = timeout_of(headers)) task->deadline = task->arrival + *timeout;
  Job job;
  job.priority = task->priority.value_or(0);
  job.deadline = task->deadline;
  job.gone = [task] { return task->exchange->gone.load(); };
  job.refuse = [this, task](Refusal refusal) {
    HttpResponse response = refuse(refusal);
    finish(*task, task->grpc ? to_grpc(refusal) : std::move(response), false);
  };
  job.run = [this, task] {
    task->waited = Clock::now() - task->arrival;
    try {
      HttpResponse response = task->run(*task);
      finish(*task, std::move(response), true);
    } catch (const Task::Late&) {
      HttpResponse response = refuse(Refusal::kDeadline);
      finish(*task, task->grpc ? to_grpc(Refusal::kDeadline) : std::move(response), false);
    } catch (const std::exception& error) {
      if (task->model) ++task->model->counters().failed;
      finish(*task, error_of(error, task->grpc), false);
    }
  };
  if (const auto refusal = queue_.push(std::move(job))) {
    HttpResponse response = refuse(*refusal);
    finish(*task, task->grpc ? to_grpc(*refusal) : std::move(response), false);
  }
}

void Router::finish(Task& task, HttpResponse response, bool succeeded) {
  const Clock::duration total = Clock::now() - task.arrival;
  if (succeeded) {
    ModelCounters& counters = task.model->counters();
    ++counters.succeeded;
    counters.pictures += static_cast<std::uint64_t>(task.times.pictures);
    counters.last_inference_ms = unix_ms();
    counters.phases[static_cast<std::size_t>(Phase::kQueue)].add(task.waited);
    counters.phases[static_cast<std::size_t>(Phase::kDecode)].add(task.times.decode);
    counters.phases[static_cast<std::size_t>(Phase::kInfer)].add(task.times.infer);
    counters.phases[static_cast<std::size_t>(Phase::kEncode)].add(task.times.encode);
    counters.total.add(total);
  }
  const HttpRequest& request = task.exchange->request;
  const std::string* trace = find_header(request.headers, "traceparent");
  std::optional<TraceParent> parent;
  if (trace != nullptr) parent = parse_traceparent(*trace);
  if (parent) response.headers.emplace_back("traceparent", *trace);
  if (options_.log_requests) {
    JsonObject line = {{"time", now_text()},
                       {"client", task.exchange->peer},
                       {"method", request.method},
                       {"path", request.path()},
                       {"status", response.status},
                       {"bytes_in", request.body.size()},
                       {"bytes_out", response.body.size()},
                       {"queue_ms", milliseconds(task.waited)},
                       {"decode_ms", milliseconds(task.times.decode)},
                       {"infer_ms", milliseconds(task.times.infer)},
                       {"encode_ms", milliseconds(task.times.encode)},
                       {"total_ms", milliseconds(total)}};
    if (task.model) line.add("model", task.model->name()).add("version", task.model->version());
    if (response.trailers) line.add("grpc_status", find_header(*response.trailers, "grpc-status")->c_str());
    if (parent) line.add("traceparent", *trace);
    log_(line.text());
  }
  if (tracer_ != nullptr) {
    RequestTrace span;
    span.parent = std::move(parent);
    span.name =
        task.grpc ? std::string(request.path().substr(1)) : fmt::format("{} {}", request.method, request.path());
    span.method = request.method;
    span.path = request.path();
    span.status = response.status;
    if (response.trailers) span.grpc_status = number_of<int>(*find_header(*response.trailers, "grpc-status"));
    if (task.model) {
      span.model = task.model->name();
      span.version = task.model->version();
    }
    span.pictures = task.times.pictures;
    span.begin = std::chrono::system_clock::now() - total;
    span.phases = {task.waited, task.times.decode, task.times.infer, task.times.encode};
    span.total = total;
    tracer_->add(std::move(span));
  }
  task.exchange->answer(std::move(response));
}

}  // namespace resnet::serve
