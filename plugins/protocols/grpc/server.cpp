// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "server.hpp"

#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <condition_variable>
#include <deque>
#include <thread>

#include "tls_files.hpp"

namespace orbit::grpc_wire {

namespace {

// For so long a stopping server answers new calls with UNAVAILABLE.
constexpr std::chrono::milliseconds kTellTime{100};

::grpc::Status status_of(Outcome&& outcome) {
  return {static_cast<::grpc::StatusCode>(outcome.code), std::move(outcome.message), std::move(outcome.details)};
}

std::string string_of(const ::grpc::ByteBuffer& buffer) {
  ::grpc::Slice slice;
  if (buffer.TrySingleSlice(&slice).ok()) return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
  std::vector<::grpc::Slice> slices;
  std::string out;
  if (!buffer.Dump(&slices).ok()) return out;
  out.reserve(buffer.Length());
  for (const ::grpc::Slice& part : slices) out.append(reinterpret_cast<const char*>(part.begin()), part.size());
  return out;
}

::grpc::ByteBuffer buffer_of(const std::string& message) {
  const ::grpc::Slice slice(message);
  return {&slice, 1};
}

// "ipv4:127.0.0.1:49152" and "ipv6:%5B::1%5D:49152" without what gRPC puts around them.
std::string plain_peer(std::string peer) {
  if (const size_t colon = peer.find(':'); colon != std::string::npos && peer.starts_with("ip")) peer.erase(0, colon + 1);
  for (const auto& [from, to] : {std::pair{"%5B", "["}, {"%5D", "]"}})
    if (const size_t at = peer.find(from); at != std::string::npos) peer.replace(at, 3, to);
  return peer;
}

// How many RPCs exist: none may when the server's plugin goes quiet.
class Living {
 public:
  void born() {
    const std::lock_guard lock(mutex_);
    ++count_;
  }
  void died() {
    const std::lock_guard lock(mutex_);
    if (--count_ == 0) none_.notify_all();
  }
  void await_none() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  size_t count_ = 0;
};

class Call final : public ::grpc::ServerGenericBidiReactor, public Rpc {
 public:
  Call(Wire& wire, Living& living, ::grpc::GenericCallbackServerContext* context)
      : wire_(wire), living_(living), context_(context) {
    living_.born();
    handler_ = wire_.accept(*this);
    handler_->start();
  }

  // ---- Rpc ----

  const std::string& path() const override { return context_->method(); }
  std::optional<std::string_view> metadata(std::string_view name) const override {
    const auto& all = context_->client_metadata();
    const auto found = all.find(::grpc::string_ref(name.data(), name.size()));
    if (found == all.end()) return std::nullopt;
    return std::string_view(found->second.data(), found->second.size());
  }
  uint64_t deadline_ns() const override {
    if (gpr_time_cmp(context_->raw_deadline(), gpr_inf_future(context_->raw_deadline().clock_type)) == 0) return 0;
    // gRPC counts in its own clock, the node in the injected one: what is left is the same in both.
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(context_->deadline() - std::chrono::system_clock::now());
    const uint64_t now_ns = wire_.workers.monotonic_ns(wire_.host.raw());
    return now_ns + static_cast<uint64_t>(std::max<int64_t>(left.count(), 1));
  }
  std::string peer() const override { return plain_peer(context_->peer()); }
  std::string certificate_pem() const override {
    const auto auth = context_->auth_context();
    if (auth == nullptr || !auth->IsPeerAuthenticated()) return {};
    const auto values = auth->FindPropertyValues("x509_pem_cert");
    return values.empty() ? std::string() : std::string(values.front().data(), values.front().size());
  }

  void read() override {
    {
      const std::lock_guard lock(mutex_);
      if (ending_) return;
    }
    StartRead(&incoming_);
  }

  void write(std::string message) override {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    outgoing_.push_back(buffer_of(message));
    if (!writing_) start_write();
  }

  size_t unsent() const override {
    const std::lock_guard lock(mutex_);
    return outgoing_.size();
  }

  void finish(Outcome outcome) override {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    ending_ = true;
    if (writing_)
      status_ = status_of(std::move(outcome));
    else
      Finish(status_of(std::move(outcome)));
  }

  void answer(std::string message) override {
    const std::lock_guard lock(mutex_);
    if (ending_) return;
    ending_ = true;
    answer_ = buffer_of(message);
    StartWriteAndFinish(&answer_, {}, ::grpc::Status::OK);
  }

  // ---- ServerGenericBidiReactor ----

  void OnReadDone(bool ok) override {
    if (!ok) return handler_->no_more_messages();
    std::string message = string_of(incoming_);
    incoming_.Clear();
    handler_->message(std::move(message));
  }

  void OnWriteDone(bool) override {
    {
      const std::lock_guard lock(mutex_);
      outgoing_.pop_front();
      writing_ = false;
      if (!outgoing_.empty())
        start_write();
      else if (ending_)
        Finish(std::move(status_));
    }
    handler_->sent();
  }

  void OnCancel() override { handler_->cancelled(); }

  void OnDone() override {
    Living& living = living_;
    handler_->done();  // may dispose of this
    living.died();
  }

  void dispose() noexcept override { delete this; }

 private:
  void start_write() {
    writing_ = true;
    ::grpc::WriteOptions options;
    // More follows: the transport may put them into one packet.
    if (outgoing_.size() > 1) options.set_buffer_hint();
    StartWrite(&outgoing_.front(), options);
  }

  Wire& wire_;
  Living& living_;
  ::grpc::GenericCallbackServerContext* const context_;
  Handler* handler_ = nullptr;
  ::grpc::ByteBuffer incoming_;
  ::grpc::ByteBuffer answer_;
  mutable std::mutex mutex_;
  std::deque<::grpc::ByteBuffer> outgoing_;  // the first one is being written
  ::grpc::Status status_;                    // what to end with once they are written
  bool writing_ = false;
  bool ending_ = false;
};

class Service final : public ::grpc::CallbackGenericService {
 public:
  Service(Wire& wire, Living& living) : wire_(wire), living_(living) {}
  ::grpc::ServerGenericBidiReactor* CreateReactor(::grpc::GenericCallbackServerContext* context) override {
    return new Call(wire_, living_, context);
  }

 private:
  Wire& wire_;
  Living& living_;
};

std::shared_ptr<::grpc::ServerCredentials> credentials_of(const ServerOptions& options) {
  if (options.certificate.empty()) return ::grpc::InsecureServerCredentials();
  const bool asks = options.client_certificate != ORBIT_CLIENT_CERTIFICATE_NONE;
  const auto provider = std::make_shared<::grpc::experimental::FileWatcherCertificateProvider>(
      options.key, options.certificate, asks ? options.client_ca : std::string(), options.reload_interval_s);
  ::grpc::experimental::TlsServerCredentialsOptions tls(provider);
  tls.watch_identity_key_cert_pairs();
  if (asks) tls.watch_root_certs();
  tls.set_cert_request_type(options.client_certificate == ORBIT_CLIENT_CERTIFICATE_REQUIRED
                                ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                            : asks ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY
                                   : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return ::grpc::experimental::TlsServerCredentials(tls);
}

// What the library itself has to say goes to the node's log.
const orbit_host* log_host = nullptr;
void log_line(gpr_log_func_args* line) {
  if (line->severity == GPR_LOG_SEVERITY_ERROR) Host(log_host).warn(std::string("grpc: ") + line->message);
}

}  // namespace

struct Server::Impl {
  Impl(Host host, const Limits& limits) : wire(host, limits), service(wire, living) {}
  Wire wire;
  Living living;
  Service service;
  std::unique_ptr<::grpc::Server> server;
};

Server::Server(Host host, ServerOptions options) : host_(host), options_(std::move(options)) {
  log_host = host.raw();
  gpr_set_log_function(&log_line);
  grpc_init();
}

// Blocks until the library's own threads have ended.
Server::~Server() {
  impl_.reset();
  grpc_shutdown_blocking();
}

Result<> Server::start() {
  if (!options_.certificate.empty()) {
    if (auto good = check_certificate(options_.certificate, options_.key); !good) return good;
    if (!options_.client_ca.empty())
      if (auto good = check_authorities(options_.client_ca); !good) return good;
  }
  impl_ = std::make_unique<Impl>(host_, options_.limits);
  ::grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(options_.listen, credentials_of(options_), &port);
  builder.RegisterCallbackGenericService(&impl_->service);
  builder.SetMaxReceiveMessageSize(options_.message_bytes_max);
  builder.SetMaxSendMessageSize(options_.reply_bytes_max);
  // A level, not an algorithm: the library then takes one that the client accepts.
  if (options_.compression != "none")
    builder.SetDefaultCompressionLevel(options_.compression == "low"      ? GRPC_COMPRESS_LEVEL_LOW
                                       : options_.compression == "medium" ? GRPC_COMPRESS_LEVEL_MED
                                                                          : GRPC_COMPRESS_LEVEL_HIGH);
  if (options_.memory_bytes_max != 0) {
    ::grpc::ResourceQuota quota("orbit.protocol.grpc");
    quota.Resize(options_.memory_bytes_max);
    builder.SetResourceQuota(quota);
  }
  // Two nodes on one port would each get some of the connections, without a word.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options_.connection_calls_max);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, options_.metadata_bytes_max);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, options_.keepalive_time_ms);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options_.keepalive_timeout_ms);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, options_.keepalive_min_interval_ms);
  if (options_.idle_timeout_ms != 0) builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, options_.idle_timeout_ms);
  impl_->server = builder.BuildAndStart();
  if (impl_->server == nullptr || port == 0) {
    impl_.reset();
    return fail(Code::unavailable, "cannot listen on '" + options_.listen +
                                       "': expected an address of this machine with a free port, such as 127.0.0.1:7090");
  }
  address_ = options_.listen.substr(0, options_.listen.rfind(':') + 1) + std::to_string(port);
  return {};
}

void Server::stop() noexcept {
  if (impl_ == nullptr || impl_->server == nullptr) return;
  impl_->wire.drain();
  // What comes while the library closes is cut off without a reason; clients that are calling are told one first.
  std::this_thread::sleep_for(std::min(kTellTime, std::chrono::milliseconds(options_.stop_grace_ms)));
  impl_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(options_.stop_grace_ms));
  impl_->server->Wait();
  impl_->living.await_none();
  impl_->server.reset();
  // The rest of *impl_ stays until the workers have stopped: turns may still run whose callers were told that the node stops.
}

}  // namespace orbit::grpc_wire
