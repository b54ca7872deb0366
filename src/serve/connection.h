// Sockets: a listener, and a connection that carries bytes between a socket, TLS where it is asked for, and a protocol.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <unordered_map>

#include "serve/http.h"
#include "serve/protocol.h"
#include "serve/tls.h"

namespace resnet::serve {

struct ConnectionLimits {
  int connections = 20'000;
  std::chrono::seconds header_time{10};  // from a request's first byte to the end of its head
  std::chrono::seconds body_time{60};    // for the whole body
  std::chrono::seconds idle_time{75};    // between requests
  std::chrono::seconds send_time{30};    // for the client to take any bytes at all
};

class Listener;

// The listener owns it until its socket is closed. All on the thread of the io_context.
class Connection final : public ProtocolHost, public std::enable_shared_from_this<Connection> {
 public:
  Connection(Listener& listener, boost::asio::ip::tcp::socket socket, std::string peer);

  void start();
  void drain();
  void stop();  // at once

  void changed() override;

 private:
  void read();
  void receive();
  void take(std::string_view bytes);
  void give_to_protocol(std::string_view bytes);
  void write();
  void set_timer();
  void linger();
  void close();

  Listener& listener_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  std::unique_ptr<TlsSession> tls_;
  std::unique_ptr<Protocol> protocol_;
  std::string peer_;
  std::string first_bytes_;  // until it is known which protocol speaks
  std::string sending_;
  bool reading_ = false;
  bool writing_ = false;
  bool lingering_ = false;
  bool draining_ = false;
  bool closed_ = false;
  int timed_for_ = -1;  // what the timer runs for
};

// Accepts connections of one address.
class Listener {
 public:
  // `tls` may be null. Throws kIo where the address cannot be listened on.
  Listener(boost::asio::io_context& context, Application& application, const HttpLimits& http,
           const ConnectionLimits& limits, TlsContext* tls);

  // Connections wait until accept(). `share`: with other processes of this user that share it, too (SO_REUSEPORT).
  void listen(const std::string& host, int port, bool share);
  void adopt(int descriptor);  // of a socket that somebody else listens on already (systemd)

  int port() const;
  void accept();  // from now on
  void stop_accepting();
  void drain();  // every connection finishes what it is at
  void stop();   // every connection ends now
  std::size_t connections() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  friend class Connection;
  void take(boost::asio::ip::tcp::socket socket);
  void forget(Connection& connection);

  boost::asio::io_context& context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_;
  Application& application_;
  const HttpLimits& http_;
  const ConnectionLimits& limits_;
  TlsContext* tls_;
  bool draining_ = false;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> open_;
  std::atomic<std::size_t> count_ = 0;
};

}  // namespace resnet::serve
