// What is answered to whom: the addresses of the REST API, gRPC's methods, the page, the metrics.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "serve/http.h"
#include "serve/metrics.h"
#include "serve/repository.h"
#include "serve/tracer.h"
#include "serve/work_queue.h"

namespace resnet::serve {

struct RouterOptions {
  bool page = true;
  bool log_requests = false;
  int full_status = 503;              // of what the queue has no room for; 429 where that is wanted
  std::size_t max_body = 64'000'000;  // bytes, unpacked
  bool admin = false;                 // load and unload are answered here...
  std::string token;                  // ... to who shows this
};

class Router final : public Application {
 public:
  // All must outlive it. `log` takes a line a request; it is called from any thread. `tracer` may be null.
  Router(RouterOptions options, Repository& repository, WorkQueue& queue, ByteBudget& bytes, ServerCounters& counters,
         std::function<std::size_t()> connections, std::function<void(const std::string&)> log, Tracer* tracer);

  std::optional<HttpResponse> admit(Exchange& exchange, std::optional<std::uint64_t> body_length) override;
  void handle(std::shared_ptr<Exchange> exchange) override;

  // No longer ready: who asks is told, and goes elsewhere.
  void set_stopping() noexcept { stopping_ = true; }

 private:
  struct Task;

  HttpResponse answer(Exchange& exchange);  // of what needs no model; or begins with the rest
  HttpResponse repository(Exchange& exchange, std::string_view path);
  HttpResponse model(Exchange& exchange, std::string_view path);
  HttpResponse statistics(std::string_view name, std::string_view version);
  HttpResponse metrics();
  HttpResponse grpc(Exchange& exchange, std::string_view method);
  void begin_infer(std::shared_ptr<Exchange> exchange, std::string name, std::string version);
  void begin_classify(std::shared_ptr<Exchange> exchange);
  void begin_load(std::shared_ptr<Exchange> exchange, std::string name);
  void enqueue(std::shared_ptr<Task> task);
  void finish(Task& task, HttpResponse response, bool succeeded);
  bool allowed(const Exchange& exchange) const;
  HttpResponse refuse(Refusal refusal);

  const RouterOptions options_;
  Repository& repository_;
  WorkQueue& queue_;
  ByteBudget& bytes_;
  ServerCounters& counters_;
  const std::function<std::size_t()> connections_;
  const std::function<void(const std::string&)> log_;
  Tracer* const tracer_;
  std::atomic<bool> stopping_ = false;
};

}  // namespace resnet::serve
