// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "maintenance/dump.hpp"

#include <boost/json.hpp>

#include "actor/names.hpp"
#include "maintenance/keys.hpp"
#include "state/record_format.hpp"
#include "state/transfer.hpp"

namespace orbit::kernel {

namespace {

namespace json = boost::json;

std::string hexadecimal(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

// docs/formats/state.md, "Reminders of C++ actors" and "Sub-records of typed actors". What does not fit stays
// hexadecimal.
bool add_reminder(json::object& out, std::string_view sub_key, std::string_view value) {
  if (!sub_key.starts_with("\xffr") || value.empty() || value[0] != 1) return false;
  std::string_view rest = value.substr(1);
  const auto due_ms = take_u64_be(rest);
  const auto period_ms = due_ms ? take_u64_be(rest) : due_ms;
  if (!period_ms || rest.size() != 5 || static_cast<uint8_t>(rest[0]) > 2) return false;
  constexpr const char* kMissed[] = {"fire_once", "skip", "catch_up"};
  json::object reminder{{"name", shown_key(sub_key.substr(2))},
                        {"due_ms", *due_ms},
                        {"period_ms", *period_ms},
                        {"missed", kMissed[static_cast<uint8_t>(rest[0])]}};
  rest.remove_prefix(1);
  if (const auto most = take_u32_be(rest)) reminder["catch_up_max"] = *most;
  out["reminder"] = std::move(reminder);
  return true;
}

bool add_state(json::object& out, const StateTypes* types, std::string_view type, std::string_view message) {
  const auto text = types != nullptr ? types->json(type, message) : std::nullopt;
  if (!text) return false;
  out["state"] = json::parse(*text);
  return true;
}

// Of an actor type with a state message. True: nothing of the value is left to be told.
bool add_main(json::object& out, const StateTypes* types, std::string_view type, std::string_view value) {
  if (!value.starts_with('\0')) return add_state(out, types, type, value);
  std::string_view rest = value.substr(1);
  json::object journal;
  for (const char* name : {"last_event", "snapshot_after", "oldest_event"}) {
    const auto number = take_varint(rest);
    if (!number) return false;
    journal[name] = *number;
  }
  if (!rest.empty() || types == nullptr || !types->knows(type)) return false;
  out["journal"] = std::move(journal);
  return true;
}

bool add_sub(json::object& out, const StateTypes* types, std::string_view type, std::string_view sub_key,
             std::string_view value) {
  if (add_reminder(out, sub_key, value)) return true;
  if (types == nullptr || !types->knows(type) || sub_key.empty()) return false;
  const char kind = sub_key[0];
  std::string_view rest = value;
  if ((kind == 's' && sub_key.size() == 1) || ((kind == 'w' || kind == 'a') && sub_key.size() > 1) ||
      (kind == 'j' && sub_key.size() == 9)) {
    const auto version = take_varint(rest);
    if (!version) return false;
    out["schema_version"] = *version;
    if (kind == 's') return add_state(out, types, type, rest);
    if (kind != 'j') {
      out["part"] = shown_key(sub_key.substr(1));
      return false;  // its message's type is not told by the module
    }
    std::string_view digits = sub_key.substr(1);
    const auto time_ms = take_varint(rest);
    if (const auto number = take_u64_be(digits); number && time_ms) {
      out["event"] = *number;
      out["time_ms"] = *time_ms;
    }
  }
  return false;
}

// The members that the kind of key has, in order.
json::object described(std::string_view key, std::string_view value, const StateTypes* types) {
  json::object out;
  const auto decoded = decode_key(key);
  const DecodedKey what = decoded ? *decoded : DecodedKey{};
  out["kind"] = kind_name(what.kind);
  if (!what.type.empty()) out["type"] = what.type;
  switch (what.kind) {
    case KeyKind::main: {
      out["key"] = shown_key(what.key);
      auto header = take_main_header(value);
      if (!header) {
        out["damaged"] = header.error().message;
        break;
      }
      out["version"] = header->version;
      out["epoch"] = header->epoch;
      if (header->expires_at_ms != 0) out["expires_at_ms"] = header->expires_at_ms;
      if (header->schema_version != 0) out["schema_version"] = header->schema_version;
      out["has_subrecords"] = header->has_subrecords;
      if (add_main(out, types, what.type, value)) return out;
      break;
    }
    case KeyKind::sub:
      out["key"] = shown_key(what.key);
      out["subkey"] = shown_key(what.rest);
      if (add_sub(out, types, what.type, what.rest, value)) return out;
      break;
    case KeyKind::due:
      out["key"] = shown_key(what.key);
      out["due_ms"] = what.due_ms;
      out["name"] = shown_key(what.rest);
      return out;
    case KeyKind::index:
      out["index"] = what.number;
      out["entry"] = shown_key(what.rest);
      return out;
    case KeyKind::count:
      if (const auto count = take_u64_be(value)) out["count"] = *count;
      return out;
    case KeyKind::index_note:
      out["index"] = what.number;
      break;
    case KeyKind::instance_note:
      out["name"] = shown_key(what.rest);
      break;
    default:
      out["stored_key"] = hexadecimal(key);
  }
  out["value"] = hexadecimal(value);
  return out;
}

std::string line(const json::object& entry) {
  std::string out;
  for (const auto& [name, value] : entry) {
    if (!out.empty()) out.push_back(' ');
    if (name != "kind") out.append(name).push_back('=');
    out.append(value.is_string() ? std::string(value.as_string()) : json::serialize(value));
  }
  return out;
}

struct Dumping {
  const DumpOptions& options;
  std::ostream& out;
};

}  // namespace

Result<> dump_state(const Engine& engine, const DumpOptions& options, std::ostream& out) {
  Dumping dumping{options, out};
  ErrorOut error;
  const orbit_code code = engine.table->scan(
      engine.self, nullptr, {"", 0}, {"", 0}, 0,
      [](void* ctx, orbit_bytes key, orbit_bytes value) -> int {
        auto& its = *static_cast<Dumping*>(ctx);
        const json::object entry = described(from_c(key), from_c(value), its.options.types);
        if (!its.options.type.empty()) {
          const json::value* type = entry.if_contains("type");
          if (type == nullptr || type->as_string() != its.options.type) return 1;
        }
        its.out << (its.options.json ? json::serialize(entry) : line(entry)) << '\n';
        return its.out.good() ? 1 : 0;
      },
      &dumping, &error);
  if (code != ORBIT_OK) return tl::unexpected(at_storage(engine, error.take(code)));
  if (!out.good()) return fail(Code::unavailable, "the output cannot be written");
  return {};
}

}  // namespace orbit::kernel
