// Where traces go: a collector of OpenTelemetry at an address that the operator gave, over HTTP/1.1 without TLS.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace resnet::serve {

class Collector {
 public:
  // "http://127.0.0.1:4318"; "/v1/traces" is put behind it. Throws kInvalidArgument for what is no such address.
  explicit Collector(std::string_view url);

  // Sends a body of JSON on a connection of its own, waits for the answer, and follows no redirection. Throws kIo where
  // the collector is not there, does not take it (any status but 2xx), or is not done after two seconds.
  void send(const std::string& body) const;

 private:
  std::string url_;
  std::string host_, port_, path_;
};

}  // namespace resnet::serve
