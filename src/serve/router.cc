#include "serve/router.h"

#include <openssl/crypto.h>

#include "base/error.h"
#include "base/text.h"
#include "console/json.h"
#include "serve/answers.h"
#include "serve/assets.h"
#include "serve/grpc.h"
#include "serve/v2_json.h"

namespace resnet::serve {
namespace {

// "/models/m/infer" gives "models" and leaves "m/infer".
std::string_view take_segment(std::string_view& path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

HttpResponse not_found() { return error_response(404, "nothing is answered at this address; /openapi.json lists all"); }

HttpResponse wrong_method(std::string_view right) {
  HttpResponse response = error_response(405, fmt::format("this address takes {}", right));
  response.headers.emplace_back("allow", right);
  return response;
}

}  // namespace

Router::Router(RouterOptions options, Repository& repository, WorkQueue& queue, ByteBudget& bytes,
               ServerCounters& counters, std::function<std::size_t()> connections,
               std::function<void(const std::string&)> log, Tracer* tracer)
    : options_(std::move(options)),
      repository_(repository),
      queue_(queue),
      bytes_(bytes),
      counters_(counters),
      connections_(std::move(connections)),
      log_(std::move(log)),
      tracer_(tracer) {}

std::optional<HttpResponse> Router::admit(Exchange& exchange, std::optional<std::uint64_t> body_length) {
  ++counters_.requests;
  const bool grpc = is_grpc(exchange.request);
  if (grpc) exchange.conversation = converse(exchange.request.path());
  exchange.bytes = ByteLease(bytes_);
  if (body_length && !exchange.bytes.grow_to(static_cast<std::int64_t>(*body_length))) {
    HttpResponse response = refuse(Refusal::kBytes);
    return grpc ? to_grpc(Refusal::kBytes) : response;
  }
  return std::nullopt;
}

void Router::handle(std::shared_ptr<Exchange> exchange) {
  const bool grpc = is_grpc(exchange->request);
  try {
    const HttpRequest& request = exchange->request;
    const std::string_view path = request.path();
    if (grpc) {
      if (path == "/inference.GRPCInferenceService/ModelInfer") return begin_infer(exchange, "", "");
      return exchange->answer(this->grpc(*exchange, path));
    }
    if (path == "/classify") {
      if (request.method != "POST" && request.method != "PUT") return exchange->answer(wrong_method("POST, PUT"));
      return begin_classify(exchange);
    }
    if (path.find("//") != std::string_view::npos) return exchange->answer(not_found());  // no name is empty
    std::string_view rest = path;
    if (take_segment(rest) == "v2") {
      const std::string_view what = take_segment(rest);
      if (what == "models") {
        const std::string name(take_segment(rest));
        std::string version;
        std::string_view action = take_segment(rest);
        if (action == "versions") {
          version = take_segment(rest);
          action = take_segment(rest);
        }
        if (action == "infer" && rest.empty()) {
          if (request.method != "POST") return exchange->answer(wrong_method("POST"));
          return begin_infer(exchange, name, version);
        }
      }
      if (what == "repository" && take_segment(rest) == "models") {
        const std::string name(take_segment(rest));
        if (take_segment(rest) == "load" && request.method == "POST" && allowed(*exchange)) {
          return begin_load(exchange, name);
        }
      }
    }
    HttpResponse response = answer(*exchange);
    compress(response, request.headers);
    exchange->answer(std::move(response));
  } catch (const std::exception& error) {
    exchange->answer(error_of(error, grpc));
  }
}

HttpResponse Router::answer(Exchange& exchange) {
  const HttpRequest& request = exchange.request;
  const std::string_view path = request.path();
  std::string_view rest = path;
  if (take_segment(rest) == "v2") {
    const std::string_view what = take_segment(rest);
    if (what == "repository") return repository(exchange, rest);
    if (request.method != "GET" && request.method != "HEAD") return wrong_method("GET");
    if (what.empty()) {
      return json_response(
          JsonObject{{"name", "resnet"},
                     {"version", RESNET_VERSION},
                     {"extensions", std::vector<std::string>{"model_repository", "statistics", "model_configuration",
                                                             "binary_tensor_data", "classification"}}}
              .text());
    }
    if (what == "health") {
      const bool ready = rest == "/ready";
      if (!ready && rest != "/live") return not_found();
      const bool yes = !ready || (repository_.ready() && !stopping_);
      return json_response(JsonObject{{ready ? "ready" : "live", yes}}.text(), yes ? 200 : 503);
    }
    if (what == "models") return model(exchange, rest);
    return not_found();
  }
  if (request.method != "GET" && request.method != "HEAD") return wrong_method("GET");
  if (path == "/metrics") return metrics();
  if (path == "/openapi.json") return json_response(std::string(serve_openapi_json()));
  if (options_.page && !options_.admin) {
    if (auto asset = page_asset(path)) return *asset;
  }
  return not_found();
}

HttpResponse Router::model(Exchange&, std::string_view path) {
  const std::string name(take_segment(path));
  if (name.empty()) {
    JsonArray all;
    for (const ModelStatus& status : repository_.list()) {
      all.add(JsonObject{{"name", status.name}, {"version", status.version}, {"state", serve::name(status.state)}});
    }
    return json_response(JsonObject{{"models", all}}.text());
  }
  if (name == "stats" && path.empty()) return statistics("", "");
  std::string version;
  std::string_view action = take_segment(path);
  if (action == "versions") {
    version = take_segment(path);
    action = take_segment(path);
  }
  if (!path.empty()) return not_found();
  if (action == "stats") return statistics(name, version);
  if (action == "ready") {
    bool ready = false;
    for (const ModelStatus& status : repository_.list()) {
      if (status.name == name && (version.empty() || status.version == version) && status.model) ready = true;
    }
    return json_response(JsonObject{{"name", name}, {"ready", ready}}.text(), ready ? 200 : 503);
  }
  const auto found = repository_.find(name, version);
  if (action.empty()) return json_response(model_metadata(*found, repository_.versions(name)));
  if (action == "config") return json_response(model_config(*found));
  return not_found();
}

HttpResponse Router::statistics(std::string_view name, std::string_view version) {
  JsonArray all;
  const auto duration = [](std::uint64_t count, std::uint64_t nanoseconds) {
    return JsonObject{{"count", count}, {"ns", nanoseconds}};
  };
  for (const ModelStatus& status : repository_.list()) {
    if ((!name.empty() && status.name != name) || (!version.empty() && status.version != version)) continue;
    const ModelCounters& c = *status.counters;
    const auto phase = [&](Phase which) {
      const Histogram& histogram = c.phases[static_cast<std::size_t>(which)];
      return duration(histogram.all(), histogram.nanoseconds());
    };
    all.add(JsonObject{{"name", status.name},
                       {"version", status.version},
                       {"last_inference", c.last_inference_ms.load()},
                       {"inference_count", c.pictures.load()},
                       {"execution_count", c.pictures.load()},
                       {"inference_stats", JsonObject{{"success", duration(c.succeeded, c.total.nanoseconds())},
                                                      {"fail", duration(c.failed, 0)},
                                                      {"queue", phase(Phase::kQueue)},
                                                      {"compute_input", phase(Phase::kDecode)},
                                                      {"compute_infer", phase(Phase::kInfer)},
                                                      {"compute_output", phase(Phase::kEncode)}}},
                       {"batch_stats", JsonArray()}});
  }
  if (all.text() == "[]" && !name.empty()) fail(ErrorCode::kNotFound, one_line(name), "there is no such model");
  return json_response(JsonObject{{"model_stats", all}}.text());
}

bool Router::allowed(const Exchange& exchange) const {
  if (!options_.admin) return false;
  const std::string* shown = find_header(exchange.request.headers, "authorization");
  const std::string wanted = "Bearer " + options_.token;
  return shown != nullptr && shown->size() == wanted.size() &&
         CRYPTO_memcmp(shown->data(), wanted.data(), wanted.size()) == 0;
}

HttpResponse Router::repository(Exchange& exchange, std::string_view path) {
  if (exchange.request.method != "POST") return wrong_method("POST");
  if (path == "/index") {
    JsonArray all;
    for (const ModelStatus& status : repository_.list()) {
      all.add(JsonObject{{"name", status.name},
                         {"version", status.version},
                         {"state", serve::name(status.state)},
                         {"reason", status.reason}});
    }
    return json_response(all.text());
  }
  if (take_segment(path) != "models") return not_found();
  const std::string name(take_segment(path));
  const std::string_view action = take_segment(path);
  if ((action != "load" && action != "unload") || !path.empty()) return not_found();
  if (!options_.admin) {
    return error_response(404, "models are loaded and unloaded on the port of --admin-port alone, which has a token");
  }
  if (!allowed(exchange)) {
    HttpResponse response = error_response(401, "the token of --admin-token-file is asked for");
    response.headers.emplace_back("www-authenticate", "Bearer");
    return response;
  }
  repository_.unload(name);
  return json_response("{}");
}

void Router::begin_load(std::shared_ptr<Exchange> exchange, std::string name) {
  repository_.load(name, [exchange](std::optional<std::string> problem) {
    exchange->answer(problem ? error_response(400, *problem) : json_response("{}"));
  });
}

HttpResponse Router::grpc(Exchange& exchange, std::string_view path) {
  constexpr std::size_t kMaxMessage = 64 * 1024;  // of what is answered on the thread of the connections
  const std::string message = grpc_message(exchange.request, kMaxMessage);
  const auto answer = call_grpc(path, message, {repository_, repository_.ready() && !stopping_});
  if (!answer) return grpc_error(GrpcStatus::kUnimplemented, "there is no such method here");
  return grpc_response(*answer);
}

}  // namespace resnet::serve
