// HTTP/2 (RFC 9113) on nghttp2, for clients that begin with it or choose it by ALPN. Of gRPC it knows the trailers
// alone.
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <new>

#include "serve/protocol.h"

namespace resnet::serve {
namespace {

using Time = std::chrono::steady_clock;

constexpr std::int32_t kStreamWindow = 1 << 20;      // bytes a client may send ahead on one stream...
constexpr std::int32_t kConnectionWindow = 1 << 24;  // ... and on all
constexpr std::chrono::seconds kBodyTime(60);        // for a request to come whole
constexpr std::chrono::seconds kResetWindow(10);     // in which resets are counted

struct Stream {
  std::shared_ptr<Exchange> exchange;
  std::size_t header_bytes = 0;
  Time::time_point begun = Time::now();
  bool admitted = false;
  bool handed_over = false;
  bool answered = false;
  bool complete = false;  // the client has sent all
  HttpResponse response;
  std::size_t sent = 0;
  bool open_end = false;  // more of the body may follow
};

nghttp2_nv field(std::string_view name, std::string_view value) {
  // nghttp2 copies both.
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

class Http2 final : public Protocol {
 public:
  explicit Http2(ProtocolContext context) : context_(std::move(context)), self_(std::make_shared<Http2*>(this)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* option = nullptr;
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) throw std::bad_alloc();
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_option_set_max_send_header_block_length(option, context_.limits.header_bytes);
    const int made = nghttp2_session_server_new2(&session_, callbacks, this, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    if (made != 0) throw std::bad_alloc();
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<std::uint32_t>(context_.limits.streams)},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, context_.limits.header_bytes},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 0},
    };
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  }
  ~Http2() override {
    *self_ = nullptr;
    leave_all();
    nghttp2_session_del(session_);
  }

  void receive(std::string_view bytes) override {
    if (finished_) return;
    const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    if (nghttp2_session_mem_recv(session_, data, bytes.size()) < 0) {  // nghttp2 has a GOAWAY to send, if it can
      broken_ = true;
      leave_all();
    }
    reset_slow_streams();
    update_finished();
  }

  void closed() override {
    leave_all();
    finished_ = true;
  }

  // First a notice, so that requests on their way are still taken (RFC 9113, section 6.8); the last word follows when
  // the client has seen it.
  void drain() override {
    if (draining_) return;
    draining_ = true;
    nghttp2_submit_shutdown_notice(session_);
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
    update_finished();
  }

  void take_output(std::string& out, std::size_t limit) override {
    const std::size_t begin = out.size();
    while (out.size() - begin < limit) {
      const std::uint8_t* data = nullptr;
      const ssize_t count = nghttp2_session_mem_send(session_, &data);
      if (count <= 0) break;
      out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(count));
    }
    update_finished();
  }

  bool wants_input() const override { return !finished_; }

  Waiting waiting() const override {
    if (streams_.empty()) return draining_ ? Waiting::kGoodbye : Waiting::kRequest;
    const bool working = std::any_of(streams_.begin(), streams_.end(), [](const auto& entry) {
      return entry.second.handed_over || entry.second.answered;
    });
    return working ? Waiting::kAnswer : Waiting::kBody;
  }

  bool finished() const override { return finished_; }

  void timed_out() override {
    if (draining_ && !last_word_) return say_last_word();
    nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
    leave_all();
    update_finished();
  }

 private:
  static Http2& self(void* user) { return *static_cast<Http2*>(user); }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    Stream& stream = self(user).streams_[frame->hd.stream_id];
    stream.exchange = std::make_shared<Exchange>();
    stream.exchange->peer = self(user).context_.peer;
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_length,
                       const std::uint8_t* value, std::size_t value_length, std::uint8_t, void* user) {
    Http2& http = self(user);
    const auto found = http.streams_.find(frame->hd.stream_id);
    if (found == http.streams_.end() || found->second.admitted) return 0;  // trailers of a request say nothing here
    Stream& stream = found->second;
    stream.header_bytes += name_length + value_length + 32;  // as RFC 9113, section 6.5.2, counts
    if (stream.header_bytes > http.context_.limits.header_bytes) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::string_view key(reinterpret_cast<const char*>(name), name_length);
    const std::string_view text(reinterpret_cast<const char*>(value), value_length);
    HttpRequest& request = stream.exchange->request;
    if (key == ":method") {
      request.method = text;
    } else if (key == ":path") {
      request.target = text;
    } else if (key == ":authority") {
      request.headers.emplace_back("host", text);
    } else if (!key.starts_with(':')) {
      request.headers.emplace_back(key, text);
    }
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2& http = self(user);
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) http.say_last_word();
    if (frame->hd.type == NGHTTP2_RST_STREAM) http.count_reset();
    const auto found = http.streams_.find(frame->hd.stream_id);
    if (found == http.streams_.end()) return 0;
    Stream& stream = found->second;
    if (frame->hd.type == NGHTTP2_HEADERS && !stream.admitted) http.admit(frame->hd.stream_id, stream);
    const bool data = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (data && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) http.complete(frame->hd.stream_id, stream);
    return 0;
  }

  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t length,
                     void* user) {
    Http2& http = self(user);
    const auto found = http.streams_.find(id);
    if (found == http.streams_.end()) return 0;
    Stream& stream = found->second;
    const std::string_view piece(reinterpret_cast<const char*>(data), length);
    if (stream.exchange->conversation) {
      stream.response.body += stream.exchange->conversation->reply(piece);
      nghttp2_session_resume_data(http.session_, id);
      return 0;
    }
    if (stream.answered) return 0;  // refused already
    std::string& body = stream.exchange->request.body;
    if (body.size() + length > http.context_.limits.body_bytes) {
      http.refuse(id, stream, error_response(413, "the request's body is too large"));
    } else if (!stream.exchange->bytes.grow_to(static_cast<std::int64_t>(body.size() + length))) {
      http.refuse(id, stream, error_response(503, "the server holds as many bytes of requests as it may"));
    } else {
      body += piece;
    }
    return 0;
  }

  static int on_stream_close(nghttp2_session*, std::int32_t id, std::uint32_t, void* user) {
    Http2& http = self(user);
    const auto found = http.streams_.find(id);
    if (found == http.streams_.end()) return 0;
    found->second.exchange->gone = true;
    http.streams_.erase(found);
    return 0;
  }

  static ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t* buffer, std::size_t length,
                           std::uint32_t* flags, nghttp2_data_source*, void* user) {
    const auto found = self(user).streams_.find(id);
    if (found == self(user).streams_.end()) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    Stream& stream = found->second;
    const std::size_t count = std::min(length, stream.response.body.size() - stream.sent);
    std::copy_n(stream.response.body.data() + stream.sent, count, reinterpret_cast<char*>(buffer));
    stream.sent += count;
    if (stream.sent < stream.response.body.size()) return static_cast<ssize_t>(count);
    if (stream.open_end) return count > 0 ? static_cast<ssize_t>(count) : static_cast<ssize_t>(NGHTTP2_ERR_DEFERRED);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream.response.trailers) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      std::vector<nghttp2_nv> fields;
      for (const auto& [name, value] : *stream.response.trailers) fields.push_back(field(name, value));
      nghttp2_submit_trailer(session, id, fields.data(), fields.size());
    }
    return static_cast<ssize_t>(count);
  }

  void admit(std::int32_t id, Stream& stream) {
    stream.admitted = true;
    std::optional<std::uint64_t> length;
    if (const std::string* declared = find_header(stream.exchange->request.headers, "content-length")) {
      std::uint64_t value = 0;  // nghttp2 has checked that it is a number and will hold the body to it
      for (const char c : *declared) value = value * 10 + static_cast<std::uint64_t>(c - '0');
      length = value;
      if (value > context_.limits.body_bytes) {
        return refuse(id, stream, error_response(413, "the request's body is too large"));
      }
    }
    if (auto refusal = context_.application.admit(*stream.exchange, length)) {
      return refuse(id, stream, std::move(*refusal));
    }
    if (stream.exchange->conversation) {
      stream.open_end = true;
      respond(id, stream, stream.exchange->conversation->head);
    }
  }

  void complete(std::int32_t id, Stream& stream) {
    stream.complete = true;
    if (stream.exchange->conversation) {
      stream.open_end = false;
      nghttp2_session_resume_data(session_, id);
    }
    if (stream.answered || stream.handed_over) return;
    stream.handed_over = true;
    stream.exchange->answer = [post = context_.post, self = self_, id](HttpResponse response) {
      post([self, id, response = std::move(response)]() mutable {
        if (*self != nullptr) (*self)->finish_exchange(id, std::move(response));
      });
    };
    context_.application.handle(stream.exchange);
  }

  void finish_exchange(std::int32_t id, HttpResponse response) {
    const auto found = streams_.find(id);
    if (found == streams_.end() || finished_) return;
    respond(id, found->second, std::move(response));
    context_.host.changed();
  }

  // Answers before the body has come, and asks for no more of it.
  void refuse(std::int32_t id, Stream& stream, HttpResponse response) {
    respond(id, stream, std::move(response));
    std::string().swap(stream.exchange->request.body);
    stream.exchange->bytes = ByteLease();
  }

  void respond(std::int32_t id, Stream& stream, HttpResponse response) {
    stream.answered = true;
    const bool head_only = stream.exchange->request.method == "HEAD";
    stream.response = std::move(response);
    const std::string status = std::to_string(stream.response.status);
    const std::string length = std::to_string(stream.response.body.size());
    std::vector<nghttp2_nv> fields = {field(":status", status)};
    for (const auto& [name, value] : stream.response.headers) fields.push_back(field(name, value));
    if (!stream.response.trailers) fields.push_back(field("content-length", length));
    nghttp2_data_provider body{};
    body.read_callback = read_body;
    const bool bare = head_only || (stream.response.body.empty() && !stream.response.trailers && !stream.open_end);
    nghttp2_submit_response(session_, id, fields.data(), fields.size(), bare ? nullptr : &body);
  }

  void say_last_word() {
    if (!draining_ || last_word_) return;
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                          NGHTTP2_NO_ERROR, nullptr, 0);
    last_word_ = true;
  }

  void count_reset() {
    const auto now = Time::now();
    if (now - resets_since_ > kResetWindow) {
      resets_since_ = now;
      resets_ = 0;
    }
    if (++resets_ > context_.limits.resets) {
      nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
      broken_ = true;
    }
  }

  void reset_slow_streams() {
    const auto now = Time::now();
    for (auto& [id, stream] : streams_) {
      if (!stream.complete && !stream.exchange->conversation && now - stream.begun > kBodyTime) {
        nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
      }
    }
  }

  void leave_all() {
    for (auto& [id, stream] : streams_) stream.exchange->gone = true;
  }

  void update_finished() {
    const bool done = nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
    const bool drained = last_word_ && streams_.empty() && nghttp2_session_want_write(session_) == 0;
    if (done || drained || (broken_ && nghttp2_session_want_write(session_) == 0)) finished_ = true;
  }

  ProtocolContext context_;
  std::shared_ptr<Http2*> self_;  // null behind the end, for answers that come too late
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, Stream> streams_;
  Time::time_point resets_since_ = Time::now();
  int resets_ = 0;
  bool draining_ = false;
  bool last_word_ = false;  // no request of a higher number is taken any more
  bool broken_ = false;
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<Protocol> make_http2(ProtocolContext context) { return std::make_unique<Http2>(std::move(context)); }

}  // namespace resnet::serve
