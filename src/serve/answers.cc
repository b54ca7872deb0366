#include "serve/answers.h"

#include "base/error.h"
#include "serve/compression.h"
#include "serve/grpc.h"
#include "serve/repository.h"

namespace resnet::serve {
namespace {

constexpr std::size_t kCompressFrom = 1024;  // bytes of an answer that are worth it

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kLimit: return 413;
    case ErrorCode::kIo: return 500;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kFormat:
    case ErrorCode::kUnsupported:
    case ErrorCode::kMismatch: return 400;
  }
  return 500;
}

GrpcStatus grpc_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound: return GrpcStatus::kNotFound;
    case ErrorCode::kLimit: return GrpcStatus::kResourceExhausted;
    case ErrorCode::kIo: return GrpcStatus::kInternal;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kFormat:
    case ErrorCode::kUnsupported:
    case ErrorCode::kMismatch: return GrpcStatus::kInvalidArgument;
  }
  return GrpcStatus::kInternal;
}

}  // namespace

HttpResponse error_of(const std::exception& error, bool grpc) {
  if (dynamic_cast<const NotReady*>(&error) != nullptr) {
    if (grpc) return grpc_error(GrpcStatus::kUnavailable, error.what());
    HttpResponse response = error_response(503, error.what());
    response.headers.emplace_back("retry-after", "1");
    return response;
  }
  if (dynamic_cast<const UnknownCoding*>(&error) != nullptr) {
    HttpResponse response =
        grpc ? grpc_error(GrpcStatus::kUnimplemented, error.what()) : error_response(415, error.what());
    response.headers.emplace_back(grpc ? "grpc-accept-encoding" : "accept-encoding", "gzip, deflate, identity");
    return response;
  }
  if (const auto* known = dynamic_cast<const Error*>(&error)) {
    return grpc ? grpc_error(grpc_status(known->code()), known->what())
                : error_response(http_status(known->code()), known->what());
  }
  constexpr std::string_view kText = "the server could not do this: no memory was left";
  return grpc ? grpc_error(GrpcStatus::kInternal, kText) : error_response(500, kText);
}

// The same as gRPC says it.
HttpResponse to_grpc(Refusal refusal) {
  GrpcStatus status = GrpcStatus::kUnavailable;
  if (refusal == Refusal::kQueueFull || refusal == Refusal::kBytes) status = GrpcStatus::kResourceExhausted;
  if (refusal == Refusal::kDeadline) status = GrpcStatus::kDeadlineExceeded;
  return grpc_error(status, fmt::format("refused: {}", name(refusal)));
}

void compress(HttpResponse& response, const Headers& request) {
  const std::string* accepted = find_header(request, "accept-encoding");
  if (accepted == nullptr || response.body.size() < kCompressFrom) return;
  const Coding coding = choose_coding(*accepted);
  if (coding == Coding::kIdentity) return;
  response.body = deflate_body(response.body, coding);
  response.headers.emplace_back("content-encoding", coding == Coding::kGzip ? "gzip" : "deflate");
}

}  // namespace resnet::serve
