// HTTP/1.1 and HTTP/2 without sockets: what a client sends, cut anywhere, gives the same.
#include "serve/protocol.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace resnet::serve {
namespace {

// Answers with the method, the target and the body.
class Echo final : public Application {
 public:
  std::optional<HttpResponse> admit(Exchange& exchange, std::optional<std::uint64_t> length) override {
    ++admitted;
    if (exchange.request.path() == "/no") return error_response(503, "no");
    last_length = length;
    return std::nullopt;
  }
  void handle(std::shared_ptr<Exchange> exchange) override {
    const HttpRequest& request = exchange->request;
    if (request.path() == "/wait") {
      waiting = exchange;
      return;
    }
    exchange->answer({200, {}, request.method + " " + request.target + " " + request.body});
  }

  int admitted = 0;
  std::optional<std::uint64_t> last_length;
  std::shared_ptr<Exchange> waiting;
};

class Connected final : public ProtocolHost {
 public:
  explicit Connected(HttpLimits given = {}) : limits(given) {
    protocol = make_http1(
        {*this, [this](std::function<void()> task) { tasks.push_back(std::move(task)); }, echo, limits, "peer"});
  }
  void changed() override {}

  std::string say(std::string_view bytes, std::size_t piece = 1 << 20) {
    std::string out;
    while (!bytes.empty()) {
      protocol->receive(bytes.substr(0, piece));
      bytes.remove_prefix(std::min(piece, bytes.size()));
      out += heard();
    }
    return out;
  }
  std::string heard() {
    std::string out;
    while (!tasks.empty()) {
      for (const auto& task : std::exchange(tasks, {})) task();
    }
    protocol->take_output(out, 1 << 20);
    return out;
  }

  HttpLimits limits;
  Echo echo;
  std::vector<std::function<void()>> tasks;
  std::unique_ptr<Protocol> protocol;
};

constexpr std::string_view kThree =
    "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n"
    "POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    "PUT /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: "
    "close\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: "
    "v\r\n\r\n";

TEST(Http1Test, RequestsInARowHoweverTheyAreCut) {
  Connected whole;
  const std::string wanted = whole.say(kThree);
  EXPECT_NE(wanted.find("\r\n\r\nGET /a?b HTTP"), 0U);
  EXPECT_NE(wanted.find("GET /a?b "), std::string::npos);
  EXPECT_NE(wanted.find("POST /c hello"), std::string::npos);
  EXPECT_TRUE(wanted.ends_with("PUT /d abcde")) << wanted;
  EXPECT_TRUE(whole.protocol->finished());
  for (const std::size_t piece : {1, 2, 3, 7, 50}) {
    Connected cut;
    EXPECT_EQ(cut.say(kThree, piece), wanted) << piece;
    EXPECT_EQ(cut.echo.admitted, 3);
  }
}

TEST(Http1Test, RefusesAtTheHeadAndReadsNoMore) {
  Connected c;
  const std::string out =
      c.say("POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(out.starts_with("HTTP/1.1 503 Service Unavailable\r\n")) << out;
  EXPECT_NE(out.find("connection: close"), std::string::npos);
  EXPECT_TRUE(c.protocol->finished());
  EXPECT_EQ(c.echo.admitted, 1);
}

TEST(Http1Test, LimitsHeadersBodiesAndChunks) {
  HttpLimits limits;
  limits.header_bytes = 100;
  limits.body_bytes = 10;
  limits.chunks = 3;
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\n";
  const auto status = [&](const std::string& request) { return Connected(limits).say(request).substr(9, 3); };
  EXPECT_EQ(status(head + "X: " + std::string(100, 'a') + "\r\n\r\n"), "431");
  EXPECT_EQ(status(head + "Content-Length: 11\r\n\r\n"), "413");
  EXPECT_EQ(status(head + "Content-Length: 10\r\n\r\n0123456789"), "200");
  EXPECT_EQ(status(head + "Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n"), "413");
  EXPECT_EQ(status(head + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\na\r\n1\r\na\r\n1\r\na\r\n0\r\n\r\n"),
            "413");
  EXPECT_EQ(status(head + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\na\r\n0\r\n\r\n"), "200");
}

TEST(Http1Test, SaysWhatItWaitsFor) {
  Connected c;
  EXPECT_EQ(c.protocol->waiting(), Waiting::kRequest);
  c.say("POST /wait HTTP/1.1\r\n");
  EXPECT_EQ(c.protocol->waiting(), Waiting::kHeader);
  c.say("Host: x\r\nContent-Length: 2\r\n\r\n1");
  EXPECT_EQ(c.protocol->waiting(), Waiting::kBody);
  EXPECT_EQ(c.echo.last_length, 2U);
  c.say("2");
  EXPECT_EQ(c.protocol->waiting(), Waiting::kAnswer);
  c.echo.waiting->answer({200, {}, "now"});
  EXPECT_TRUE(c.heard().ends_with("now"));
  EXPECT_EQ(c.protocol->waiting(), Waiting::kRequest);
}

TEST(Http1Test, TimeOutsAreSaid) {
  Connected c;
  c.say("GET / HTTP/1.1\r\n");
  c.protocol->timed_out();
  EXPECT_TRUE(c.heard().starts_with("HTTP/1.1 408"));
  EXPECT_TRUE(c.protocol->finished());
}

TEST(Http1Test, AClientThatHasGoneIsTold) {
  auto c = std::make_unique<Connected>();
  c->say("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::shared_ptr<Exchange> exchange = c->echo.waiting;
  EXPECT_FALSE(exchange->gone);
  c->protocol->closed();
  EXPECT_TRUE(exchange->gone);
  c->protocol.reset();
  exchange->answer({200, {}, "too late"});  // nobody is there, and nothing happens
  for (const auto& task : c->tasks) task();
}

TEST(Http1Test, DrainingAnswersWhatIsInAndCloses) {
  Connected idle;
  idle.protocol->drain();
  EXPECT_TRUE(idle.protocol->finished());
  Connected busy;
  busy.say("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  busy.protocol->drain();
  EXPECT_FALSE(busy.protocol->finished());
  busy.echo.waiting->answer({200, {}, "last"});
  const std::string out = busy.heard();
  EXPECT_NE(out.find("connection: close"), std::string::npos);
  EXPECT_TRUE(busy.protocol->finished());
}

TEST(Http1Test, HeadHasNoBody) {
  Connected c;
  const std::string out = c.say("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(out.find("content-length: 8\r\n"), std::string::npos) << out;
  EXPECT_TRUE(out.ends_with("\r\n\r\n"));
}

TEST(VersionTest, TellsByTheFirstBytes) {
  EXPECT_EQ(tell_version("PRI * HTTP/2.0\r\n"), HttpVersion::kHttp2);
  EXPECT_EQ(tell_version("PRI"), HttpVersion::kUnknown);
  EXPECT_EQ(tell_version("PUT / HTTP/1.1"), HttpVersion::kHttp1);
  EXPECT_EQ(tell_version("PRI * HTTP/1.1"), HttpVersion::kHttp1);
}

}  // namespace
}  // namespace resnet::serve
