#include "serve/server.h"

#include <unistd.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>

#include "base/error.h"
#include "base/thread_pool.h"
#include "serve/collector.h"
#include "serve/connection.h"
#include "serve/router.h"
#include "serve/tracer.h"
#include "serve/work_queue.h"

namespace resnet::serve {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr int kQueuePerWorker = 8;
constexpr int kFirstDescriptor = 3;             // of those that systemd hands over
constexpr std::chrono::seconds kWatch(1);       // between looks at the files of models
constexpr std::chrono::milliseconds kLook(20);  // whether all connections have ended

// `working` counts workers that are at work; the others' processors are free for the crew.
ServerOptions settled(ServerOptions options, const std::atomic<int>& working) {
  if (options.workers == 0) options.workers = available_processors();
  if (options.queue == 0) options.queue = kQueuePerWorker * options.workers;
  options.repository.model.sessions = options.workers;
  const int processors = std::min(options.workers, available_processors());
  if (processors > 1) {
    options.repository.model.crew =
        std::make_shared<Crew>(processors - 1, [processors, &working] { return processors - working.load(); });
  }
  return options;
}

// How many sockets systemd has opened for this process (sd_listen_fds(3)).
int handed_over() {
  const char* process = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  if (process == nullptr || count == nullptr || std::atoll(process) != static_cast<long long>(::getpid())) return 0;
  return std::max(0, std::atoi(count));
}

std::unique_ptr<Tracer> make_tracer(const ServerOptions& options, const std::function<void(const std::string&)>& say) {
  if (options.collector.empty()) return nullptr;
  return std::make_unique<Tracer>(
      [collector = Collector(options.collector)](const std::string& body) { collector.send(body); }, say);
}

RouterOptions router_options(const ServerOptions& options, bool admin) {
  RouterOptions router;
  router.page = options.page;
  router.log_requests = options.log_requests;
  router.full_status = options.full_status;
  router.admin = admin;
  router.token = options.admin_token;
  return router;
}

}  // namespace

struct Server::Impl {
  Impl(ServerOptions given, std::function<void(const std::string&)> tell, std::function<void(const std::string&)> log)
      : options(settled(std::move(given), working)),
        say(std::move(tell)),
        bytes(options.request_bytes),
        tracer(make_tracer(options, say)),
        repository(options.repository, say, counters),
        queue(std::make_unique<WorkQueue>(options.workers, static_cast<std::size_t>(options.queue), working)),
        router(
            router_options(options, false), repository, *queue, bytes, counters,
            [this] { return listener.connections(); }, log, tracer.get()),
        admin_router(
            router_options(options, true), repository, *queue, bytes, counters,
            [this] { return listener.connections(); }, log, tracer.get()),
        limits{.connections = options.connections},
        tls(options.certificate.empty()
                ? nullptr
                : std::make_unique<TlsContext>(TlsFiles{options.certificate, options.key, options.client_authority})),
        listener(context, router, http, limits, tls.get()),
        admin_listener(context, admin_router, http, limits, tls.get()),
        signals(context, SIGTERM, SIGINT, SIGHUP),
        timer(context),
        watch(context) {
    if (handed_over() > 0) {
      listener.adopt(kFirstDescriptor);
    } else {
      listener.listen(options.host, options.port, options.share_port);
    }
    if (options.admin_port) admin_listener.listen(options.host, *options.admin_port, options.share_port);
    if (!takes_over()) accept();
  }

  ~Impl() { queue.reset(); }  // answers go to the context, which must be there

  // A server that follows another on its socket lets connections wait until its models are there: nobody notices.
  bool takes_over() const { return handed_over() > 0 || options.share_port; }
  void accept() {
    listener.accept();
    if (options.admin_port) admin_listener.accept();
  }

  void load_first() {
    repository.reload_all([this] { asio::post(context, [this] { loaded(); }); });
  }

  void loaded() {
    const std::vector<ModelStatus> models = repository.list();
    const bool any = std::any_of(models.begin(), models.end(), [](const ModelStatus& m) { return m.model != nullptr; });
    for (const ModelStatus& model : models) {
      if (model.model) continue;
      if (!any || !options.repository.models.empty()) {
        failure = model.reason;
        return stop_now();
      }
      say(model.reason);
    }
    std::string names;
    for (const ModelStatus& model : models) {
      if (model.model) names += fmt::format("{}{}", names.empty() ? "" : ", ", model.name);
    }
    if (takes_over()) accept();
    const std::string host = options.host.find(':') == std::string::npos ? options.host : "[" + options.host + "]";
    say(fmt::format("serving {} on {}://{}:{} with {} worker{}", names, tls ? "https" : "http", host, listener.port(),
                    options.workers, options.workers == 1 ? "" : "s"));
    if (options.watch) look_for_changes();
  }

  void look_for_changes() {
    watch.expires_after(kWatch);
    watch.async_wait([this](const error_code& error) {
      if (error || stopping) return;
      repository.look_for_changes();
      look_for_changes();
    });
  }

  void wait_for_signal() {
    signals.async_wait([this](const error_code& error, int signal) {
      if (error) return;
      if (signal == SIGHUP) {
        reload();
      } else if (stopping) {
        return stop_now();
      } else {
        begin_stop();
      }
      wait_for_signal();
    });
  }

  void reload() {
    say("loading everything anew");
    try {
      if (tls) tls->reload();
    } catch (const Error& error) {
      say(fmt::format("{}; the certificates that were loaded before stay", error.what()));
    }
    repository.reload_all([this] { say("everything was loaded anew"); });
  }

  void begin_stop() {
    stopping = true;
    router.set_stopping();
    admin_router.set_stopping();
    say("stopping: what is in is finished; a second signal ends at once");
    timer.expires_after(options.drain_delay);
    timer.async_wait([this](const error_code& error) {
      if (!error) drain();
    });
  }

  void drain() {
    listener.stop_accepting();
    admin_listener.stop_accepting();
    listener.drain();
    admin_listener.drain();
    drain_end = Clock::now() + options.drain_time;
    look_again();
  }

  void look_again() {
    const std::size_t left = listener.connections() + admin_listener.connections();
    if (left == 0) return stop_now();
    if (Clock::now() > drain_end) {
      say(fmt::format("{} connections did not end in time", left));
      return stop_now();
    }
    timer.expires_after(kLook);
    timer.async_wait([this](const error_code& error) {
      if (!error) look_again();
    });
  }

  void stop_now() {
    listener.stop_accepting();
    admin_listener.stop_accepting();
    listener.stop();
    admin_listener.stop();
    error_code ignored;
    signals.cancel(ignored);
    timer.cancel();
    watch.cancel();
    queue->close();
    context.stop();
  }

  std::atomic<int> working = 0;  // workers; models and queue read it to their end
  const ServerOptions options;
  const std::function<void(const std::string&)> say;
  ServerCounters counters;
  ByteBudget bytes;
  asio::io_context context{1};     // holds connections, whose requests hold bytes, to its end
  std::unique_ptr<Tracer> tracer;  // null where no collector is named
  Repository repository;
  std::unique_ptr<WorkQueue> queue;
  Router router;
  Router admin_router;
  const HttpLimits http;
  const ConnectionLimits limits;
  std::unique_ptr<TlsContext> tls;
  Listener listener;
  Listener admin_listener;
  asio::signal_set signals;
  asio::steady_timer timer;
  asio::steady_timer watch;
  Clock::time_point drain_end;
  bool stopping = false;
  std::string failure;
};

Server::Server(ServerOptions options, std::function<void(const std::string&)> say,
               std::function<void(const std::string&)> log)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(say), std::move(log))) {}
Server::~Server() = default;

int Server::port() const { return impl_->listener.port(); }

void Server::run() {
  impl_->wait_for_signal();
  impl_->load_first();
  impl_->context.run();
  if (!impl_->failure.empty()) fail(ErrorCode::kUnsupported, "", "{}", impl_->failure);
}

}  // namespace resnet::serve
