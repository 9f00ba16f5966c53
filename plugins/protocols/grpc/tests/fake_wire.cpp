// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "fake_wire.hpp"

#include <google/protobuf/descriptor.pb.h>

#include <cstdlib>

#include "framing.hpp"
#include "orbit/bytes_call.hpp"
#include "orbit/ext/access.h"
#include "orbit/ext/descriptors.h"
#include "orbit/ext/node.h"
#include "orbit/ext/streams.h"

struct orbit_type {
  const char* name;
};

namespace orbit::grpc_wire::test {

namespace {

constexpr uint32_t kSay = 7;
const orbit_type kType{"fake.Echo"};
const orbit_method kMethods[] = {{sizeof(orbit_method), 0, "Say", "fake.Text", "fake.Text", kSay, 0}};

// service Echo { rpc Say(Text) returns (Text); }  message Text { string text = 1; }
std::string make_descriptors() {
  namespace pb = google::protobuf;
  pb::FileDescriptorSet set;
  pb::FileDescriptorProto& file = *set.add_file();
  file.set_name("fake.proto");
  file.set_package("fake");
  file.set_syntax("proto3");
  pb::DescriptorProto& text = *file.add_message_type();
  text.set_name("Text");
  pb::FieldDescriptorProto& field = *text.add_field();
  field.set_name("text");
  field.set_number(1);
  field.set_type(pb::FieldDescriptorProto::TYPE_STRING);
  field.set_label(pb::FieldDescriptorProto::LABEL_OPTIONAL);
  pb::ServiceDescriptorProto& service = *file.add_service();
  service.set_name("Echo");
  pb::MethodDescriptorProto& method = *service.add_method();
  method.set_name("Say");
  method.set_input_type(".fake.Text");
  method.set_output_type(".fake.Text");
  return set.SerializeAsString();
}

void free_envelope(orbit_envelope* envelope) {
  if (envelope->ops != nullptr && envelope->ops->destroy != nullptr) envelope->ops->destroy(envelope->payload);
  std::free(envelope->message);
  delete envelope;
  --FakeWire::current().envelopes;
}

const orbit_actors_v1 kActors = [] {
  orbit_actors_v1 out{};
  out.struct_size = sizeof out;
  out.allocate = [] {
    auto* const made = new orbit_envelope{};
    made->payload = made->room;
    ++FakeWire::current().envelopes;
    return made;
  };
  out.free_envelope = &free_envelope;
  out.set_context = [](orbit_envelope*, orbit_bytes, orbit_bytes, orbit_error*) -> orbit_code { return ORBIT_OK; };
  out.send = [](orbit_envelope* envelope, uint64_t*) {
    FakeWire& wire = FakeWire::current();
    if (envelope->on_reply == nullptr) return free_envelope(envelope);
    wire.calls.push_back({envelope, std::string(from_c(envelope->key))});
    if (wire.answers_at_once) wire.answer();
  };
  out.cancel = [](orbit_envelope*) { ++FakeWire::current().cancelled; };
  return out;
}();

const orbit_descriptors_v1 kDescriptors = {
    .struct_size = sizeof(orbit_descriptors_v1),
    .reserved = 0,
    .generation = []() -> uint64_t { return 1; },
    .each = [](void (*visit)(void*, const orbit_callable_type*), void* ctx) -> uint64_t {
      static const std::string descriptors = make_descriptors();
      static const orbit_actor_type definition = [] {
        orbit_actor_type out{};
        out.struct_size = sizeof out;
        out.name = kType.name;
        out.method_count = 1;
        out.methods = kMethods;
        out.descriptor_set = to_c(Bytes(descriptors));
        return out;
      }();
      const orbit_callable_type type{sizeof type, ORBIT_KEY_STRING, &kType, &definition, "fake", "1", 1};
      visit(ctx, &type);
      return 1;
    },
    .worker_of = [](const orbit_type*, orbit_bytes) -> uint32_t { return 0; },
};

// Streams that end as soon as somebody observes them.
const orbit_streams_v1 kStreams = [] {
  orbit_streams_v1 out{};
  out.struct_size = sizeof out;
  out.observe = [](orbit_bytes, uint64_t, uint64_t, void (*)(void*, const orbit_stream_event*, size_t),
                   void (*on_end)(void*, orbit_code, const char*), void* ctx) -> uint64_t {
    on_end(ctx, ORBIT_NOT_FOUND, "no streams here");
    return 1;
  };
  return out;
}();

const orbit_node_v1 kNode = [] {
  orbit_node_v1 out{};
  out.struct_size = sizeof out;
  out.ready = [] { return 1; };
  return out;
}();

const orbit_access_v1 kAccess = [] {
  orbit_access_v1 out{};
  out.struct_size = sizeof out;
  out.enabled = [](const orbit_host*) { return 0; };
  return out;
}();

}  // namespace

ServerOptions FakeWire::small() {
  ServerOptions options;
  options.listen.address = "127.0.0.1:1";
  options.message_bytes_max = 64 * 1024;
  options.reply_bytes_max = 64 * 1024;
  options.metadata_bytes_max = 4096;
  options.connection_calls_max = 20;
  options.memory_bytes_max = 1024 * 1024;
  options.keepalive_time_ms = 60'000;
  options.keepalive_timeout_ms = 20'000;
  options.keepalive_min_interval_ms = 10'000;
  options.compression_level = 1;
  options.limits.batch_calls_max = 10;
  options.limits.stream_calls_max = 4;
  return options;
}

FakeWire::FakeWire(ServerOptions options) {
  server_ = std::make_unique<Server>(host(), std::move(options));
  if (!server_->start()) std::abort();
}

FakeWire::~FakeWire() = default;

const void* FakeWire::extension(std::string_view id) {
  if (id == ORBIT_ACTORS_V1) return &kActors;
  if (id == ORBIT_DESCRIPTORS_V1) return &kDescriptors;
  if (id == ORBIT_STREAMS_V1) return &kStreams;
  if (id == ORBIT_NODE_V1) return &kNode;
  if (id == ORBIT_ACCESS_V1) return &kAccess;
  if (id == ORBIT_WORKERS_V1) {
    static const orbit_workers_v1 workers = [this] {
      orbit_workers_v1 out = *static_cast<const orbit_workers_v1*>(FakeNet::extension(ORBIT_WORKERS_V1));
      out.post = [](const orbit_host*, uint32_t, orbit_function function, void* ctx) {
        FakeWire::current().posted.emplace_back(function, ctx);
      };
      return out;
    }();
    return &workers;
  }
  if (id == ORBIT_METRICS_V1) {
    static const orbit_metrics_v1 metrics = [this] {
      orbit_metrics_v1 out = *static_cast<const orbit_metrics_v1*>(FakeNet::extension(ORBIT_METRICS_V1));
      out.gauge = [](const orbit_host*, const char*, const char*, const char*) -> orbit_gauge* { return nullptr; };
      out.set = [](orbit_gauge*, int64_t) {};
      return out;
    }();
    return &metrics;
  }
  return FakeNet::extension(id);
}

void FakeWire::run_posted() {
  while (!posted.empty()) {
    const auto now = std::exchange(posted, {});
    for (const auto& [function, ctx] : now) function(ctx);
  }
}

void FakeWire::answer(Code code) {
  orbit_envelope* const envelope = calls.front().envelope;
  calls.pop_front();
  envelope->code = static_cast<orbit_code>(code);
  if (code != Code::ok) {
    if (envelope->ops->destroy != nullptr) envelope->ops->destroy(envelope->payload);
    envelope->ops = nullptr;
    envelope->message = strdup("as the test says");
  }
  envelope->on_reply(envelope->reply_ctx, envelope);
}

// ---- frames -------------------------------------------------------------------------------------------------------

const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(kSettings, 0, 0, {});

std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  const size_t size = payload.size();
  std::string out;
  for (const size_t byte : {size >> 16, size >> 8, size, size_t{type}, size_t{flags}}) out += static_cast<char>(byte);
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(stream >> shift);
  out += payload;
  return out;
}

std::string header_block(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string out;
  const auto text = [&out](const std::string& part) {
    // RFC 7541 section 5.1, with a prefix of seven bits.
    size_t size = part.size();
    if (size < 127) {
      out += static_cast<char>(size);
    } else {
      out += '\x7f';
      for (size -= 127; size >= 128; size >>= 7) out += static_cast<char>(size | 128u);
      out += static_cast<char>(size);
    }
    out += part;
  };
  for (const auto& [name, value] : fields) {
    out += '\0';  // literal, not indexed
    text(name);
    text(value);
  }
  return out;
}

std::string request_head(uint32_t stream, const std::string& path,
                         std::vector<std::pair<std::string, std::string>> more) {
  std::vector<std::pair<std::string, std::string>> fields = {{":method", "POST"},
                                                             {":scheme", "http"},
                                                             {":path", path},
                                                             {":authority", "x"},
                                                             {"content-type", "application/grpc"},
                                                             {"te", "trailers"}};
  fields.insert(fields.end(), more.begin(), more.end());
  return frame(kHeaders, kEndHeaders, stream, header_block(fields));
}

std::string message_frame(uint32_t stream, std::string_view message, bool last) {
  std::string framed;
  append_message(framed, message, false);
  return frame(kData, last ? kEndStream : 0, stream, framed);
}

}  // namespace orbit::grpc_wire::test
