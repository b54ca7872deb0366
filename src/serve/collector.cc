#include "serve/collector.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "base/error.h"

namespace resnet::serve {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::chrono::seconds kPatience(2);   // for all of it
constexpr std::size_t kMaxAnswer = 64 * 1024;  // bytes of the collector's answer

[[noreturn]] void fail_url(std::string_view url) {
  fail(ErrorCode::kInvalidArgument, std::string(url), "no address of a collector, such as http://127.0.0.1:4318");
}

}  // namespace

Collector::Collector(std::string_view url) : url_(url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme) || url.find_first_of("?#@ \r\n") != std::string_view::npos) fail_url(url);
  std::string_view rest = url.substr(kScheme.size());
  const std::string_view place = rest.substr(0, rest.find('/'));
  rest.remove_prefix(place.size());
  while (rest.ends_with('/')) rest.remove_suffix(1);
  path_ = std::string(rest) + "/v1/traces";
  const std::size_t bracket = place.find(']');  // of an address of IPv6
  const std::size_t colon = place.find(':', bracket == std::string_view::npos ? 0 : bracket);
  std::string_view host = place.substr(0, colon);
  const std::string_view port = colon == std::string_view::npos ? "80" : place.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty() || port.empty() || port.find_first_not_of("0123456789") != std::string_view::npos) fail_url(url);
  host_ = host;
  port_ = port;
}

void Collector::send(const std::string& body) const {
  asio::io_context context(1);
  beast::tcp_stream stream(context);
  stream.expires_after(kPatience);
  const auto require = [this](const error_code& error) {
    if (error)
      fail(ErrorCode::kIo, url_, "{}", error == beast::error::timeout ? "it does not answer" : error.message());
  };
  error_code error;
  asio::ip::tcp::resolver resolver(context);
  const auto places = resolver.resolve(host_, port_, error);
  require(error);
  http::request<http::string_body> request(http::verb::post, path_, 11);
  request.set(http::field::host,
              host_.find(':') == std::string::npos ? host_ + ":" + port_ : "[" + host_ + "]:" + port_);
  request.set(http::field::content_type, "application/json");
  request.set(http::field::connection, "close");
  request.body() = body;
  request.prepare_payload();
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> answer;
  answer.body_limit(kMaxAnswer);
  stream.async_connect(places, [&](const error_code& connected, const asio::ip::tcp::endpoint&) {
    if ((error = connected)) return;
    http::async_write(stream, request, [&](const error_code& written, std::size_t) {
      if ((error = written)) return;
      http::async_read(stream, buffer, answer, [&](const error_code& read, std::size_t) { error = read; });
    });
  });
  context.run();
  require(error);
  const int status = answer.get().result_int();
  if (status < 200 || status > 299) fail(ErrorCode::kIo, url_, "it does not take them: status {}", status);
}

}  // namespace resnet::serve
