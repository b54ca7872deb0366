// gRPC's server reflection, by which tools such as grpcurl learn what can be called.
#include <serve_schema/grpc_reflection.pb.h>

#include "base/error.h"
#include "serve/assets.h"
#include "serve/grpc.h"
#include "serve/grpc_frame.h"

namespace resnet::serve {
namespace {

namespace reflection = grpc::reflection::v1;

constexpr std::size_t kMaxMessage = 64 * 1024;
constexpr int kNotFound = 5;  // GrpcStatus::kNotFound

struct DescribedFile {
  std::string_view package;  // whose names stand in it
  std::string_view file;     // by which other files name it
  std::string_view descriptor;
};

// Of a FileDescriptorSet that holds one file: field 1, a length in base 128, and its bytes.
std::string_view only_file(std::string_view set) {
  std::size_t at = 1;
  while (at < set.size() && (static_cast<unsigned char>(set[at]) & 0x80) != 0) ++at;
  return set.substr(std::min(set.size(), at + 1));
}

const std::array<DescribedFile, 3>& files() {
  static const std::array<DescribedFile, 3> kAll = {
      {{"inference.", "open_inference.proto", only_file(open_inference_desc())},
       {"grpc.health.v1.", "grpc_health.proto", only_file(grpc_health_desc())},
       {"grpc.reflection.v1.", "grpc_reflection.proto", only_file(grpc_reflection_desc())}}};
  return kAll;
}

std::string answer(std::string_view message) {
  reflection::ServerReflectionRequest request;
  if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    fail(ErrorCode::kFormat, "message", "its bytes are no message of this method");
  }
  reflection::ServerReflectionResponse response;
  response.set_valid_host(request.host());
  if (request.message_request_case() == reflection::ServerReflectionRequest::kListServices) {
    for (const char* name :
         {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "inference.GRPCInferenceService"}) {
      response.mutable_list_services_response()->add_service()->set_name(name);
    }
  }
  for (const DescribedFile& file : files()) {
    if (request.file_containing_symbol().starts_with(file.package) || request.file_by_filename() == file.file) {
      response.mutable_file_descriptor_response()->add_file_descriptor_proto(std::string(file.descriptor));
    }
  }
  if (response.message_response_case() == reflection::ServerReflectionResponse::MESSAGE_RESPONSE_NOT_SET) {
    response.mutable_error_response()->set_error_code(kNotFound);
    response.mutable_error_response()->set_error_message("nothing of this name is described here");
  }
  *response.mutable_original_request() = std::move(request);
  return response.SerializeAsString();
}

}  // namespace

std::optional<Conversation> converse(std::string_view path) {
  if (path != "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo" &&
      path != "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo") {
    return std::nullopt;
  }
  Conversation conversation;
  conversation.head = {200, {{"content-type", "application/grpc"}}, "", Headers{{"grpc-status", "0"}}};
  conversation.reply = [pending = std::string()](std::string_view piece) mutable {
    std::string answers;
    pending += piece;
    try {
      std::string_view rest = pending;
      while (const auto next = FrameReader(kMaxMessage).next(rest)) answers += frame(answer(next->message));
      pending.erase(0, pending.size() - rest.size());
    } catch (const Error&) {
      pending.clear();  // a client that sends such bytes reads no answer either
    }
    return answers;
  };
  return conversation;
}

}  // namespace resnet::serve
