// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <map>
#include <utility>

#include "fake_wire.hpp"
#include "framing.hpp"

using namespace orbit;
using namespace orbit::grpc_wire;
using namespace orbit::grpc_wire::test;

namespace {

// What a client makes of the server's bytes.
class Reader {
 public:
  struct Stream {
    std::map<std::string, std::string> fields;  // of head and trailer
    std::string data;
    bool ended = false;
    uint32_t reset = UINT32_MAX;
  };

  // Streams that the client has opened: an answer to another one would be an error.
  explicit Reader(size_t streams) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* got, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* self) {
          static_cast<Reader*>(self)
              ->streams[got->hd.stream_id]
              .fields[std::string(reinterpret_cast<const char*>(name), name_size)] =
              std::string(reinterpret_cast<const char*>(value), value_size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, uint8_t, int32_t stream, const uint8_t* data, size_t size, void* self) {
          static_cast<Reader*>(self)->streams[stream].data.append(reinterpret_cast<const char*>(data), size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* got, void* user) {
          auto& self = *static_cast<Reader*>(user);
          if ((got->hd.type == NGHTTP2_DATA || got->hd.type == NGHTTP2_HEADERS) &&
              (got->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
            self.streams[got->hd.stream_id].ended = true;
          if (got->hd.type == NGHTTP2_RST_STREAM) self.streams[got->hd.stream_id].reset = got->rst_stream.error_code;
          if (got->hd.type == NGHTTP2_GOAWAY) ++self.goaways;
          if (got->hd.type == NGHTTP2_PING && (got->hd.flags & NGHTTP2_FLAG_ACK) == 0)
            self.ping.assign(reinterpret_cast<const char*>(got->ping.opaque_data), sizeof got->ping.opaque_data);
          return 0;
        });
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
    const nghttp2_nv fields[] = {pair(":method", "POST"), pair(":scheme", "http"), pair(":path", "/"),
                                 pair(":authority", "x")};
    nghttp2_data_provider open{};
    open.read_callback = [](nghttp2_session*, int32_t, uint8_t*, size_t, uint32_t*, nghttp2_data_source*,
                            void*) -> ssize_t { return NGHTTP2_ERR_DEFERRED; };
    for (size_t i = 0; i < streams; ++i)
      nghttp2_submit_request(session_, nullptr, fields, std::size(fields), &open, nullptr);
    const uint8_t* data = nullptr;
    while (nghttp2_session_mem_send(session_, &data) > 0) {
    }
  }
  ~Reader() { nghttp2_session_del(session_); }

  void take(Client& client) {
    const std::string bytes = client.take();
    REQUIRE(nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()) ==
            static_cast<ssize_t>(bytes.size()));
  }

  std::map<int32_t, Stream> streams;
  int goaways = 0;
  std::string ping;

 private:
  static nghttp2_nv pair(std::string_view name, std::string_view value) {
    return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
            reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
            NGHTTP2_NV_FLAG_NONE};
  }
  nghttp2_session* session_ = nullptr;
};

const std::vector<std::pair<std::string, std::string>> kKey = {{"orbit-key", "k"}};

}  // namespace

TEST_CASE("a call is answered with head, message and status") {
  FakeWire wire;
  Client client(wire);
  Reader reader(1);
  client.send(kPreface + request_head(1, "/fake.Echo/Say", kKey) + message_frame(1, "\x0a\x02hi"));
  reader.take(client);
  auto& answer = reader.streams[1];
  CHECK(answer.fields[":status"] == "200");
  CHECK(answer.fields["content-type"] == "application/grpc");
  CHECK(answer.fields["grpc-status"] == "0");
  CHECK(answer.data == std::string("\0\0\0\0\x04\x0a\x02hi", 9));
  CHECK(answer.ended);
  CHECK(wire.envelopes == 0);
}

TEST_CASE("answers that are ready together leave together, and late ones too") {
  FakeWire wire;
  wire.answers_at_once = false;
  Client client(wire);
  Reader reader(2);
  client.send(kPreface + request_head(1, "/fake.Echo/Say", kKey) + message_frame(1, "") +
              request_head(3, "/fake.Echo/Say", kKey) + message_frame(3, ""));
  REQUIRE(wire.calls.size() == 2);
  client.take();
  wire.answer();
  wire.answer(Code::not_found);
  CHECK(client.output().empty());
  CHECK(wire.posted.size() == 1);
  wire.run_posted();
  CHECK_FALSE(client.output().empty());
}

TEST_CASE("an error has its code, its message and details, and no message") {
  FakeWire wire;
  wire.answers_at_once = false;
  Client client(wire);
  Reader reader(1);
  client.send(kPreface + request_head(1, "/fake.Echo/Say", kKey) + message_frame(1, ""));
  wire.answer(Code::not_found);
  wire.run_posted();
  reader.take(client);
  auto& answer = reader.streams[1];
  CHECK(answer.fields["grpc-status"] == "5");
  CHECK(answer.fields["grpc-message"] == "as the test says");
  CHECK_FALSE(answer.fields["grpc-status-details-bin"].empty());
  CHECK(answer.data.empty());
  CHECK(answer.ended);
}

TEST_CASE("a call that its client resets is cancelled, and its late answer goes nowhere") {
  FakeWire wire;
  wire.answers_at_once = false;
  Client client(wire);
  client.send(kPreface + request_head(1, "/fake.Echo/Say", kKey) + message_frame(1, ""));
  client.send(frame(kReset, 0, 1, std::string("\0\0\0\x08", 4)));
  CHECK(wire.cancelled == 1);
  client.take();
  wire.answer();
  wire.run_posted();
  CHECK(client.output().empty());
  CHECK(wire.envelopes == 0);
}

TEST_CASE("calls of a connection that breaks are cancelled, and their late answers go nowhere") {
  FakeWire wire;
  wire.answers_at_once = false;
  {
    Client client(wire);
    std::string bytes = kPreface + request_head(1, "/fake.Echo/Say", kKey) + message_frame(1, "");
    bytes += request_head(3, "/orbit.v1.ActorService/InvokeStream");
    bytes += message_frame(3,
                           "\x08\x01\x12\x13\x0a\x09"
                           "fake.Echo\x12\x01k\x1a\x03"
                           "Say",
                           false);
    client.send(bytes);
    REQUIRE(wire.calls.size() == 2);
  }
  CHECK(wire.cancelled == 2);
  wire.answer();
  wire.answer();
  wire.run_posted();
  CHECK(wire.envelopes == 0);
  CHECK(wire.timers.empty());
}

TEST_CASE("at the deadline the client is answered and the turn is told, whatever it does") {
  FakeWire wire;
  wire.answers_at_once = false;
  Client client(wire);
  Reader reader(1);
  client.send(kPreface + request_head(1, "/fake.Echo/Say", {{"orbit-key", "k"}, {"grpc-timeout", "100m"}}) +
              message_frame(1, ""));
  wire.advance(101);
  wire.run_posted();
  reader.take(client);
  CHECK(reader.streams[1].fields["grpc-status"] == "4");
  CHECK(wire.cancelled == 1);
  wire.answer();
  CHECK(wire.envelopes == 0);
}

TEST_CASE("what an RPC is sent and does not read waits in the client, and other RPCs go on") {
  FakeWire wire;
  wire.answers_at_once = false;
  Client client(wire);
  Reader reader(2);
  std::string bytes = kPreface + frame(kSettings, 1, 0, {}) + request_head(1, "/orbit.v1.ActorService/InvokeStream");
  for (int i = 0; i < 4; ++i)
    bytes += message_frame(1,
                           "\x08\x01\x12\x13\x0a\x09"
                           "fake.Echo\x12\x01k\x1a\x03"
                           "Say",
                           false);
  client.send(bytes);
  CHECK(wire.calls.size() == 4);  // stream_calls_max: nothing more is read
  reader.take(client);
  const std::string part = frame(kData, 0, 1, std::string(16'000, 'x'));
  for (int i = 0; i < 10; ++i) client.send(part);
  // The connection's window is given back, the stream's is not.
  const std::string output = client.take();
  for (size_t at = 0; at + 9 <= output.size();) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(output[at + i]); };
    CHECK_FALSE((byte(3) == kWindowUpdate && byte(8) == 1));
    at += 9u + (byte(0) << 16 | byte(1) << 8 | byte(2));
  }
  client.send(request_head(3, "/fake.Echo/Say", kKey) + message_frame(3, ""));
  REQUIRE(wire.calls.size() == 5);
  std::rotate(wire.calls.begin(), wire.calls.end() - 1, wire.calls.end());
  wire.answer();
  wire.run_posted();
  reader.take(client);
  CHECK(reader.streams[3].fields["grpc-status"] == "0");
  client.hang_up();
  while (!wire.calls.empty()) wire.answer();
  CHECK(wire.envelopes == 0);
}

TEST_CASE("a connection that says nothing is closed, and one that answers no ping") {
  FakeWire wire;
  Client silent(wire);
  wire.advance(10'001);
  CHECK(silent.closing());

  Client client(wire);
  Reader reader(0);
  client.send(kPreface);
  wire.advance(60'001);
  wire.run_posted();
  reader.take(client);
  CHECK(reader.ping == std::string("alive\0\0\0", 8));
  CHECK_FALSE(client.closing());
  wire.advance(20'001);
  CHECK(client.closing());
}

TEST_CASE(
    "a connection that drains tells its client, answers what runs, refuses what comes, and closes when the client "
    "knows") {
  FakeWire wire;
  wire.answers_at_once = false;
  Client client(wire);
  Reader reader(2);
  client.send(kPreface + request_head(1, "/fake.Echo/Say", kKey) + message_frame(1, ""));
  wire.server().begin_drain();
  wire.run_posted();
  reader.take(client);
  CHECK(reader.goaways == 1);
  CHECK(reader.ping == std::string("drain\0\0\0", 8));
  client.send(request_head(3, "/fake.Echo/Say", kKey) + message_frame(3, ""));
  reader.take(client);
  CHECK(reader.streams[3].fields["grpc-status"] == "14");
  client.send(frame(kPing, 1, 0, reader.ping));
  CHECK_FALSE(client.closing());
  wire.answer();
  wire.run_posted();
  reader.take(client);
  CHECK(reader.streams[1].fields["grpc-status"] == "0");
  CHECK(client.closing());
}
