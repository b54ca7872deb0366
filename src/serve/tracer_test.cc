// Traces: what is sent, in which batches, and what is dropped while a collector does not take them.
#include "serve/tracer.h"

#include <gtest/gtest.h>

#include <future>
#include <nlohmann/json.hpp>

#include "resnet/error.h"
#include "serve/collector.h"

namespace resnet::serve {
namespace {

constexpr std::string_view kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

RequestTrace trace_of(std::string path) {
  RequestTrace trace;
  trace.name = "POST " + path;
  trace.method = "POST";
  trace.path = std::move(path);
  trace.status = 200;
  trace.model = "m";
  trace.version = "1";
  trace.pictures = 1;
  trace.begin = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000));
  trace.phases = {std::chrono::milliseconds(1), std::chrono::milliseconds(2), std::chrono::milliseconds(3),
                  std::chrono::milliseconds(4)};
  trace.total = std::chrono::milliseconds(11);
  return trace;
}

nlohmann::json spans_of(const std::string& body) {
  const nlohmann::json document = nlohmann::json::parse(body);
  return document.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans");
}

TEST(Tracer, ReadsTraceparents) {
  const auto parent = parse_traceparent(kParent);
  ASSERT_TRUE(parent);
  EXPECT_EQ(parent->trace, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(parent->span, "00f067aa0ba902b7");
  EXPECT_TRUE(parent->sampled);
  std::string text(kParent);
  text.back() = '2';
  EXPECT_FALSE(parse_traceparent(text)->sampled);
  for (const std::string& bad :
       {std::string(), text + "0", "ff" + text.substr(2), "zz" + text.substr(2),
        "00-" + std::string(32, '0') + text.substr(35), text.substr(0, 36) + std::string(16, '0') + "-01"}) {
    EXPECT_FALSE(parse_traceparent(bad)) << bad;
  }
}

TEST(Tracer, ARequestIsASpanWithOneForEachPhase) {
  RequestTrace trace = trace_of("/classify\xFF\"\n");
  trace.parent = parse_traceparent(kParent);
  const nlohmann::json spans = spans_of(format_traces({trace}));
  ASSERT_EQ(spans.size(), 5);
  const nlohmann::json& root = spans[0];
  EXPECT_EQ(root["name"], "POST /classify?\"?");
  EXPECT_EQ(root["traceId"], trace.parent->trace);
  EXPECT_EQ(root["parentSpanId"], trace.parent->span);
  EXPECT_EQ(root["kind"], 2);
  EXPECT_EQ(root["startTimeUnixNano"], "1700000000000000000");
  EXPECT_EQ(root["endTimeUnixNano"], "1700000000011000000");
  EXPECT_FALSE(root.contains("status"));
  const char* names[] = {"queue", "decode", "infer", "encode"};
  std::string at = root["startTimeUnixNano"];
  for (std::size_t i = 0; i < 4; ++i) {
    const nlohmann::json& phase = spans[i + 1];
    EXPECT_EQ(phase["name"], names[i]);
    EXPECT_EQ(phase["parentSpanId"], root["spanId"]);
    EXPECT_EQ(phase["traceId"], root["traceId"]);
    EXPECT_EQ(phase["startTimeUnixNano"], at);
    EXPECT_NE(phase["spanId"], root["spanId"]);
    at = phase["endTimeUnixNano"];
  }
  EXPECT_EQ(at, "1700000000010000000");
}

TEST(Tracer, WhatFailedIsAnError) {
  RequestTrace refused = trace_of("/classify");
  refused.status = 503;
  refused.phases = {};
  RequestTrace grpc = trace_of("/inference.GRPCInferenceService/ModelInfer");
  grpc.grpc_status = 3;
  const nlohmann::json spans = spans_of(format_traces({refused, grpc}));
  ASSERT_EQ(spans.size(), 6);  // the first did not come to any phase
  EXPECT_EQ(spans[0]["status"]["code"], 2);
  EXPECT_EQ(spans[1]["status"]["code"], 2);
  EXPECT_FALSE(spans[0].contains("parentSpanId"));
  EXPECT_NE(spans[0]["traceId"], spans[1]["traceId"]);
  EXPECT_EQ(std::string(spans[0]["traceId"]).size(), 32);
}

TEST(ConcurrencyTracer, NobodyWaitsForACollectorThatHangs) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<std::size_t> got = 0;
  std::uint64_t kept = 0;
  {
    Tracer tracer(
        [&, released](const std::string& body) {
          released.wait();
          got += spans_of(body).size() / 5;
        },
        [](const std::string&) {}, std::chrono::milliseconds(1));
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i) {
      callers.emplace_back([&] {
        for (int k = 0; k < 2000; ++k) tracer.add(trace_of("/classify"));
      });
    }
    for (std::thread& caller : callers) caller.join();
    EXPECT_GE(tracer.dropped_for_room(), 8000 - Tracer::kRoom - Tracer::kBatch);
    kept = 8000 - tracer.dropped_for_room();
    release.set_value();
    while (tracer.sent() < kept) std::this_thread::yield();
    EXPECT_EQ(got, kept);
    RequestTrace passed = trace_of("/classify");
    passed.parent = TraceParent{std::string(32, '1'), std::string(16, '1'), /*sampled=*/false};
    tracer.add(passed);
    tracer.add(trace_of("/last"));
  }
  EXPECT_EQ(got, kept + 1);  // the last one went out at the end
}

TEST(ConcurrencyTracer, ACollectorThatFailsIsSpokenOfOnce) {
  std::atomic<bool> works = false;
  std::vector<std::string> said;
  {
    Tracer tracer(
        [&](const std::string&) {
          if (!works) throw Error(ErrorCode::kIo, "http://c", "no");
        },
        [&](const std::string& line) { said.push_back(line); }, std::chrono::milliseconds(1));
    for (int i = 0; i < 3; ++i) {
      tracer.add(trace_of("/a"));
      while (tracer.dropped_unsent() < static_cast<std::uint64_t>(i) + 1) std::this_thread::yield();
    }
    works = true;
    tracer.add(trace_of("/a"));
    while (tracer.sent() < 1) std::this_thread::yield();
  }
  EXPECT_EQ(said, (std::vector<std::string>{"traces are dropped: http://c: no", "traces are sent again"}));
}

TEST(Tracer, AddressesOfCollectors) {
  for (const char* good : {"http://127.0.0.1:4318", "http://[::1]:4318/", "http://collector/otlp"}) {
    EXPECT_NO_THROW(Collector{good}) << good;
  }
  for (const char* bad : {"", "127.0.0.1:4318", "https://c:4318", "http://", "http://:1", "http://c:", "http://c:x",
                          "http://u@c:1", "http://c:1/?x", "file:///etc/passwd", "http://c:1\r\nX: y"}) {
    EXPECT_THROW(Collector{bad}, Error) << bad;
  }
}

}  // namespace
}  // namespace resnet::serve
