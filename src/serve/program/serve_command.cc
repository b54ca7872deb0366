// resnet serve: a model as a server.
#include "serve/program/serve_command.h"

#include <fmt/format.h>

#include <csignal>
#include <memory>
#include <mutex>

#include "base/file.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "cli/option_words.h"
#include "console/output.h"
#include "resnet/error.h"
#include "serve/collector.h"
#include "serve/server.h"

namespace resnet::cli {
namespace {

constexpr int kMaxPort = 65'535;
constexpr std::size_t kMaxToken = 4096;  // bytes

struct ServeCommand {
  serve::ServerOptions options;
  std::optional<std::string> token_file;
  std::string log = "none";
  double drain_delay = 0;  // seconds
  int drain_time = 30;
  int memory_limit = 0;  // MB
  int request_memory = 512;
  int full_status = 503;
  bool no_page = false;
  std::int64_t max_pixels = 50'000'000;
};

std::string read_token(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path);
  std::string token(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  if (token.empty() || token.size() > kMaxToken || token.find_first_of("\r\n ") != std::string::npos) {
    throw Usage(fmt::format("--admin-token-file: {} does not hold a token, one word on one line", path));
  }
  return token;
}

void check(const ServeCommand& command) {
  const serve::ServerOptions& options = command.options;
  if (options.repository.models.empty() && !options.repository.folder) {
    throw Usage("name a model, or a folder of models with --models");
  }
  if (options.certificate.empty() != options.key.empty()) throw Usage("--tls-cert and --tls-key come together");
  if (!options.client_authority.empty() && options.certificate.empty()) {
    throw Usage("--tls-client-ca asks for --tls-cert and --tls-key");
  }
  if (options.admin_port.has_value() != command.token_file.has_value()) {
    throw Usage("--admin-port and --admin-token-file come together");
  }
  if (!options.collector.empty()) {
    try {
      static_cast<void>(serve::Collector(options.collector));
    } catch (const Error& error) {
      throw Usage(fmt::format("--otlp: {}", error.what()));
    }
  }
}

void run(ServeCommand command) {
  check(command);
  serve::ServerOptions& options = command.options;
  if (command.token_file) options.admin_token = read_token(*command.token_file);
  options.log_requests = command.log == "requests";
  options.drain_delay = std::chrono::milliseconds(static_cast<std::int64_t>(command.drain_delay * 1000));
  options.drain_time = std::chrono::seconds(command.drain_time);
  options.repository.memory_limit = std::int64_t{command.memory_limit} * 1'000'000;
  options.request_bytes = std::int64_t{command.request_memory} * 1'000'000;
  options.repository.model.max_pixels = command.max_pixels;
  options.full_status = command.full_status;
  options.page = !command.no_page;
  std::signal(SIGPIPE, SIG_IGN);  // a client that has gone is an error of its connection
  const auto printing = std::make_shared<std::mutex>();
  serve::Server server(
      std::move(options), [](const std::string& line) { say(line); },
      [printing](const std::string& line) {
        const std::lock_guard lock(*printing);
        fmt::print("{}\n", line);
        std::fflush(stdout);
      });
  server.run();
}

}  // namespace

void add_server(Command& app) {
  Command* sub = app.add_subcommand("serve", "Serve models over HTTP and gRPC");
  auto command = std::make_shared<ServeCommand>();
  serve::ServerOptions& options = command->options;
  sub->add_option("MODEL", options.repository.models,
                  "Files, or NAME=FILE; a name is the file's without its ending where none is given");
  sub->add_option("--models", options.repository.folder, "A folder of NAME/VERSION/model.safetensors")
      ->type_name("FOLDER");
  sub->add_option("--host", options.host, "The address to listen on")->capture_default_str()->type_name("ADDRESS");
  sub->add_option("--port", options.port, "The port for HTTP/1.1, HTTP/2 and gRPC; 0: any that is free")
      ->capture_default_str()
      ->check(Range(0, kMaxPort));
  sub->add_option("--workers", options.workers, "Requests that are answered at a time; 0: one a processor")
      ->capture_default_str()
      ->check(Range(0, 1024));
  sub->add_option("--queue", options.queue, "Requests that may wait; 0: eight a worker")
      ->capture_default_str()
      ->check(Range(0, 1'000'000));
  add_precision_option(*sub, options.repository.model.precision);
  sub->add_option("--log", command->log, "requests: a line of JSON a request on standard output")
      ->capture_default_str()
      ->check(IsMember({"none", "requests"}));
  sub->add_flag("--check", options.repository.model.check,
                "Hold what comes in to what the first batch norm remembers; a gauge, and one warning");
  sub->add_flag("--no-page", command->no_page, "Without the page at /");
  sub->add_option("--otlp", options.collector,
                  "Send traces to a collector of OpenTelemetry, such as http://127.0.0.1:4318")
      ->type_name("URL")
      ->group(kMoreOptions);
  constexpr const char* kLimits = "Limits";
  sub->add_option("--full-status", command->full_status, "What is answered when the queue is full")
      ->capture_default_str()
      ->check(IsMember({429, 503}))
      ->group(kLimits);
  sub->add_option("--request-memory", command->request_memory, "MB that all requests together may hold")
      ->capture_default_str()
      ->check(Range(1, 1'000'000))
      ->group(kLimits);
  sub->add_option("--memory-limit", command->memory_limit, "MB that all models together may take; 0: no limit")
      ->capture_default_str()
      ->check(Range(0, 10'000'000))
      ->group(kLimits);
  sub->add_option("--connections", options.connections, "Connections that may be open")
      ->capture_default_str()
      ->check(Range(1, 1'000'000))
      ->group(kLimits);
  sub->add_option("--max-pixels", command->max_pixels, "Pictures of more pixels are refused")
      ->capture_default_str()
      ->check(Range(std::int64_t{1}, kMaxPixels))
      ->group(kLimits);
  constexpr const char* kLife = "Start and end";
  sub->add_option("--drain-delay", command->drain_delay,
                  "Seconds between SIGTERM, from which on it is not ready, and taking no more connections")
      ->capture_default_str()
      ->check(Range(0.0, 3600.0))
      ->group(kLife);
  sub->add_option("--drain-time", command->drain_time, "Seconds for what is in to be finished")
      ->capture_default_str()
      ->check(Range(0, 3600))
      ->group(kLife);
  sub->add_flag("--watch", options.watch, "Load models anew whose files are written; SIGHUP loads all")->group(kLife);
  sub->add_flag("--share-port", options.share_port, "Let a second server listen on the same port, to take over")
      ->group(kLife);
  constexpr const char* kSafety = "TLS and administration";
  sub->add_option("--tls-cert", options.certificate, "The server's certificate and its chain, PEM")
      ->type_name("FILE")
      ->group(kSafety);
  sub->add_option("--tls-key", options.key, "Its key, PEM")->type_name("FILE")->group(kSafety);
  sub->add_option("--tls-client-ca", options.client_authority, "Clients must show a certificate signed by one of these")
      ->type_name("FILE")
      ->group(kSafety);
  sub->add_option("--admin-port", options.admin_port, "A port of its own for loading and unloading models")
      ->check(Range(0, kMaxPort))
      ->group(kSafety);
  sub->add_option("--admin-token-file", command->token_file, "The file of the token that is asked for there")
      ->type_name("FILE")
      ->group(kSafety);
  sub->footer(
      "Examples:\n"
      "  resnet serve model.safetensors\n"
      "  resnet serve cats=cats.safetensors dogs=dogs.safetensors --host 0.0.0.0\n"
      "  curl -T cat.jpg 'localhost:8000/classify?top=3'");
  sub->callback([command] { run(*command); });
}

}  // namespace resnet::cli
