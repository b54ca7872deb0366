// What a connection speaks, without its socket: bytes that came go in, bytes to be sent come out. All functions are
// called on the thread of the connection, and none of them waits; so a fuzzer can be a connection, too.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "serve/http.h"

namespace resnet::serve {

// The connection as its protocol sees it.
class ProtocolHost {
 public:
  virtual ~ProtocolHost() = default;

  // There is more to send, or the protocol is finished.
  virtual void changed() = 0;
};

// What a protocol waits for; a connection gives each only so long.
enum class Waiting {
  kGoodbye,  // that the client has seen that this is the end
  kRequest,  // nothing of it has come
  kHeader,   // it has begun
  kBody,
  kAnswer,  // for the application
};

class Protocol {
 public:
  virtual ~Protocol() = default;

  // Bytes that came. After finished() they are passed over.
  virtual void receive(std::string_view bytes) = 0;

  // The client sends nothing more, or has gone.
  virtual void closed() = 0;

  // Finishes what is in, takes nothing new, and is finished() then.
  virtual void drain() = 0;

  // Moves what is to be sent behind `out`, about `limit` bytes at a time.
  virtual void take_output(std::string& out, std::size_t limit) = 0;

  // Whether bytes may come: false while enough of them are waiting.
  virtual bool wants_input() const = 0;

  virtual Waiting waiting() const = 0;

  // The connection ends when all output is sent.
  virtual bool finished() const = 0;

  // The time for what it waits for is over: says so where the protocol has words for it, and finishes.
  virtual void timed_out() = 0;
};

struct ProtocolContext {
  ProtocolHost& host;
  std::function<void(std::function<void()>)> post;  // runs a task on the thread of the connections; from any thread
  Application& application;
  const HttpLimits& limits;
  std::string peer;
};

std::unique_ptr<Protocol> make_http1(ProtocolContext context);
std::unique_ptr<Protocol> make_http2(ProtocolContext context);

// Which of the two speaks first bytes such as these; null while that is open.
enum class HttpVersion { kUnknown, kHttp1, kHttp2 };
HttpVersion tell_version(std::string_view first_bytes) noexcept;

}  // namespace resnet::serve
