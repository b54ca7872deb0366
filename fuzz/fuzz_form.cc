// What else of a request is taken apart: forms, compressed bodies, queries, time-outs, what an answer may be coded in.
#include "fuzz_tensors.h"
#include "serve/compression.h"
#include "serve/grpc.h"
#include "serve/grpc_frame.h"
#include "serve/multipart.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace resnet;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 6) {
      case 0: {
        const std::size_t line = text.find('\n');
        const std::string_view body = line == std::string_view::npos ? text : text.substr(line + 1);
        const serve::FormFile file = serve::first_file(text.substr(0, line), body);
        require(file.bytes.empty() || (file.bytes.data() >= body.data() &&
                                       file.bytes.data() + file.bytes.size() <= body.data() + body.size()));
        break;
      }
      case 1: require(serve::inflate_body(text, serve::Coding::kGzip, 100'000).size() <= 100'000); break;
      case 2: require(serve::inflate_body(text, serve::Coding::kDeflate, 100'000).size() <= 100'000); break;
      case 3: {
        serve::HttpRequest request;
        request.target = text;
        request.query("top");
        request.path();
        break;
      }
      case 4: {
        serve::parse_grpc_timeout(text);
        serve::choose_coding(text);
        const std::string packed = serve::deflate_body(text, serve::Coding::kGzip);
        require(serve::inflate_body(packed, serve::Coding::kGzip, text.size()) == text);
        break;
      }
      default: {
        std::string_view rest = text;
        const serve::FrameReader reader(1000);
        while (reader.next(rest)) {
        }
        serve::HttpRequest request;
        request.headers = {{"grpc-encoding", "gzip"}};
        request.body = text;
        serve::grpc_message(request, 1000);
      }
    }
  } catch (const Error& error) {
    check_line(error);
  }
  return 0;
}
