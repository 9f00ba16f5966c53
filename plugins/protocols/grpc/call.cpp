// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "call.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "orbit/authorization.hpp"
#include "session.hpp"

namespace orbit::grpc_wire {

namespace {

// What RFC 9113 section 6.5.2 adds to each field, so that empty ones count too.
constexpr size_t kFieldBytes = 32;
// Below it memory is not counted: what connection_calls_max allows is small enough.
constexpr size_t kAccountedBytes = 4096;
// Below it compressing an answer makes it longer.
constexpr size_t kCompressedBytesMin = 128;

// Borrows; nghttp2 copies what is not constant.
nghttp2_nv pair(std::string_view name, std::string_view value, bool constant) noexcept {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          static_cast<uint8_t>(NGHTTP2_NV_FLAG_NO_COPY_NAME |
                               (constant ? NGHTTP2_NV_FLAG_NO_COPY_VALUE : NGHTTP2_NV_FLAG_NONE))};
}

// Header fields for one answer. Values that are made for it live here until nghttp2 has copied them.
struct Fields {
  std::array<nghttp2_nv, 8> list{};
  size_t count = 0;
  std::string code, message, details;

  void add(std::string_view name, std::string_view value, bool constant = true) {
    list[count++] = pair(name, value, constant);
  }
  void add_head() {
    add(":status", "200");
    add("content-type", "application/grpc");
    add("grpc-accept-encoding", "identity, deflate, gzip");
  }
  void add_outcome(const Outcome& outcome) {
    if (outcome.code == Code::ok) return add("grpc-status", "0");
    code = std::to_string(static_cast<int>(outcome.code));
    message = percent_encoded(outcome.message);
    add("grpc-status", code, false);
    add("grpc-message", message, false);
    if (outcome.details.empty()) return;
    details = to_base64(outcome.details);
    add("grpc-status-details-bin", details, false);
  }
};

bool is_grpc_type(std::string_view type) noexcept {
  constexpr std::string_view kGrpc = "application/grpc";
  return type.starts_with(kGrpc) &&
         (type.size() == kGrpc.size() || type[kGrpc.size()] == '+' || type[kGrpc.size()] == ';');
}

}  // namespace

Call::Call(Session& session, int32_t stream)
    : session_(&session), stream_(stream), reader_(session.server().options().message_bytes_max) {
  // What most requests have.
  constexpr size_t kTextBytes = 192, kFields = 8;
  text_.reserve(kTextBytes);
  fields_.reserve(kFields);
}

Call::~Call() = default;

// ---- the request --------------------------------------------------------------------------------------------------

void Call::field(std::string_view name, std::string_view value) {
  const ServerOptions& options = session_->server().options();
  metadata_bytes_ += name.size() + value.size() + kFieldBytes;
  if (metadata_bytes_ > options.metadata_bytes_max) {
    bad_head_ = {
        Code::resource_exhausted,
        "the RPC has more metadata than " + std::to_string(options.metadata_bytes_max) + " bytes (metadata_bytes_max)",
        {}};
    return;
  }
  if (name == ":path") {
    path_at_ = text_.size();
    path_size_ = value.size();
    text_.append(value);
  } else if (name == ":method") {
    is_post_ = value == "POST";
  } else if (name == "content-type") {
    is_grpc_type_ = is_grpc_type(value);
  } else if (name == "grpc-timeout") {
    take_timeout(value);
  } else if (name == "grpc-encoding") {
    encoding_ = encoding_of(value);
  } else if (name == "grpc-accept-encoding") {
    gzip_ = gzip_ || (options.compression_level != 0 && accepts(value, "gzip"));
  } else if (!name.starts_with(':')) {
    const auto at = static_cast<uint32_t>(text_.size());
    const auto name_size = static_cast<uint32_t>(name.size());
    text_.append(name);
    if (name.ends_with("-bin")) {
      // Several values may be in one field; the first one is what counts.
      if (const auto bytes = decode_base64(value.substr(0, value.find(','))))
        text_.append(*bytes);
      else
        bad_head_ = {Code::invalid_argument, "the metadata '" + std::string(name) + "' is no base64", {}};
    } else {
      text_.append(value);
    }
    fields_.push_back({at, name_size, at + name_size, static_cast<uint32_t>(text_.size()) - at - name_size});
  }
}

void Call::take_timeout(std::string_view value) {
  if (const auto left_ns = timeout_ns(value))
    deadline_ns_ = session_->server().monotonic_ns() + std::max<uint64_t>(*left_ns, 1);
  else
    bad_head_ = {Code::invalid_argument,
                 "grpc-timeout is at most eight digits and one of H, M, S, m, u, n; found '" +
                     std::string(value.substr(0, 20)) + "'",
                 {}};
}

bool Call::is_grpc() {
  if (!is_post_) return refuse_http("405"), false;
  if (!is_grpc_type_) return refuse_http("415"), false;
  return true;
}

// What is no gRPC gets no gRPC status.
void Call::refuse_http(const char* status) {
  ending_ = true;
  const nghttp2_nv fields[] = {pair(":status", status, true)};
  nghttp2_submit_response(session_->http2(), stream_, fields, std::size(fields), nullptr);
}

void Call::begin() {
  if (!is_grpc()) return;
  if (bad_head_.code == Code::ok && encoding_ == Encoding::unknown)
    bad_head_ = {Code::unimplemented, "messages can be compressed with gzip or deflate, or not at all", {}};
  if (bad_head_.code != Code::ok) return end(outcome_of({bad_head_.code, bad_head_.message}));
  reader_.set_encoding(encoding_);
  Wire& wire = session_->server().wire();
  if (deadline_ns_ != 0) {
    const uint64_t now_ns = session_->server().monotonic_ns();
    const uint64_t left_ms = deadline_ns_ > now_ns ? (deadline_ns_ - now_ns + 999'999) / 1'000'000 : 0;
    timer_ = wire.workers.after(
        wire.host.raw(), left_ms, [](void* ctx) { static_cast<Call*>(ctx)->deadline_passed(); }, this);
  }
  handler_ = wire.accept(*this);
  handler_->start();
}

void Call::deadline_passed() {
  timer_ = 0;
  end(outcome_of(
      {Code::deadline_exceeded, "the call was not answered by its deadline; its turn, if it runs, is told so"}));
  tell_cancelled();
}

std::optional<std::string_view> Call::metadata(std::string_view name) const {
  for (const Field& field : fields_)
    if (field.name_size == name.size() && std::memcmp(text_.data() + field.name_at, name.data(), name.size()) == 0)
      return std::string_view(text_).substr(field.value_at, field.value_size);
  return std::nullopt;
}

std::string Call::peer() const { return session_ != nullptr ? session_->transport().peer_address() : std::string(); }

std::string Call::certificate() const {
  orbit_tls_info tls;
  if (session_ == nullptr || !session_->transport().tls(tls)) return {};
  return std::string(from_c(tls.peer_certificate));
}

void Call::received(std::string_view data) {
  unacknowledged_ += data.size();
  if (!ending_ && handler_ != nullptr) {
    reader_.push(data);
    account();
  }
  deliver();
}

void Call::half_closed() {
  half_closed_ = true;
  deliver();
}

void Call::read() {
  if (session_ == nullptr || ending_) return;
  wanted_ = true;
  deliver();
}

void Call::deliver() {
  if (delivering_) return;
  delivering_ = true;
  while (wanted_ && !ending_) {
    Result<std::optional<std::string>> next = reader_.next();
    if (next && *next) {
      wanted_ = false;
      handler_->message(std::move(**next));
      continue;
    }
    if (next && half_closed_ && reader_.held() != 0)
      next = orbit::fail(Code::internal, "the client has ended its side in the middle of a message");
    if (!next) {
      end(outcome_of(next.error()));
      tell_cancelled();
    } else if (half_closed_) {
      wanted_ = false;
      handler_->no_more_messages();
    }
    break;
  }
  delivering_ = false;
  if (session_ == nullptr) return;
  account();
  // The peer may send as much again as was taken; all that it likes of a message that is waited for, up to
  // message_bytes_max.
  const size_t kept = wanted_ || ending_ ? 0 : reader_.held();
  if (unacknowledged_ <= kept) return;
  nghttp2_session_consume_stream(session_->http2(), stream_, unacknowledged_ - kept);
  unacknowledged_ = kept;
  session_->flush_soon();
}

// ---- the answer ---------------------------------------------------------------------------------------------------

void Call::write(std::string message) {
  if (session_ == nullptr || ending_) return;
  const ServerOptions& options = session_->server().options();
  if (message.size() > options.reply_bytes_max)
    return end(outcome_of({Code::resource_exhausted, "the answer has " + std::to_string(message.size()) +
                                                         " bytes, at most " + std::to_string(options.reply_bytes_max) +
                                                         " are allowed (reply_bytes_max)"}));
  std::string framed;
  std::optional<std::string> packed;
  if (gzip_ && message.size() >= kCompressedBytesMin) packed = compress(message, options.compression_level);
  append_message(framed, packed ? *packed : message, packed.has_value());
  outgoing_bytes_ += framed.size();
  outgoing_.push_back(std::move(framed));
  account();
  if (ending_) return;
  if (!head_sent_) {
    send_head();
  } else if (deferred_) {
    deferred_ = false;
    nghttp2_session_resume_data(session_->http2(), stream_);
  }
  session_->flush_soon();
}

void Call::send_head() {
  head_sent_ = true;
  Fields fields;
  fields.add_head();
  if (gzip_) fields.add("grpc-encoding", "gzip");
  nghttp2_data_provider body{};
  body.source.ptr = this;
  body.read_callback = [](nghttp2_session*, int32_t, uint8_t* buffer, size_t size, uint32_t* flags,
                          nghttp2_data_source* source,
                          void*) { return static_cast<Call*>(source->ptr)->fill(buffer, size, flags); };
  nghttp2_submit_response(session_->http2(), stream_, fields.list.data(), fields.count, &body);
}

ssize_t Call::fill(uint8_t* buffer, size_t size, uint32_t* flags) {
  size_t filled = 0;
  while (filled < size && unsent() != 0) {
    const std::string& first = outgoing_[outgoing_first_];
    const size_t part = std::min(size - filled, first.size() - outgoing_begin_);
    std::memcpy(buffer + filled, first.data() + outgoing_begin_, part);
    filled += part;
    outgoing_begin_ += part;
    if (outgoing_begin_ < first.size()) break;
    outgoing_bytes_ -= first.size();
    outgoing_begin_ = 0;
    drop_first();
    if (sent_++ == 0) session_->note_sent(stream_);
  }
  if (unsent() != 0) return static_cast<ssize_t>(filled);
  if (ending_) {
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    Fields trailer;
    trailer.add_outcome(outcome_);
    nghttp2_submit_trailer(session_->http2(), stream_, trailer.list.data(), trailer.count);
  } else if (filled == 0) {
    deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  return static_cast<ssize_t>(filled);
}

void Call::drop_first() {
  std::string().swap(outgoing_[outgoing_first_++]);
  constexpr size_t kRemovedAtOnce = 64;
  if (outgoing_first_ == outgoing_.size()) {
    outgoing_.clear();
    outgoing_first_ = 0;
  } else if (outgoing_first_ >= kRemovedAtOnce && outgoing_first_ * 2 > outgoing_.size()) {
    outgoing_.erase(outgoing_.begin(), outgoing_.begin() + static_cast<std::ptrdiff_t>(outgoing_first_));
    outgoing_first_ = 0;
  }
}

// But for a message that has begun to leave: the client would take what follows for its rest.
void Call::drop_outgoing() {
  const bool begun = outgoing_begin_ != 0;
  outgoing_bytes_ = begun ? outgoing_[outgoing_first_].size() : 0;
  outgoing_.resize(outgoing_first_ + (begun ? 1 : 0));
}

void Call::tell_sent() {
  account();
  for (size_t count = std::exchange(sent_, 0); count != 0 && handler_ != nullptr; --count) handler_->sent();
}

void Call::finish(Outcome outcome) {
  finished_ = true;
  end(std::move(outcome));
}

void Call::end(Outcome outcome) {
  if (session_ == nullptr || ending_) return;
  ending_ = true;
  disarm();
  outcome_ = std::move(outcome);
  if (!head_sent_) {
    head_sent_ = true;
    Fields fields;
    fields.add_head();
    fields.add_outcome(outcome_);
    nghttp2_submit_response(session_->http2(), stream_, fields.list.data(), fields.count, nullptr);
  } else if (deferred_) {
    deferred_ = false;
    nghttp2_session_resume_data(session_->http2(), stream_);
  }
  session_->flush_soon();
}

// ---- the end ------------------------------------------------------------------------------------------------------

void Call::tell_cancelled() {
  if (handler_ != nullptr && !finished_ && !std::exchange(told_cancelled_, true)) handler_->cancelled();
}

void Call::disarm() {
  if (timer_ == 0) return;
  Wire& wire = session_->server().wire();
  wire.workers.cancel(wire.host.raw(), std::exchange(timer_, 0));
}

void Call::over() {
  disarm();
  if (accounted_ != 0) session_->server().let_go(std::exchange(accounted_, 0));
  session_ = nullptr;
  outgoing_.clear();
  if (handler_ == nullptr) {
    delete this;
    return;
  }
  tell_cancelled();
  handler_->done();
}

void Call::cut() {
  end(outcome_of({Code::unavailable, "the node is stopping"}));
  tell_cancelled();
}

void Call::drain() {
  if (handler_ != nullptr && !ending_) handler_->drain();
}

void Call::account() {
  if (session_ == nullptr) return;
  const size_t now = reader_.held() + outgoing_bytes_;
  const size_t counted = now < kAccountedBytes ? 0 : now;
  if (counted == accounted_) return;
  Server& server = session_->server();
  if (counted < accounted_) {
    server.let_go(accounted_ - counted);
  } else if (!server.hold(counted - accounted_)) {
    drop_outgoing();
    end(outcome_of({Code::resource_exhausted, "messages on their way have " +
                                                  std::to_string(server.options().memory_bytes_max) +
                                                  " bytes (memory_bytes_max)"}));
    return tell_cancelled();
  }
  accounted_ = counted;
}

}  // namespace orbit::grpc_wire
