// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "maintenance/keys.hpp"

#include <array>

#include "state/record_format.hpp"
#include "state/transfer.hpp"

namespace orbit::kernel {

namespace {

constexpr std::array<std::string_view, kKeyKinds> kKinds{"main",  "sub",        "due",           "index",
                                                         "count", "index_note", "instance_note", "unknown"};
constexpr std::string_view kCount = "mcount/";
constexpr std::string_view kIndexNote = "mindex/";

Result<> take_type(std::string_view& in, std::string_view& type) {
  if (in.empty() || static_cast<uint8_t>(in[0]) == 0 || in.size() < 1 + static_cast<size_t>(static_cast<uint8_t>(in[0])))
    return fail(Code::data_loss, "the key ends inside the name of its actor type");
  type = in.substr(1, static_cast<uint8_t>(in[0]));
  in.remove_prefix(1 + type.size());
  return {};
}

Result<> take_address(std::string_view& in, DecodedKey& out) {
  auto actor = take_actor(in);
  if (!actor) return tl::unexpected(actor.error());
  out.type = actor->type;
  out.key = actor->key;
  out.hash = actor->hash;
  if (actor->hash != key_hash(actor->key)) return fail(Code::data_loss, "the hash in the key is not that of the actor's key");
  out.rest = in;
  return {};
}

Result<> decode(std::string_view in, DecodedKey& out) {
  if (in.starts_with(kNoteSpace)) {
    out.kind = KeyKind::instance_note;
    out.rest = in.substr(kNoteSpace.size());
    return {};
  }
  if (in.starts_with(kCount)) {
    out.kind = KeyKind::count;
    out.type = in.substr(kCount.size());
    return {};
  }
  if (in.starts_with(kIndexNote)) {
    out.kind = KeyKind::index_note;
    in.remove_prefix(kIndexNote.size());
    if (auto taken = take_type(in, out.type); !taken) return taken;
    auto number = take_u32_be(in);
    if (!number) return tl::unexpected(number.error());
    out.number = *number;
    return {};
  }
  const char space = in.empty() ? '\0' : in[0];
  if (!in.empty()) in.remove_prefix(1);
  switch (space) {
    case kMainSpace:
      out.kind = KeyKind::main;
      if (auto taken = take_address(in, out); !taken) return taken;
      if (!out.rest.empty()) return fail(Code::data_loss, "bytes follow the actor's key");
      return {};
    case kSubSpace:
      out.kind = KeyKind::sub;
      return take_address(in, out);
    case kDueSpace: {
      out.kind = KeyKind::due;
      auto at = take_u64_be(in);
      if (!at) return tl::unexpected(at.error());
      out.due_ms = *at;
      return take_address(in, out);
    }
    case kIndexSpace: {
      out.kind = KeyKind::index;
      if (auto taken = take_type(in, out.type); !taken) return taken;
      auto number = take_u32_be(in);
      if (!number) return tl::unexpected(number.error());
      out.number = *number;
      out.rest = in;
      return {};
    }
    default:
      return fail(Code::data_loss, "the key belongs to no space of the state format");
  }
}

}  // namespace

std::string_view kind_name(KeyKind kind) noexcept { return kKinds[static_cast<size_t>(kind)]; }

Result<DecodedKey> decode_key(std::string_view key) {
  DecodedKey out;
  if (auto decoded = decode(key, out); !decoded) return fail(Code::data_loss, decoded.error().message);
  return out;
}

}  // namespace orbit::kernel
