// Bytes of a client that speaks HTTP/1.1, in pieces.
#include "serve_host.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace resnet::serve;
  converse_with(data, size, [](ProtocolContext context) { return make_http1(std::move(context)); });
  return 0;
}
