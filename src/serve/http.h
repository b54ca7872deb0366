// Requests and answers of HTTP, whichever version carries them, and the seam between a protocol and what answers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/byte_budget.h"

namespace resnet::serve {

using Headers = std::vector<std::pair<std::string, std::string>>;  // of requests: names in lower case

// The first one of this name, which is in lower case; null where there is none.
const std::string* find_header(const Headers& headers, std::string_view name) noexcept;

struct HttpRequest {
  std::string method;
  std::string target;  // "/v2/models/m/infer?top=5", as it came
  Headers headers;
  std::string body;

  std::string_view path() const noexcept;  // the target in front of its query

  // The decoded value of "top" in the query "top=5"; nothing where it is not there. Throws kInvalidArgument for an
  // escape that is none.
  std::optional<std::string> query(std::string_view key) const;
};

struct HttpResponse {
  int status = 200;
  Headers headers;
  std::string body;
  std::optional<Headers> trailers = std::nullopt;  // HTTP/2 alone: sent behind the body
};

// An answer of one line of JSON, {"error": message}.
HttpResponse error_response(int status, std::string_view message);
HttpResponse json_response(std::string body, int status = 200);

// "Not Found"; empty for a status that nothing here gives.
std::string_view reason_phrase(int status) noexcept;

// A body that is answered piece by piece while it comes; HTTP/2 alone.
struct Conversation {
  HttpResponse head;  // its trailers end the answer
  std::function<std::string(std::string_view piece)> reply;
};

// A request under way: made by a protocol, kept by whoever answers it.
struct Exchange {
  HttpRequest request;
  std::string peer;                // the client's address
  ByteLease bytes;                 // that the body takes of the server's budget
  std::atomic<bool> gone = false;  // the client has left: nobody reads the answer

  // Set by admit(): then nothing is handed over, and the answer ends where the body does.
  std::optional<Conversation> conversation = std::nullopt;

  // Gives the answer, once; from any thread.
  std::function<void(HttpResponse)> answer;
};

// What answers. All functions are called on the thread of the connections and must not wait.
class Application {
 public:
  virtual ~Application() = default;

  // The request's head is there (its body is not): an answer here is given at once, and the body is not read. May take
  // bytes of the budget for the body that was declared, if one was.
  virtual std::optional<HttpResponse> admit(Exchange& exchange, std::optional<std::uint64_t> body_length) = 0;

  virtual void handle(std::shared_ptr<Exchange> exchange) = 0;
};

// Of one connection.
struct HttpLimits {
  std::uint32_t header_bytes = 16 * 1024;
  std::uint64_t body_bytes = 64'000'000;
  int chunks = 65'536;  // of a chunked body
  int streams = 100;    // of HTTP/2, at a time
  int resets = 200;     // of HTTP/2's streams by the client in ten seconds
};

}  // namespace resnet::serve
