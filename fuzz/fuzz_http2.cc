// Bytes of a client that speaks HTTP/2, in pieces; the preface is put in front, as no fuzzer should have to find it.
#include "serve_host.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace resnet::serve;
  converse_with(data, size, [](ProtocolContext context) {
    auto protocol = make_http2(std::move(context));
    protocol->receive("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    return protocol;
  });
  return 0;
}
