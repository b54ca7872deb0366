// Answers that every address gives alike: errors, refusals, compressed bodies.
#pragma once

#include <charconv>
#include <exception>
#include <optional>
#include <string_view>

#include "serve/http.h"
#include "serve/work_queue.h"

namespace resnet::serve {

// What went wrong, in the words of HTTP or of gRPC.
HttpResponse error_of(const std::exception& error, bool grpc);

// A refusal as gRPC says it.
HttpResponse to_grpc(Refusal refusal);

// Compresses the body as the request's headers allow, where it is worth it.
void compress(HttpResponse& response, const Headers& request);

// The whole text as a number; nothing where it is none.
template <typename Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace resnet::serve
