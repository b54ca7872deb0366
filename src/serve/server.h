// The server: its models, its threads, its sockets, and how it begins and ends.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "serve/repository.h"

namespace resnet::serve {

struct ServerOptions {
  RepositoryOptions repository;
  std::string host = "127.0.0.1";
  int port = 8000;  // 0: any that is free
  bool share_port = false;
  std::optional<int> admin_port;  // load and unload are answered there, on the same host
  std::string admin_token;
  int workers = 0;                           // 0: one per processor this process may use
  int queue = 0;                             // requests that wait; 0: eight a worker
  std::int64_t request_bytes = 512'000'000;  // that all requests together may hold
  int connections = 20'000;
  std::string certificate, key, client_authority;  // PEM files; empty: no TLS
  std::chrono::milliseconds drain_delay{0};        // between no longer being ready and taking no more
  std::chrono::seconds drain_time{30};             // for what is in to end
  bool watch = false;                              // models whose files are written are loaded anew
  bool page = true;
  bool log_requests = false;
  std::string collector;  // of traces, "http://127.0.0.1:4318"; empty: none
  int full_status = 503;
};

class Server {
 public:
  // `say` is told lines for people, `log` a line of JSON a request; from any thread. Takes the sockets, or those that
  // systemd hands over (sd_listen_fds(3)). Throws kIo where it cannot listen, and what Repository, TlsContext and
  // Collector throw.
  Server(ServerOptions options, std::function<void(const std::string&)> say,
         std::function<void(const std::string&)> log);
  ~Server();

  int port() const;

  // Loads the models and serves until a SIGTERM or SIGINT has been worked off; SIGHUP loads everything anew. Throws
  // kUnsupported where a model that was named cannot be loaded at the start.
  void run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace resnet::serve
