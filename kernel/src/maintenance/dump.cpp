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

// The members that the kind of key has, in order.
json::object described(std::string_view key, std::string_view value) {
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
      break;
    }
    case KeyKind::sub:
      out["key"] = shown_key(what.key);
      out["subkey"] = shown_key(what.rest);
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
        const json::object entry = described(from_c(key), from_c(value));
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
