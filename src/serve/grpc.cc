#include "serve/grpc.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/wire_format_lite.h>
#include <serve_schema/grpc_health.pb.h>
#include <serve_schema/open_inference.pb.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/error.h"
#include "base/text.h"
#include "serve/compression.h"
#include "serve/grpc_frame.h"
#include "serve/v2_json.h"

namespace resnet::serve {
namespace {

constexpr std::string_view kInference = "/inference.GRPCInferenceService/";

template <typename Message>
Message parse(std::string_view bytes) {
  // Else protobuf writes a line of its own on standard error for what a client sends.
  static google::protobuf::LogHandler* const kOthers = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(kOthers);
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    fail(ErrorCode::kFormat, "message", "its bytes are no message of this method");
  }
  return message;
}

template <typename Parameters>
std::optional<std::int64_t> find_whole(const Parameters& parameters, const char* name) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return std::nullopt;
  const inference::InferParameter& parameter = found->second;
  if (parameter.has_int64_param()) return parameter.int64_param();
  if (!parameter.has_uint64_param()) fail(ErrorCode::kFormat, name, "is no whole number");
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return static_cast<std::int64_t>(std::min(parameter.uint64_param(), kMax));
}

int small(std::int64_t value) { return static_cast<int>(std::clamp<std::int64_t>(value, 0, 1'000'000)); }

void take_contents(const inference::InferTensorContents& contents, InferInput& input) {
  if (input.datatype == "FP32") {
    input.floats.assign(contents.fp32_contents().begin(), contents.fp32_contents().end());
  } else if (input.datatype == "BYTES") {
    input.texts.assign(contents.bytes_contents().begin(), contents.bytes_contents().end());
  } else if (input.datatype == "UINT8") {
    input.bytes.assign(contents.uint_contents().begin(), contents.uint_contents().end());
  }
}

std::string model_metadata(const inference::ModelMetadataRequest& request, const Repository& repository) {
  const auto model = repository.find(request.name(), request.version());
  inference::ModelMetadataResponse response;
  response.set_name(model->name());
  response.set_platform("resnet");
  for (const std::string& version : repository.versions(model->name())) response.add_versions(version);
  const auto add = [](const TensorMetadata& tensor, auto* to) {
    to->set_name(tensor.name);
    to->set_datatype(tensor.datatype);
    for (const std::int64_t size : tensor.shape) to->add_shape(size);
  };
  for (const TensorMetadata& tensor : model->inputs()) add(tensor, response.add_inputs());
  for (const TensorMetadata& tensor : model->outputs()) add(tensor, response.add_outputs());
  return response.SerializeAsString();
}

inference::DataType data_type(std::string_view datatype) {
  if (datatype == "FP32") return inference::TYPE_FP32;
  return datatype == "UINT8" ? inference::TYPE_UINT8 : inference::TYPE_STRING;  // what V2 calls BYTES
}

std::string model_config(const inference::ModelConfigRequest& request, const Repository& repository) {
  const auto model = repository.find(request.name(), request.version());
  inference::ModelConfigResponse response;
  inference::ModelConfig& config = *response.mutable_config();
  config.set_name(model->name());
  config.set_platform("resnet");
  const auto add = [](const TensorMetadata& tensor, auto* to) {
    to->set_name(tensor.name);
    to->set_data_type(data_type(tensor.datatype));
    for (const std::int64_t size : tensor.shape) to->add_dims(size);
  };
  for (const TensorMetadata& tensor : model->inputs()) {
    inference::ModelInput* input = config.add_input();
    add(tensor, input);
    input->set_optional(true);  // a request has one of them
  }
  for (const TensorMetadata& tensor : model->outputs()) add(tensor, config.add_output());
  (*config.mutable_parameters())["preprocessing"].set_string_value(preprocessing_text(*model));
  return response.SerializeAsString();
}

std::string model_ready(const inference::ModelReadyRequest& request, const Repository& repository) {
  inference::ModelReadyResponse response;
  for (const ModelStatus& status : repository.list()) {
    const bool this_one = request.version().empty() || request.version() == status.version;
    if (status.name == request.name() && this_one && status.model) response.set_ready(true);
  }
  return response.SerializeAsString();
}

std::string statistics(const inference::ModelStatisticsRequest& request, const Repository& repository) {
  inference::ModelStatisticsResponse response;
  for (const ModelStatus& status : repository.list()) {
    if (!request.name().empty() && status.name != request.name()) continue;
    if (!request.version().empty() && status.version != request.version()) continue;
    const ModelCounters& counters = *status.counters;
    inference::ModelStatistics* model = response.add_model_stats();
    model->set_name(status.name);
    model->set_version(status.version);
    model->set_last_inference(counters.last_inference_ms);
    model->set_inference_count(counters.pictures);
    model->set_execution_count(counters.pictures);
    const auto set = [](inference::StatisticDuration* duration, std::uint64_t count, std::uint64_t nanoseconds) {
      duration->set_count(count);
      duration->set_ns(nanoseconds);
    };
    inference::InferStatistics* stats = model->mutable_inference_stats();
    set(stats->mutable_success(), counters.succeeded, counters.total.nanoseconds());
    set(stats->mutable_fail(), counters.failed, 0);
    const auto phase = [&](inference::StatisticDuration* duration, Phase which) {
      const Histogram& histogram = counters.phases[static_cast<std::size_t>(which)];
      set(duration, histogram.all(), histogram.nanoseconds());
    };
    phase(stats->mutable_queue(), Phase::kQueue);
    phase(stats->mutable_compute_input(), Phase::kDecode);
    phase(stats->mutable_compute_infer(), Phase::kInfer);
    phase(stats->mutable_compute_output(), Phase::kEncode);
  }
  if (response.model_stats_size() == 0) fail(ErrorCode::kNotFound, one_line(request.name()), "there is no such model");
  return response.SerializeAsString();
}

std::string index(const inference::RepositoryIndexRequest& request, const Repository& repository) {
  inference::RepositoryIndexResponse response;
  for (const ModelStatus& status : repository.list()) {
    if (request.ready() && !status.model) continue;
    auto* model = response.add_models();
    model->set_name(status.name);
    model->set_version(status.version);
    model->set_state(std::string(name(status.state)));
    model->set_reason(status.reason);
  }
  return response.SerializeAsString();
}

std::string server_metadata() {
  inference::ServerMetadataResponse response;
  response.set_name("resnet");
  response.set_version(RESNET_VERSION);
  for (const char* extension : {"model_repository", "statistics", "model_configuration", "classification"}) {
    response.add_extensions(extension);
  }
  return response.SerializeAsString();
}

std::string health(const grpc::health::v1::HealthCheckRequest& request, bool ready) {
  grpc::health::v1::HealthCheckResponse response;
  const bool known = request.service().empty() || request.service() == "inference.GRPCInferenceService";
  if (!known) fail(ErrorCode::kNotFound, one_line(request.service()), "there is no such service");
  response.set_status(ready ? grpc::health::v1::HealthCheckResponse::SERVING
                            : grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  return response.SerializeAsString();
}

// As gRPC's HTTP/2 mapping writes a message: what is no printable ASCII, and the percent sign, as %XX.
std::string percent_encoded(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      result += c;
    } else {
      result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return result;
}

}  // namespace

bool is_grpc(const HttpRequest& request) noexcept {
  const std::string* type = find_header(request.headers, "content-type");
  return type != nullptr && (*type == "application/grpc" || type->starts_with("application/grpc+proto"));
}

HttpResponse grpc_response(std::string_view message) {
  return {200, {{"content-type", "application/grpc"}}, frame(message), Headers{{"grpc-status", "0"}}};
}

HttpResponse grpc_error(GrpcStatus status, std::string_view message) {
  return {
      200,
      {{"content-type", "application/grpc"}},
      "",
      Headers{{"grpc-status", std::to_string(static_cast<int>(status))}, {"grpc-message", percent_encoded(message)}}};
}

std::string grpc_message(const HttpRequest& request, std::size_t limit) {
  FrameReader reader(limit);
  std::string_view rest = request.body;
  const auto first = reader.next(rest);
  if (!first || !rest.empty()) fail(ErrorCode::kFormat, "body", "it is not one message behind its length");
  if (!first->compressed) return std::string(first->message);
  const std::string* coding = find_header(request.headers, "grpc-encoding");
  if (coding == nullptr || *coding == "identity") {
    fail(ErrorCode::kFormat, "grpc-encoding", "a compressed message, but the header does not say how");
  }
  return inflate_body(first->message, parse_coding(*coding, "grpc-encoding"), limit);
}

std::optional<std::chrono::nanoseconds> parse_grpc_timeout(std::string_view text) noexcept {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() - 1 || value < 0 || text.size() > 9) return std::nullopt;
  switch (text.back()) {
    case 'H': return std::chrono::hours(std::min<std::int64_t>(value, 100'000));
    case 'M': return std::chrono::minutes(value);
    case 'S': return std::chrono::seconds(value);
    case 'm': return std::chrono::milliseconds(value);
    case 'u': return std::chrono::microseconds(value);
    case 'n': return std::chrono::nanoseconds(value);
    default: return std::nullopt;
  }
}

GrpcInfer parse_grpc_infer(std::string bytes) {
  auto message = std::make_shared<inference::ModelInferRequest>(parse<inference::ModelInferRequest>(bytes));
  std::string().swap(bytes);
  GrpcInfer infer{message->model_name(), message->model_version(), message, {}};
  InferRequest& request = infer.request;
  request.id = message->id();
  if (const auto top = find_whole(message->parameters(), "top")) request.top = small(*top);
  if (const auto timeout = find_whole(message->parameters(), "timeout")) {
    request.timeout = std::chrono::microseconds(*timeout);
  }
  request.priority = find_whole(message->parameters(), "priority");
  const bool raw = message->raw_input_contents_size() > 0;
  if (raw && message->raw_input_contents_size() != message->inputs_size()) {
    fail(ErrorCode::kMismatch, "raw_input_contents", "{} for {} inputs", message->raw_input_contents_size(),
         message->inputs_size());
  }
  for (int i = 0; i < message->inputs_size(); ++i) {
    const auto& tensor = message->inputs(i);
    InferInput input;
    input.name = tensor.name();
    input.datatype = tensor.datatype();
    input.shape.assign(tensor.shape().begin(), tensor.shape().end());
    if (raw) {
      input.raw = message->raw_input_contents(i);
    } else {
      take_contents(tensor.contents(), input);
    }
    request.inputs.push_back(std::move(input));
  }
  for (const auto& wanted : message->outputs()) {
    InferWish wish;
    wish.name = wanted.name();
    wish.classification = small(find_whole(wanted.parameters(), "classification").value_or(0));
    request.outputs.push_back(std::move(wish));
  }
  return infer;
}

std::optional<std::int64_t> peek_grpc_priority(std::string_view body) {
  namespace pb = google::protobuf;
  constexpr std::size_t kHead = 5;
  constexpr int kMaxFields = 64;
  constexpr int kMaxBytes = 1024;  // of a parameter
  const std::uint32_t parameter = pb::internal::WireFormatLite::MakeTag(
      inference::ModelInferRequest::kParametersFieldNumber, pb::internal::WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  if (body.size() < kHead || body[0] != 0) return std::nullopt;
  body.remove_prefix(kHead);
  pb::io::CodedInputStream fields(reinterpret_cast<const std::uint8_t*>(body.data()), static_cast<int>(body.size()));
  inference::ModelInferRequest found;
  for (int i = 0; i < kMaxFields; ++i) {
    const int begin = fields.CurrentPosition();
    const std::uint32_t tag = fields.ReadTag();
    if (tag == 0 || !pb::internal::WireFormatLite::SkipField(&fields, tag)) break;
    const int size = fields.CurrentPosition() - begin;
    if (tag != parameter || size > kMaxBytes) continue;
    const std::string field(body.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(size)));
    if (!found.MergeFromString(field)) break;
  }
  try {
    return find_whole(found.parameters(), "priority");
  } catch (const Error&) {  // whoever reads it will say so
    return std::nullopt;
  }
}

std::string format_grpc_infer(const InferResponse& response, const ServedModel& model) {
  inference::ModelInferResponse message;
  message.set_model_name(model.name());
  message.set_model_version(model.version());
  message.set_id(response.id);
  for (const InferOutput& output : response.outputs) {
    auto* tensor = message.add_outputs();
    tensor->set_name(output.name);
    tensor->set_datatype(output.datatype);
    for (const std::int64_t size : output.shape) tensor->add_shape(size);
    if (output.datatype == "FP32") {
      message.add_raw_output_contents(output.floats.data(), output.floats.size() * sizeof(float));
    } else {
      message.add_raw_output_contents(pack_texts(output.texts));
    }
  }
  return message.SerializeAsString();
}

std::optional<std::string> call_grpc(std::string_view path, std::string_view message, const GrpcServices& services) {
  if (path == "/grpc.health.v1.Health/Check") {
    return health(parse<grpc::health::v1::HealthCheckRequest>(message), services.live_and_ready);
  }
  if (!path.starts_with(kInference)) return std::nullopt;
  path.remove_prefix(kInference.size());
  if (path == "ServerLive") {
    inference::ServerLiveResponse response;
    response.set_live(true);
    return response.SerializeAsString();
  }
  if (path == "ServerReady") {
    inference::ServerReadyResponse response;
    response.set_ready(services.live_and_ready);
    return response.SerializeAsString();
  }
  if (path == "ServerMetadata") return server_metadata();
  if (path == "ModelReady") return model_ready(parse<inference::ModelReadyRequest>(message), services.repository);
  if (path == "ModelMetadata") {
    return model_metadata(parse<inference::ModelMetadataRequest>(message), services.repository);
  }
  if (path == "ModelConfig") return model_config(parse<inference::ModelConfigRequest>(message), services.repository);
  if (path == "ModelStatistics") {
    return statistics(parse<inference::ModelStatisticsRequest>(message), services.repository);
  }
  if (path == "RepositoryIndex") return index(parse<inference::RepositoryIndexRequest>(message), services.repository);
  return std::nullopt;
}

}  // namespace resnet::serve
