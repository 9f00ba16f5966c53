// SPDX-License-Identifier: MIT OR BSD-3-Clause
// TLS of listeners, over OpenSSL: the certificate of a listener, which is read again when its files change, and the stream of one
// connection, which works on the connection's own socket and copies nothing in between.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "orbit/ext/net.h"
#include "orbit/result.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace orbit::kernel {

// One connection's. [worker]
class TlsStream {
 public:
  enum class Step { done, wants_read, wants_write, failed };

  explicit TlsStream(ssl_st* ssl) noexcept : ssl_(ssl) {}
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  Step handshake() noexcept;
  // Why a handshake has failed, for people.
  const std::string& failure() const noexcept { return failure_; }

  static constexpr int64_t kLater = -1;   // the socket has no more, or takes no more
  static constexpr int64_t kBroken = -2;  // the stream is no good any more
  // As many plain bytes as are there, at most `size`; 0: the peer has said that it sends no more. When the socket has ended
  // without the peer saying so, somebody may have cut it: kBroken.
  int64_t read(char* data, size_t size) noexcept;
  // How many of the plain bytes are on their way. After less than `size` the rest must be offered again, from the same address.
  int64_t write(const char* data, size_t size) noexcept;
  // The last read stopped before the socket was empty, and no event may tell.
  bool more() const noexcept { return more_; }
  // A read waits for room to send.
  bool read_wants_write() const noexcept { return read_wants_write_; }
  // Tells the peer that we send no more, if the socket takes that.
  void shut() noexcept;
  void info(orbit_tls_info& out);

 private:
  ssl_st* const ssl_;
  bool more_ = false;
  bool read_wants_write_ = false;
  std::string failure_;
  std::string certificate_;  // the peer's, once asked for
};

// A listener's.
class TlsServer {
 public:
  // Reads the files. [main]
  static Result<std::unique_ptr<TlsServer>> make(const orbit_tls_options& options);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  // A stream whose handshake begins. Null: handshakes_max are going on, or there is no memory. [worker]
  std::unique_ptr<TlsStream> begin(int fd) noexcept;
  // It is over, well or not. Once for every stream. [any thread]
  void handshake_ended() noexcept { handshakes_.fetch_sub(1, std::memory_order_relaxed); }
  uint64_t handshake_timeout_ms() const noexcept { return handshake_timeout_ms_; }

  enum class Reload { unchanged, done, failed };
  // Reads the files again if they have changed, or in any case. `news`: what became of it. May take its time. [any thread]
  Reload reload(bool in_any_case, std::string& news);

 private:
  struct Files {
    std::string certificate;
    std::string key;
    std::string client_ca;
  };
  struct Context;  // an SSL_CTX and what it points to

  TlsServer() = default;
  Result<std::shared_ptr<Context>> read() const;
  std::shared_ptr<Context> context() const noexcept;
  std::string stamp() const;  // another text when a file is another one

  Files files_;
  orbit_client_certificate client_certificate_ = ORBIT_CLIENT_CERTIFICATE_NONE;
  int min_version_ = 0;
  std::vector<unsigned char> alpn_;  // as on the wire
  uint64_t handshake_timeout_ms_ = 0;
  uint32_t handshakes_max_ = 0;
  std::atomic<uint32_t> handshakes_{0};
  std::mutex reload_mutex_;  // one at a time
  std::string stamp_;        // of the files as last tried; guarded by reload_mutex_
  mutable std::mutex context_mutex_;
  std::shared_ptr<Context> context_;  // guarded by context_mutex_
};

}  // namespace orbit::kernel
