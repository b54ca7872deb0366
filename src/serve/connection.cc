#include "serve/connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <vector>

#include "base/error.h"

namespace resnet::serve {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kReadPiece = 64 * 1024;  // bytes
constexpr std::size_t kWritePiece = 256 * 1024;
constexpr std::chrono::seconds kLinger(2);  // for a client to read why its connection ends
constexpr std::chrono::seconds kFirst(3);   // at the end, for the first bytes of a connection that has just been made
constexpr int kMostWaiting = 4096;          // connections that the kernel has made and nobody accepted
constexpr int kSending = 100;               // what a timer runs for beside a Protocol's Waiting
constexpr int kLastChance = 101;

// One buffer for all connections of the thread: an idle one holds none.
std::string& read_buffer() {
  thread_local std::string buffer(kReadPiece, '\0');
  return buffer;
}

}  // namespace

Connection::Connection(Listener& listener, tcp::socket socket, std::string peer)
    : listener_(listener), socket_(std::move(socket)), timer_(socket_.get_executor()), peer_(std::move(peer)) {
  if (listener.tls_ != nullptr) tls_ = std::make_unique<TlsSession>(*listener.tls_);
}

void Connection::start() {
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  set_timer();
  read();
}

void Connection::changed() {
  write();
  read();
  set_timer();
}

// What has come is read first: who has begun a request gets its answer.
void Connection::drain() {
  draining_ = true;
  if (!lingering_ && (!protocol_ || protocol_->wants_input())) receive();
  if (closed_) return;
  if (protocol_) protocol_->drain();
  changed();
}

void Connection::stop() { close(); }

// Waits for bytes first, and reads them then, into a buffer that is everybody's.
void Connection::read() {
  if (reading_ || closed_) return;
  if (!lingering_ && protocol_ && !protocol_->wants_input()) return;
  reading_ = true;
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](const error_code& waited) {
    self->reading_ = false;
    if (self->closed_) return;
    if (waited) return self->close();
    self->receive();
    self->read();
  });
}

// What is there.
void Connection::receive() {
  error_code error;
  std::string& buffer = read_buffer();
  const std::size_t got = socket_.read_some(asio::buffer(buffer), error);
  if (error == asio::error::would_block || error == asio::error::try_again) return;
  if (error) {
    if (protocol_) protocol_->closed();
    return close();
  }
  if (!lingering_) take(std::string_view(buffer).substr(0, got));
}

void Connection::take(std::string_view bytes) {
  if (tls_) {
    std::string plain;
    const bool going_on = tls_->receive(bytes, plain);
    if (!plain.empty()) give_to_protocol(plain);
    if (!going_on) {
      if (protocol_) protocol_->closed();
      write();
      return close();
    }
  } else {
    give_to_protocol(bytes);
  }
  write();
  set_timer();
}

void Connection::give_to_protocol(std::string_view bytes) {
  if (protocol_) return protocol_->receive(bytes);
  first_bytes_ += bytes;
  const HttpVersion version = tell_version(first_bytes_);
  if (version == HttpVersion::kUnknown) return;
  const auto post = [executor = socket_.get_executor()](std::function<void()> task) {
    asio::post(executor, std::move(task));
  };
  ProtocolContext context{*this, post, listener_.application_, listener_.http_, peer_};
  protocol_ = version == HttpVersion::kHttp2 ? make_http2(std::move(context)) : make_http1(std::move(context));
  protocol_->receive(std::exchange(first_bytes_, {}));
  if (draining_) protocol_->drain();
}

void Connection::write() {
  if (writing_ || closed_ || lingering_) return;
  sending_.clear();
  if (protocol_) {
    if (tls_) {
      std::string plain;
      protocol_->take_output(plain, kWritePiece);
      tls_->send(plain);
      if (plain.empty() && protocol_->finished()) tls_->close();
    } else {
      protocol_->take_output(sending_, kWritePiece);
    }
  }
  if (tls_) tls_->take_output(sending_);
  if (sending_.empty()) {
    sending_ = std::string();  // an idle connection holds nothing
    if (protocol_ && protocol_->finished()) linger();
    return;
  }
  writing_ = true;
  set_timer();
  asio::async_write(socket_, asio::buffer(sending_), [self = shared_from_this()](const error_code& error, std::size_t) {
    self->writing_ = false;
    if (self->closed_) return;
    if (error) {
      if (self->protocol_) self->protocol_->closed();
      return self->close();
    }
    self->write();
    self->read();
    self->set_timer();
  });
}

// A reset would take the last answer from a client that is still sending: what it sends is read and thrown away for a
// while (RFC 9112, section 9.6).
void Connection::linger() {
  if (lingering_) return;
  lingering_ = true;
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  timed_for_ = -1;
  timer_.expires_after(kLinger);
  timer_.async_wait([self = shared_from_this()](const error_code& error) {
    if (!error) self->close();
  });
  read();
}

void Connection::set_timer() {
  if (closed_ || lingering_) return;
  const Waiting waiting = protocol_ ? protocol_->waiting() : Waiting::kHeader;
  int now = writing_ ? kSending : static_cast<int>(waiting);
  if (draining_ && !protocol_ && !writing_ && first_bytes_.empty()) now = kLastChance;
  if (now == timed_for_ && now != kSending) return;
  timed_for_ = now;
  const ConnectionLimits& limits = listener_.limits_;
  std::chrono::seconds time = now == kLastChance ? kFirst : limits.send_time;
  if (!writing_ && now != kLastChance) {
    switch (waiting) {
      case Waiting::kGoodbye: time = kLinger; break;
      case Waiting::kRequest: time = limits.idle_time; break;
      case Waiting::kHeader: time = limits.header_time; break;
      case Waiting::kBody: time = limits.body_time; break;
      case Waiting::kAnswer: timer_.cancel(); return;
    }
  }
  timer_.expires_after(time);
  timer_.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->closed_) return;
    if (self->writing_ || !self->protocol_) return self->close();
    self->protocol_->timed_out();
    self->timed_for_ = -1;
    self->write();
    self->set_timer();
  });
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  error_code ignored;
  timer_.cancel();
  socket_.close(ignored);
  if (protocol_) protocol_->closed();
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->listener_.forget(*self); });
}

Listener::Listener(asio::io_context& context, Application& application, const HttpLimits& http,
                   const ConnectionLimits& limits, TlsContext* tls)
    : context_(context),
      acceptor_(context),
      retry_(context),
      application_(application),
      http_(http),
      limits_(limits),
      tls_(tls) {}

void Listener::listen(const std::string& host, int port, bool share) {
  const std::string where = fmt::format("{}:{}", host, port);
  error_code error;
  tcp::resolver resolver(context_);
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  if (error || found.empty()) fail(ErrorCode::kNotFound, where, "no such address: {}", error.message());
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && share) {
    using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
    acceptor_.set_option(ReusePort(true), error);
  }
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) fail(ErrorCode::kIo, where, "cannot listen there: {}", error.message());
}

void Listener::adopt(int descriptor) {
  error_code error;
  acceptor_.assign(tcp::v6(), descriptor, error);
  if (error) fail(ErrorCode::kIo, fmt::format("descriptor {}", descriptor), "cannot listen on it: {}", error.message());
}

int Listener::port() const { return acceptor_.local_endpoint().port(); }

void Listener::accept() {
  acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
    if (!error) take(std::move(socket));  // also one that was accepted just before the listener closed
    if (!acceptor_.is_open()) return;
    if (error) {  // no descriptors are left, say: others may end meanwhile
      retry_.expires_after(std::chrono::milliseconds(50));
      retry_.async_wait([this](const error_code& stopped) {
        if (!stopped) accept();
      });
      return;
    }
    accept();
  });
}

void Listener::take(tcp::socket socket) {
  if (open_.size() >= static_cast<std::size_t>(limits_.connections)) return;
  error_code ignored;
  const tcp::endpoint remote = socket.remote_endpoint(ignored);
  const auto connection = std::make_shared<Connection>(*this, std::move(socket), remote.address().to_string());
  open_.emplace(connection.get(), connection);
  count_ = open_.size();
  connection->start();
  if (draining_) connection->drain();
}

void Listener::forget(Connection& connection) {
  open_.erase(&connection);
  count_ = open_.size();
}

// Connections that the kernel has made by now would be reset: they are taken.
void Listener::stop_accepting() {
  error_code error;
  retry_.cancel();
  acceptor_.non_blocking(true, error);
  for (int i = 0; i < kMostWaiting && !error; ++i) {
    tcp::socket socket(context_);
    acceptor_.accept(socket, error);
    if (!error) take(std::move(socket));
  }
  acceptor_.close(error);
}

void Listener::drain() {
  draining_ = true;
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [key, connection] : open_) all.push_back(connection);
  for (const auto& connection : all) connection->drain();
}

void Listener::stop() {
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [key, connection] : open_) all.push_back(connection);
  for (const auto& connection : all) connection->stop();
}

}  // namespace resnet::serve
