// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "net/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace orbit::kernel {

namespace {

constexpr uint64_t kHandshakeTimeoutMs = 10'000;
constexpr uint32_t kHandshakesMax = 1'000;

// ---- OpenSSL's way to the socket -----------------------------------------------------------------------------------

int fd_of(BIO* bio) noexcept { return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio))); }

bool is_temporary(int error) noexcept { return error == EAGAIN || error == EINTR; }

int socket_read(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t got = ::recv(fd_of(bio), data, static_cast<size_t>(size), MSG_DONTWAIT);
  if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  if (got < 0 && is_temporary(errno)) BIO_set_retry_read(bio);
  return static_cast<int>(got);
}

int socket_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = ::send(fd_of(bio), data, static_cast<size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && is_temporary(errno)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

long socket_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

// OpenSSL's own socket BIO would raise SIGPIPE.
BIO_METHOD* socket_method() noexcept {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "orbit socket");
    if (made == nullptr) return made;
    BIO_meth_set_read(made, &socket_read);
    BIO_meth_set_write(made, &socket_write);
    BIO_meth_set_ctrl(made, &socket_control);
    BIO_meth_set_create(made, [](BIO* bio) {
      BIO_set_init(bio, 1);
      return 1;
    });
    return made;
  }();
  return method;
}

// What OpenSSL says about the last failure of this thread.
std::string reason() {
  // Of a file that cannot be read the first error has the system's number; those after it say nothing more.
  if (const unsigned long first = ERR_peek_error(); ERR_SYSTEM_ERROR(first))
    return std::generic_category().message(ERR_GET_REASON(first));
  const unsigned long code = ERR_peek_last_error();
  if (code == 0) return "no reason is known";
  const char* const text = ERR_reason_error_string(code);
  return text != nullptr ? text : "error " + std::to_string(code);
}

// ALPN, RFC 7301 section 3.2: ours decides which of the client's it is.
int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* theirs, unsigned theirs_size,
                void* ctx) {
  const auto& ours = *static_cast<const std::vector<unsigned char>*>(ctx);
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_size, ours.data(), static_cast<unsigned>(ours.size()), theirs, theirs_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

std::string text_of(const char* text) { return text != nullptr ? text : ""; }

}  // namespace

struct TlsServer::Context {
  explicit Context(SSL_CTX* made) noexcept : ssl(made) {}
  ~Context() { SSL_CTX_free(ssl); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  SSL_CTX* const ssl;
};

// ---- a listener's --------------------------------------------------------------------------------------------------

Result<std::unique_ptr<TlsServer>> TlsServer::make(const orbit_tls_options& options) {
  std::unique_ptr<TlsServer> out(new TlsServer);
  out->files_ = {text_of(options.certificate), text_of(options.key), text_of(options.client_ca)};
  out->client_certificate_ = options.client_certificate;
  const std::string version = text_of(options.min_version);
  if (!version.empty() && version != "1.2" && version != "1.3")
    return fail(Code::invalid_argument, "tls.min_version is '" + version + "', expected '1.2' or '1.3'");
  out->min_version_ = version == "1.3" ? TLS1_3_VERSION : TLS1_2_VERSION;
  for (const char* const* each = options.alpn; each != nullptr && *each != nullptr; ++each) {
    const size_t size = std::strlen(*each);
    if (size == 0 || size > 255) return fail(Code::invalid_argument, "an ALPN protocol has 1 to 255 bytes");
    out->alpn_.push_back(static_cast<unsigned char>(size));
    out->alpn_.insert(out->alpn_.end(), *each, *each + size);
  }
  out->handshake_timeout_ms_ = options.handshake_timeout_ms != 0 ? options.handshake_timeout_ms : kHandshakeTimeoutMs;
  out->handshakes_max_ = options.handshakes_max != 0 ? options.handshakes_max : kHandshakesMax;
  if (out->client_certificate_ > ORBIT_CLIENT_CERTIFICATE_REQUIRED)
    return fail(Code::invalid_argument, "tls.client_certificate is none of none, optional, required");
  if (out->client_certificate_ != ORBIT_CLIENT_CERTIFICATE_NONE && out->files_.client_ca.empty())
    return fail(Code::invalid_argument, "tls.client_certificate asks for certificates, but tls.client_ca does not say who signs them");
  out->stamp_ = out->stamp();
  auto context = out->read();
  if (!context) return tl::unexpected(context.error());
  out->context_ = std::move(*context);
  return out;
}

TlsServer::~TlsServer() = default;

Result<std::shared_ptr<TlsServer::Context>> TlsServer::read() const {
  ERR_clear_error();
  auto out = std::make_shared<Context>(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* const ssl = out->ssl;
  if (ssl == nullptr) return fail(Code::resource_exhausted, "TLS cannot be set up: " + reason());
  SSL_CTX_set_min_proto_version(ssl, min_version_);
  // Only what has forward secrecy and authenticates what it encrypts; TLS 1.3 has nothing else.
  SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA);
  // The buffers of an idle connection are given back; output is offered again from the same place, but perhaps with more behind.
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(ssl, 1);
  // Sessions are resumed by tickets, which clients keep: nothing here grows with them.
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  static constexpr unsigned char kSessionContext[] = "orbit";
  SSL_CTX_set_session_id_context(ssl, kSessionContext, sizeof kSessionContext - 1);
  SSL_CTX_set_default_passwd_cb(ssl, [](char*, int, int, void*) { return 0; });  // or it would ask on the terminal

  if (SSL_CTX_use_certificate_chain_file(ssl, files_.certificate.c_str()) != 1)
    return fail(Code::invalid_argument,
                "tls.certificate '" + files_.certificate + "' cannot be used: " + reason() + "; expected certificates in PEM");
  if (SSL_CTX_use_PrivateKey_file(ssl, files_.key.c_str(), SSL_FILETYPE_PEM) != 1)
    return fail(Code::invalid_argument, "tls.key '" + files_.key + "' cannot be used with '" + files_.certificate +
                                            "': " + reason() + "; expected its private key in PEM, without a password");
  if (client_certificate_ != ORBIT_CLIENT_CERTIFICATE_NONE) {
    STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(files_.client_ca.c_str());
    if (names == nullptr || SSL_CTX_load_verify_locations(ssl, files_.client_ca.c_str(), nullptr) != 1) {
      sk_X509_NAME_pop_free(names, X509_NAME_free);
      return fail(Code::invalid_argument,
                  "tls.client_ca '" + files_.client_ca + "' cannot be used: " + reason() + "; expected certificates in PEM");
    }
    SSL_CTX_set_client_CA_list(ssl, names);
    SSL_CTX_set_verify(ssl,
                       client_certificate_ == ORBIT_CLIENT_CERTIFICATE_REQUIRED
                           ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                           : SSL_VERIFY_PEER,
                       nullptr);
  }
  if (!alpn_.empty())
    SSL_CTX_set_alpn_select_cb(ssl, &select_alpn, const_cast<std::vector<unsigned char>*>(&alpn_));
  return out;
}

std::string TlsServer::stamp() const {
  std::string out;
  for (const std::string* file : {&files_.certificate, &files_.key, &files_.client_ca}) {
    struct stat status{};
    if (!file->empty() && ::stat(file->c_str(), &status) == 0)
      for (const auto part : {static_cast<int64_t>(status.st_ino), static_cast<int64_t>(status.st_size),
                              static_cast<int64_t>(status.st_mtim.tv_sec), static_cast<int64_t>(status.st_mtim.tv_nsec)})
        out += std::to_string(part) + ' ';
    out += '/';
  }
  return out;
}

TlsServer::Reload TlsServer::reload(bool in_any_case, std::string& news) {
  const std::lock_guard lock(reload_mutex_);
  const std::string now = stamp();
  if (!in_any_case && now == stamp_) return Reload::unchanged;
  stamp_ = now;  // a bad one is told once; when it is mended the stamp is another
  auto context = read();
  if (!context) {
    news = "the certificate was not read again, the old one goes on: " + context.error().message;
    return Reload::failed;
  }
  {
    const std::lock_guard swap(context_mutex_);
    context_ = std::move(*context);
  }
  news = "the certificate was read again from '" + files_.certificate + "'";
  return Reload::done;
}

std::shared_ptr<TlsServer::Context> TlsServer::context() const noexcept {
  const std::lock_guard lock(context_mutex_);
  return context_;
}

std::unique_ptr<TlsStream> TlsServer::begin(int fd) noexcept {
  if (handshakes_.fetch_add(1, std::memory_order_relaxed) >= handshakes_max_) {
    handshake_ended();
    return nullptr;
  }
  SSL* const ssl = SSL_new(context()->ssl);
  BIO* const bio = socket_method() != nullptr ? BIO_new(socket_method()) : nullptr;
  if (ssl == nullptr || bio == nullptr) {
    SSL_free(ssl);
    BIO_free(bio);
    handshake_ended();
    return nullptr;
  }
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(fd)));
  SSL_set_bio(ssl, bio, bio);
  SSL_set_accept_state(ssl);
  return std::make_unique<TlsStream>(ssl);
}

// ---- one connection's ----------------------------------------------------------------------------------------------

TlsStream::~TlsStream() { SSL_free(ssl_); }

TlsStream::Step TlsStream::handshake() noexcept {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return Step::done;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ: return Step::wants_read;
    case SSL_ERROR_WANT_WRITE: return Step::wants_write;
    case SSL_ERROR_SSL: failure_ = reason(); break;
    default: failure_ = "the connection was cut";
  }
  const long verified = SSL_get_verify_result(ssl_);
  if (verified != X509_V_OK) failure_ += std::string(": ") + X509_verify_cert_error_string(verified);
  ERR_clear_error();
  return Step::failed;
}

int64_t TlsStream::read(char* data, size_t size) noexcept {
  ERR_clear_error();
  more_ = read_wants_write_ = false;
  size_t total = 0;
  while (total < size) {
    size_t got = 0;
    const int result = SSL_read_ex(ssl_, data + total, size - total, &got);
    if (result == 1) {
      total += got;
      continue;
    }
    const int why = SSL_get_error(ssl_, result);
    if (why == SSL_ERROR_WANT_WRITE) read_wants_write_ = true;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
      return total != 0 ? static_cast<int64_t>(total) : kLater;
    if (total != 0) break;  // comes again with the next read
    ERR_clear_error();
    return why == SSL_ERROR_ZERO_RETURN ? 0 : kBroken;
  }
  more_ = true;
  return static_cast<int64_t>(total);
}

int64_t TlsStream::write(const char* data, size_t size) noexcept {
  ERR_clear_error();
  size_t total = 0;
  while (total < size) {
    size_t sent = 0;
    const int result = SSL_write_ex(ssl_, data + total, size - total, &sent);
    if (result == 1) {
      total += sent;
      continue;
    }
    if (SSL_get_error(ssl_, result) == SSL_ERROR_WANT_WRITE) break;
    ERR_clear_error();
    return kBroken;
  }
  return total != 0 ? static_cast<int64_t>(total) : kLater;
}

void TlsStream::shut() noexcept {
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

void TlsStream::info(orbit_tls_info& out) {
  const unsigned char* alpn = nullptr;
  unsigned alpn_size = 0;
  SSL_get0_alpn_selected(ssl_, &alpn, &alpn_size);
  const char* const name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  if (certificate_.empty())
    if (X509* const peer = SSL_get0_peer_certificate(ssl_)) {
      unsigned char* der = nullptr;
      const int size = i2d_X509(peer, &der);
      if (size > 0 && size <= static_cast<int>(ORBIT_TLS_CERTIFICATE_BYTES_MAX))
        certificate_.assign(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
      OPENSSL_free(der);
    }
  out.version = SSL_get_version(ssl_);
  out.cipher = SSL_get_cipher_name(ssl_);
  out.alpn = {reinterpret_cast<const char*>(alpn), alpn_size};
  out.server_name = {name, name != nullptr ? std::strlen(name) : 0};
  out.peer_certificate = to_c(Bytes(certificate_));
}

}  // namespace orbit::kernel
