// gRPC over HTTP/2: its framing and its services (inference.GRPCInferenceService, health, reflection).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "serve/http.h"
#include "serve/inference.h"
#include "serve/repository.h"

namespace resnet::serve {

// https://grpc.github.io/grpc/core/md_doc_statuscodes.html
enum class GrpcStatus {
  kOk = 0,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
};

bool is_grpc(const HttpRequest& request) noexcept;

HttpResponse grpc_response(std::string_view message);
HttpResponse grpc_error(GrpcStatus status, std::string_view message);

// The one message of a unary request, unpacked where it is compressed. Throws kFormat, kLimit.
std::string grpc_message(const HttpRequest& request, std::size_t limit);

// "250m" of the header grpc-timeout; nothing where it is none.
std::optional<std::chrono::nanoseconds> parse_grpc_timeout(std::string_view text) noexcept;

// A ModelInfer request. `storage` takes its bytes and must outlive the request.
struct GrpcInfer {
  std::string model;
  std::string version;
  std::shared_ptr<const void> storage;
  InferRequest request;
};
GrpcInfer parse_grpc_infer(std::string message);
std::string format_grpc_infer(const InferResponse& response, const ServedModel& model);

// The parameter `priority` of a request that is framed like this, as peek_priority() of v2_json.h.
std::optional<std::int64_t> peek_grpc_priority(std::string_view body);

// The other methods of the inference service and health's Check; nothing for one that is none. Throws resnet::Error.
struct GrpcServices {
  const Repository& repository;
  bool live_and_ready;
};
std::optional<std::string> call_grpc(std::string_view path, std::string_view message, const GrpcServices& services);

// Of the reflection service's stream: answers each message of the client.
std::optional<Conversation> converse(std::string_view path);

}  // namespace resnet::serve
