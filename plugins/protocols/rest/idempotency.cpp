// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "idempotency.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>

namespace orbit::rest {

namespace {

enum class Stage : uint8_t { none, begun, done };

void put_u64(std::string& out, uint64_t value) {
  for (unsigned i = 8; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xFFu);
}
void put_text(std::string& out, std::string_view text) {
  put_u64(out, text.size());
  out += text;
}
bool take_u64(std::string_view& in, uint64_t& value) {
  if (in.size() < 8) return false;
  value = 0;
  for (unsigned i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(in[i]);
  in.remove_prefix(8);
  return true;
}
bool take_text(std::string_view& in, std::string& text) {
  uint64_t size = 0;
  if (!take_u64(in, size) || size > in.size()) return false;
  text = in.substr(0, size);
  in.remove_prefix(size);
  return true;
}

uint64_t g_boot = 0;  // set before the first turn

struct Record {
  Stage stage = Stage::none;
  uint64_t boot = 0;
  uint64_t expires_at_ms = 0;
  std::string fingerprint;
  http::Response response;
  bool changed = false;

  // docs/rest.md describes it: format 1.
  std::string write() const {
    std::string out(1, '\1');
    out += static_cast<char>(stage);
    put_u64(out, boot);
    put_u64(out, expires_at_ms);
    put_text(out, fingerprint);
    put_u64(out, static_cast<uint64_t>(response.status));
    put_text(out, response.content_type);
    put_text(out, response.body);
    put_u64(out, response.headers.size());
    for (const auto& [name, value] : response.headers) {
      put_text(out, name);
      put_text(out, value);
    }
    return out;
  }
  bool read(std::string_view in) {
    if (in.size() < 2 || in[0] != '\1' || in[1] > static_cast<char>(Stage::done)) return false;
    stage = static_cast<Stage>(in[1]);
    in.remove_prefix(2);
    uint64_t status = 0, count = 0;
    if (!take_u64(in, boot) || !take_u64(in, expires_at_ms) || !take_text(in, fingerprint) || !take_u64(in, status) ||
        !take_text(in, response.content_type) || !take_text(in, response.body) || !take_u64(in, count))
      return false;
    response.status = static_cast<int>(status);
    for (; count != 0; --count) {
      std::string name, value;
      if (!take_text(in, name) || !take_text(in, value)) return false;
      response.headers.emplace_back(std::move(name), std::move(value));
    }
    return in.empty();
  }

  void begin(IdempotencyTurn& turn) {
    if (stage == Stage::none) {
      *this = {Stage::begun, g_boot, turn.expires_at_ms, turn.fingerprint, {}, true};
      turn.begun = Begun::fresh;
    } else if (fingerprint != turn.fingerprint) {
      turn.begun = Begun::mismatch;
    } else if (stage == Stage::done) {
      turn.begun = Begun::replay;
      turn.response = response;
    } else {
      turn.begun = boot == g_boot ? Begun::at_work : Begun::unknown;
    }
  }
};

int invoke(void* actor, orbit_envelope* envelope) {
  auto& record = *static_cast<Record*>(actor);
  envelope->code = ORBIT_OK;
  record.changed = false;
  if (envelope->method == ORBIT_METHOD_EXPIRE) {
    record = {};
    record.changed = true;
  } else if (envelope->payload != nullptr && envelope->ops == &kIdempotencyOps) {
    auto& turn = **static_cast<IdempotencyTurn**>(envelope->payload);
    if (envelope->method == kIdempotencyBegin) {
      record.begin(turn);
    } else if (envelope->method == kIdempotencyFinish) {
      record.stage = Stage::done;
      record.response = turn.response;
      record.changed = true;
    } else {
      record = {};
      record.changed = true;
    }
  }
  if (record.changed) envelope->flags |= ORBIT_ENVELOPE_DIRTY;
  return ORBIT_TURN_DONE;
}

constexpr orbit_method kMethods[] = {
    {sizeof(orbit_method), 0, "begin", nullptr, nullptr, kIdempotencyBegin, 0},
    {sizeof(orbit_method), 0, "finish", nullptr, nullptr, kIdempotencyFinish, 0},
    {sizeof(orbit_method), 0, "forget", nullptr, nullptr, kIdempotencyForget, 0},
};
constexpr uint64_t kIdleMs = 10'000;

const orbit_actor_type kType = {
    .struct_size = sizeof(orbit_actor_type),
    .durability = ORBIT_DURABILITY_SYNC,
    .name = kIdempotencyType,
    .state_type = nullptr,
    .flush_delay_ms = 0,
    .idle_timeout_ms = kIdleMs,
    .mailbox_max = 0,
    .method_count = std::size(kMethods),
    .methods = kMethods,
    .descriptor_set = {},
    .type_self = nullptr,
    .create = [](void*, orbit_activation*, orbit_bytes, orbit_error*) -> void* { return new Record; },
    .destroy = [](void* actor) { delete static_cast<Record*>(actor); },
    .load = [](void* actor, const orbit_record* records, size_t count, uint64_t, orbit_error* error) -> orbit_code {
      if (count == 0 || static_cast<Record*>(actor)->read(from_c(records[0].value))) return ORBIT_OK;
      return to_c(Code::data_loss, "the record of an Idempotency-Key is not one of format 1", error);
    },
    .invoke = &invoke,
    .collect =
        [](void* actor, const orbit_writer* writer) {
          const auto& record = *static_cast<const Record*>(actor);
          if (record.stage == Stage::none) return writer->remove_main(writer->ctx);
          const std::string bytes = record.write();
          writer->put_main(writer->ctx, to_c(std::string_view(bytes)), record.expires_at_ms, 0);
        },
    .memory_bytes = [](const void* actor) -> size_t {
      const auto& record = *static_cast<const Record*>(actor);
      return sizeof record + record.response.body.size() + record.fingerprint.size();
    },
};
const orbit_actor_type* const kTypes[] = {&kType};
constexpr orbit_actor_types_v1 kTable = {sizeof(orbit_actor_types_v1), 1, kTypes};

const char kToken = 0;

}  // namespace

const orbit_payload_ops kIdempotencyOps = {
    .struct_size = sizeof(orbit_payload_ops),
    .room_bytes = sizeof(void*),
    .token = &kToken,
    .serialize = [](const void*, orbit_sink) -> orbit_code { return ORBIT_UNIMPLEMENTED; },
};

const orbit_actor_types_v1* idempotency_types(uint64_t boot) {
  g_boot = boot;
  return &kTable;
}

std::string fingerprint_of(std::string_view method, std::string_view target, std::string_view body) {
  std::string text;
  for (const std::string_view part : {method, target, body}) put_text(text, part);
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), hash, &size, EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(hash), size};
}

Result<std::string> read_idempotency_key(std::string_view header) {
  std::string key;
  const auto wrong = [](std::string_view why) {
    return fail(Code::invalid_argument, "Idempotency-Key " + std::string(why) + "; send a quoted string such as \"8e03978e-40d5-43dd\"");
  };
  if (header.starts_with('"')) {
    // A string of RFC 8941 section 3.3.3.
    size_t i = 1;
    for (; i < header.size() && header[i] != '"'; ++i) {
      if (header[i] == '\\' && ++i == header.size()) return wrong("has an open quote");
      key += header[i];
    }
    if (i + 1 != header.size()) return wrong("must be one string");
  } else {
    key = header;
  }
  if (key.empty()) return wrong("is empty");
  if (key.size() > kIdempotencyKeyMax)
    return wrong("has " + std::to_string(key.size()) + " bytes, at most " + std::to_string(kIdempotencyKeyMax) + " are taken");
  if (!std::all_of(key.begin(), key.end(), [](char c) { return c >= 0x20 && c < 0x7F; })) return wrong("must be printable ASCII");
  return key;
}

}  // namespace orbit::rest
