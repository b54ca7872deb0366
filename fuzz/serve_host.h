// A connection without a socket and a server without models: what came is answered with what it was.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fuzz_tensors.h"
#include "serve/grpc.h"
#include "serve/protocol.h"

namespace resnet::serve {

class EchoApplication final : public Application {
 public:
  std::optional<HttpResponse> admit(Exchange& exchange, std::optional<std::uint64_t> length) override {
    if (length && *length > 100'000) return error_response(503, "too many bytes");
    exchange.bytes = ByteLease(budget_);
    if (is_grpc(exchange.request)) exchange.conversation = converse(exchange.request.path());
    return std::nullopt;
  }

  // Answered later, as by a worker.
  void handle(std::shared_ptr<Exchange> exchange) override { waiting.push_back(std::move(exchange)); }

  void answer_all() {
    for (auto& exchange : std::exchange(waiting, {})) {
      const HttpRequest& request = exchange->request;
      require(!request.method.empty());
      try {
        request.query("top");
      } catch (const Error& error) {
        check_line(error);
      }
      exchange->answer(json_response(request.body, static_cast<int>(200 + request.headers.size() % 2 * 4)));
    }
  }

  std::vector<std::shared_ptr<Exchange>> waiting;

 private:
  ByteBudget budget_{200'000};
};

class NoHost final : public ProtocolHost {
 public:
  void changed() override {}
};

// The bytes arrive in pieces; the first byte says of which size, and how eagerly answers are given and taken.
template <typename Make>
void converse_with(const std::uint8_t* data, std::size_t size, Make make) {
  if (size == 0) return;
  const std::size_t piece = data[0] % 64 == 0 ? size : data[0] % 64;
  const bool late = (data[0] & 64) != 0;
  const bool drains = (data[0] & 128) != 0;
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  EchoApplication application;
  NoHost host;
  HttpLimits limits;
  limits.body_bytes = 300'000;
  limits.chunks = 100;
  std::vector<std::function<void()>> tasks;
  const std::unique_ptr<Protocol> protocol = make(ProtocolContext{
      host, [&](std::function<void()> task) { tasks.push_back(std::move(task)); }, application, limits, "127.0.0.1"});
  const auto run = [&] {
    application.answer_all();
    for (const auto& task : std::exchange(tasks, {})) task();
  };
  std::string out;
  while (!rest.empty() && !protocol->finished()) {
    protocol->receive(rest.substr(0, piece));
    rest.remove_prefix(std::min(piece, rest.size()));
    if (!late) run();
    protocol->take_output(out, 1000);
    out.clear();
    protocol->waiting();
  }
  if (drains) protocol->drain();
  run();
  for (int i = 0; i < 100; ++i) protocol->take_output(out, 10'000);
  if ((data[0] & 32) != 0) protocol->timed_out();
  protocol->closed();
  require(protocol->finished());
  application.answer_all();  // too late
  for (const auto& task : tasks) task();
}

}  // namespace resnet::serve
