// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One RPC: a stream of an HTTP/2 connection.
#pragma once

#include <nghttp2/nghttp2.h>

#include <string>
#include <string_view>
#include <vector>

#include "framing.hpp"
#include "orbit/ext/workers.h"
#include "rpc.hpp"

namespace orbit::grpc_wire {

class Session;

class Call final : public Rpc {
 public:
  Call(Session& session, int32_t stream);
  ~Call() override;

  // ---- from the session, as the peer's frames come ----

  void field(std::string_view name, std::string_view value);
  // The head is complete.
  void begin();
  void received(std::string_view data);
  void half_closed();
  // The stream is gone. The object may be gone afterwards.
  void over();
  void drain();
  // The node can wait no longer.
  void cut();
  // Messages have left.
  void tell_sent();
  // The next bytes of the answer, as nghttp2 asks for them.
  ssize_t fill(uint8_t* buffer, size_t size, uint32_t* flags);

  // ---- Rpc ----

  std::string_view path() const override { return std::string_view(text_).substr(path_at_, path_size_); }
  std::optional<std::string_view> metadata(std::string_view name) const override;
  uint64_t deadline_ns() const override { return deadline_ns_; }
  std::string peer() const override;
  std::string certificate() const override;
  void read() override;
  void write(std::string message) override;
  size_t unsent() const override { return session_ != nullptr ? outgoing_.size() - outgoing_first_ : 0; }
  void finish(Outcome outcome) override;
  void dispose() noexcept override { delete this; }

 private:
  friend class Session;  // its list of calls

  struct Field {
    uint32_t name_at;
    uint32_t name_size;
    uint32_t value_at;
    uint32_t value_size;
  };

  void take_timeout(std::string_view value);
  // Whether this is a gRPC request; otherwise it was answered in HTTP's own way.
  bool is_grpc();
  void refuse_http(const char* status);
  void deliver();
  void send_head();
  void end(Outcome outcome);
  void deadline_passed();
  void tell_cancelled();
  void disarm();
  void account();
  void drop_first();
  void drop_outgoing();

  Session* session_;  // null: the stream is gone
  Call* next_ = nullptr;
  Call* previous_ = nullptr;
  const int32_t stream_;
  Handler* handler_ = nullptr;
  std::string text_;  // the path, and names and values of the metadata
  std::vector<Field> fields_;
  size_t path_at_ = 0;
  size_t path_size_ = 0;
  bool is_post_ = false;
  bool is_grpc_type_ = false;
  Encoding encoding_ = Encoding::identity;
  bool gzip_ = false;  // the answer is compressed
  size_t metadata_bytes_ = 0;
  Outcome bad_head_;  // ok: none
  uint64_t deadline_ns_ = 0;
  orbit_timer timer_ = 0;
  MessageReader reader_;
  size_t unacknowledged_ = 0;  // bytes of the flow-control window that are not given back
  size_t accounted_ = 0;       // bytes that the server's memory_bytes_max knows of
  bool wanted_ = false;        // the handler has asked for a message
  bool delivering_ = false;
  bool half_closed_ = false;
  std::vector<std::string> outgoing_;  // with prefixes; those before outgoing_first_ are sent, and empty
  size_t outgoing_first_ = 0;
  size_t outgoing_begin_ = 0;  // of the first one, sent
  size_t outgoing_bytes_ = 0;
  bool head_sent_ = false;
  bool deferred_ = false;  // nghttp2 waits to be told that there is more
  size_t sent_ = 0;        // messages whose leaving was not told yet
  bool ending_ = false;    // its end is on the way
  bool finished_ = false;  // by its handler
  bool told_cancelled_ = false;
  Outcome outcome_;
};

}  // namespace orbit::grpc_wire
