#include "serve/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>

#include "base/error.h"

namespace resnet::serve {
namespace {

[[noreturn]] void fail_tls(const std::string& path) {
  std::array<char, 200> text{};
  ERR_error_string_n(ERR_peek_last_error(), text.data(), text.size());
  ERR_clear_error();
  fail(ErrorCode::kFormat, path, "OpenSSL does not take this file: {}", text.data());
}

// HTTP/2 where the client speaks it, else HTTP/1.1 (RFC 7301).
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
                    unsigned int in_length, void*) {
  static constexpr unsigned char kOurs[] = "\x02h2\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, kOurs, sizeof(kOurs) - 1, in, in_length) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

std::shared_ptr<SSL_CTX> make_context(const TlsFiles& files) {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) throw std::bad_alloc();
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1) fail_tls(files.certificate);
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1) fail_tls(files.key);
  if (SSL_CTX_check_private_key(context.get()) != 1) {
    ERR_clear_error();
    fail(ErrorCode::kMismatch, files.key, "this key is not that of the certificate {}", files.certificate);
  }
  if (!files.client_authority.empty()) {
    if (SSL_CTX_load_verify_locations(context.get(), files.client_authority.c_str(), nullptr) != 1) {
      fail_tls(files.client_authority);
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    static constexpr unsigned char kId[] = "resnet";
    SSL_CTX_set_session_id_context(context.get(), kId, sizeof(kId) - 1);
  }
  return context;
}

}  // namespace

TlsContext::TlsContext(TlsFiles files) : files_(std::move(files)), context_(make_context(files_)) {}

void TlsContext::reload() {
  std::shared_ptr<SSL_CTX> context = make_context(files_);
  const std::lock_guard lock(mutex_);
  context_ = std::move(context);
}

std::shared_ptr<ssl_ctx_st> TlsContext::current() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

TlsSession::TlsSession(const TlsContext& context) : ssl_(SSL_new(context.current().get()), SSL_free) {
  if (!ssl_) throw std::bad_alloc();
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_accept_state(ssl_.get());
}

bool TlsSession::shake_hands() {
  if (SSL_is_init_finished(ssl_.get()) == 1) return true;
  const int done = SSL_do_handshake(ssl_.get());
  if (done != 1) {
    const int error = SSL_get_error(ssl_.get(), done);
    broken_ = error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    return false;
  }
  return true;
}

bool TlsSession::receive(std::string_view encrypted, std::string& plain) {
  if (broken_) return false;
  BIO_write(SSL_get_rbio(ssl_.get()), encrypted.data(), static_cast<int>(encrypted.size()));
  if (!shake_hands()) return !broken_;
  if (!early_.empty()) send(std::exchange(early_, {}));
  std::array<char, 16384> piece;
  for (;;) {
    const int got = SSL_read(ssl_.get(), piece.data(), piece.size());
    if (got > 0) {
      plain.append(piece.data(), static_cast<std::size_t>(got));
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), got);
    ERR_clear_error();
    broken_ = error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
    return !broken_;
  }
}

void TlsSession::send(std::string_view plain) {
  if (broken_ || plain.empty()) return;
  if (SSL_is_init_finished(ssl_.get()) != 1) {
    early_ += plain;
    return;
  }
  if (SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size())) <= 0) {  // a memory BIO takes all
    broken_ = true;
    ERR_clear_error();
  }
}

void TlsSession::close() {
  if (!broken_ && SSL_is_init_finished(ssl_.get()) == 1) SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

void TlsSession::take_output(std::string& out) {
  BIO* bio = SSL_get_wbio(ssl_.get());
  const std::size_t pending = BIO_ctrl_pending(bio);
  if (pending == 0) return;
  const std::size_t begin = out.size();
  out.resize(begin + pending);
  const int got = BIO_read(bio, out.data() + begin, static_cast<int>(pending));
  out.resize(begin + static_cast<std::size_t>(std::max(got, 0)));
}

}  // namespace resnet::serve
