// HTTP/1.1 (RFC 9112). Beast's parser reads requests; answers are written here. One request at a time: those that a
// client sends ahead wait in the buffer.
#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cctype>

#include "serve/protocol.h"

namespace resnet::serve {
namespace {

namespace http = boost::beast::http;

constexpr std::size_t kReadAhead = 64 * 1024;  // bytes behind a request at work, before reading stops

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

// What is answered to a request that cannot be read.
HttpResponse answer_to(const boost::system::error_code& error) {
  if (error == http::error::header_limit) return error_response(431, "the request's headers are too large");
  if (error == http::error::body_limit || error == http::error::buffer_overflow) {
    return error_response(413, "the request's body is too large");
  }
  if (error == http::error::bad_version) return error_response(505, "HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken here");
  return error_response(400, "this is no HTTP request: " + error.message());
}

class Http1 final : public Protocol {
 public:
  explicit Http1(ProtocolContext context) : context_(std::move(context)), self_(std::make_shared<Http1*>(this)) {}
  ~Http1() override {
    *self_ = nullptr;
    if (exchange_) exchange_->gone = true;
  }

  void receive(std::string_view bytes) override {
    if (finished_) return;
    if (input_.empty()) {  // a large body is not copied twice
      input_ = bytes.substr(advance(bytes));
    } else {
      input_.append(bytes);
      take_input();
    }
  }

  void closed() override {
    if (exchange_) exchange_->gone = true;
    finished_ = true;
  }

  void drain() override {
    draining_ = true;
    if (!exchange_ && !parser_) finished_ = true;
  }

  void take_output(std::string& out, std::size_t limit) override {
    const std::size_t count = std::min(limit, output_.size() - sent_);
    if (sent_ == 0 && count == output_.size() && out.empty()) {
      out.swap(output_);
    } else {
      out.append(output_, sent_, count);
      sent_ += count;
      if (sent_ < output_.size()) return;
    }
    output_ = std::string();
    sent_ = 0;
  }

  bool wants_input() const override { return !finished_ && (!exchange_ || input_.size() < kReadAhead); }

  Waiting waiting() const override {
    if (exchange_) return Waiting::kAnswer;
    if (!parser_) return Waiting::kRequest;
    return head_done_ ? Waiting::kBody : Waiting::kHeader;
  }

  bool finished() const override { return finished_; }

  void timed_out() override {
    if (parser_ && !exchange_) return reject(error_response(408, "the request took too long to come"));
    finished_ = true;
  }

 private:
  using Parser = http::request_parser<http::string_body>;

  void begin_request() {
    parser_.emplace();
    parser_->header_limit(context_.limits.header_bytes);
    parser_->body_limit(context_.limits.body_bytes);
    parser_->eager(false);
    head_done_ = false;
    chunks_ = 0;
    on_chunk_ = [this](std::uint64_t, std::string_view, boost::system::error_code& error) {
      if (++chunks_ > context_.limits.chunks) error = http::error::body_limit;
    };
    parser_->on_chunk_header(on_chunk_);
  }

  void take_input() {
    input_.erase(0, advance(input_));
    if (input_.empty()) input_.shrink_to_fit();
  }

  // Reads as far as it goes, and gives how far that was.
  std::size_t advance(std::string_view bytes) {
    std::size_t read = 0;
    while (!exchange_ && !finished_ && read < bytes.size()) {
      if (!parser_) begin_request();
      boost::system::error_code error;
      const std::string_view rest = bytes.substr(read);
      const std::size_t used = parser_->put(boost::asio::buffer(rest), error);
      read += used;
      if (error && error != http::error::need_more) {
        reject(answer_to(error));
        break;
      }
      if (!head_done_ && parser_->is_header_done()) {
        if (!take_head(/*more=*/read < bytes.size())) break;
        head_done_ = true;
        parser_->eager(true);
      }
      if (head_done_) {
        if (!reserve_body()) break;
        if (parser_->is_done()) hand_over();
      }
      if (error == http::error::need_more || (used == 0 && !head_done_)) break;
    }
    return finished_ ? bytes.size() : read;  // behind the end nothing is read
  }

  // False where the request ends here. `more`: bytes behind the head have come with it.
  bool take_head(bool more) {
    next_ = std::make_shared<Exchange>();
    next_->peer = context_.peer;
    HttpRequest& request = next_->request;
    const auto& message = parser_->get();
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    int hosts = 0;
    for (const auto& field : message) {
      request.headers.emplace_back(lower(field.name_string()), std::string(field.value()));
      if (request.headers.back().first == "host") ++hosts;
    }
    if (message.version() == 11 && hosts != 1) return stop(error_response(400, "a request has one Host header"));
    if (const std::string* coding = find_header(request.headers, "transfer-encoding")) {
      // Who reads another coding than the next server sees other requests than that does.
      if (message.version() != 11 || !equals_ignoring_case(*coding, "chunked")) {
        return stop(error_response(501, "the transfer encoding is chunked or none"));
      }
    }
    std::optional<std::uint64_t> length;
    if (parser_->content_length()) length = *parser_->content_length();
    if (length && *length > context_.limits.body_bytes) {
      return stop(error_response(413, "the request's body is too large"));
    }
    if (auto refusal = context_.application.admit(*next_, length)) return stop(std::move(*refusal));
    if (const std::string* expected = find_header(request.headers, "expect")) {
      if (!equals_ignoring_case(*expected, "100-continue")) {
        return stop(error_response(417, "100-continue alone can be expected"));
      }
      if (!parser_->is_done() && !more) output_ += "HTTP/1.1 100 Continue\r\n\r\n";
    }
    return true;
  }

  // A chunked body says its size piece by piece.
  bool reserve_body() {
    if (next_->bytes.grow_to(static_cast<std::int64_t>(parser_->get().body().size()))) return true;
    HttpResponse refusal = error_response(503, "the server holds as many bytes of requests as it may");
    refusal.headers.emplace_back("retry-after", "1");
    return stop(std::move(refusal));
  }

  void hand_over() {
    keep_alive_ = parser_->get().keep_alive();
    head_only_ = next_->request.method == "HEAD";
    next_->request.body = std::move(parser_->get().body());
    parser_.reset();
    exchange_ = std::move(next_);
    exchange_->answer = [post = context_.post, self = self_](HttpResponse response) {
      post([self, response = std::move(response)]() mutable {
        if (*self != nullptr) (*self)->finish_exchange(std::move(response));
      });
    };
    context_.application.handle(exchange_);
  }

  void finish_exchange(HttpResponse response) {
    if (!exchange_) return;
    exchange_.reset();
    if (finished_) return;
    const bool close = !keep_alive_ || draining_;
    write(std::move(response), close);
    if (close) finished_ = true;
    take_input();
    context_.host.changed();
  }

  // Answers a request whose rest is not read, so that nothing behind it can be.
  void reject(HttpResponse response) { stop(std::move(response)); }
  bool stop(HttpResponse response) {
    head_only_ = next_ && next_->request.method == "HEAD";
    write(std::move(response), true);
    next_.reset();
    parser_.reset();
    finished_ = true;
    return false;
  }

  void write(HttpResponse response, bool close) {
    output_ += "HTTP/1.1 " + std::to_string(response.status) + " ";
    output_ += reason_phrase(response.status);
    output_ += "\r\n";
    for (const auto& [name, value] : response.headers) output_.append(name).append(": ").append(value).append("\r\n");
    output_ += "content-length: " + std::to_string(response.body.size()) + "\r\n";
    if (close) output_ += "connection: close\r\n";
    output_ += "\r\n";
    if (!head_only_) output_ += response.body;
  }

  ProtocolContext context_;
  std::shared_ptr<Http1*> self_;  // null behind the end, for answers that come too late
  std::string input_;
  std::string output_;
  std::size_t sent_ = 0;  // of the output
  std::optional<Parser> parser_;
  std::function<void(std::uint64_t, std::string_view, boost::system::error_code&)> on_chunk_;
  std::shared_ptr<Exchange> next_;      // being read
  std::shared_ptr<Exchange> exchange_;  // at work
  int chunks_ = 0;
  bool head_done_ = false;
  bool keep_alive_ = false;
  bool head_only_ = false;
  bool draining_ = false;
  bool finished_ = false;
};

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";  // RFC 9113, section 3.4

}  // namespace

std::unique_ptr<Protocol> make_http1(ProtocolContext context) { return std::make_unique<Http1>(std::move(context)); }

HttpVersion tell_version(std::string_view first_bytes) noexcept {
  const std::size_t length = std::min(first_bytes.size(), kPreface.size());
  if (first_bytes.substr(0, length) != kPreface.substr(0, length)) return HttpVersion::kHttp1;
  return length < 4 ? HttpVersion::kUnknown : HttpVersion::kHttp2;  // "PRI " is no method of HTTP/1.1
}

}  // namespace resnet::serve
