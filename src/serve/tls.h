// TLS 1.2 and 1.3 by OpenSSL, without a socket: encrypted bytes go in and come out.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

// OpenSSL's own types.
struct ssl_ctx_st;
struct ssl_st;

namespace resnet::serve {

struct TlsFiles {
  std::string certificate;       // PEM: the server's and those that vouch for it, in this order
  std::string key;               // PEM
  std::string client_authority;  // PEM: clients must show a certificate that one of these signed; empty: none is asked
};

// The certificates. reload() may be called while sessions run: these keep what they began with.
class TlsContext {
 public:
  // Throws kIo and kFormat, naming the file.
  explicit TlsContext(TlsFiles files);

  // The same files anew. Throws as above, and keeps what it had.
  void reload();

  std::shared_ptr<ssl_ctx_st> current() const;

 private:
  TlsFiles files_;
  mutable std::mutex mutex_;
  std::shared_ptr<ssl_ctx_st> context_;
};

// One connection's.
class TlsSession {
 public:
  explicit TlsSession(const TlsContext& context);

  // Takes bytes from the network; appends what they said to `plain`. False where the session is broken or over: what
  // is to be sent then tells the client why.
  bool receive(std::string_view encrypted, std::string& plain);

  void send(std::string_view plain);
  void close();

  // Moves the bytes for the network behind `out`.
  void take_output(std::string& out);

 private:
  bool shake_hands();

  std::unique_ptr<ssl_st, void (*)(ssl_st*)> ssl_;
  std::string early_;  // to be sent when the handshake is done
  bool broken_ = false;
};

}  // namespace resnet::serve
