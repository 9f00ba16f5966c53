// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "state/instance_notes.hpp"

#include <array>
#include <boost/json.hpp>
#include <random>

#include "state/transfer.hpp"

namespace orbit::kernel {

namespace {

namespace json = boost::json;

constexpr int64_t kNoteFormat = 1;
constexpr std::array<std::string_view, 3> kStages{"copying", "verified", "adopted"};

std::string copy_note_key(std::string_view type) {
  std::string key(kNoteSpace);
  key.append("copy");
  if (!type.empty()) key.append("/").append(type);
  return key;
}

Result<> write_note(const Engine& engine, uint32_t kind, const std::string& key, const std::string& value) {
  const orbit_write_op op{kind, 0, to_c(key), to_c(value)};
  ErrorOut error;
  const orbit_code code = engine.table->write(engine.self, &op, 1, 1, &error);
  if (code != ORBIT_OK) return tl::unexpected(at_storage(engine, error.take(code)));
  return {};
}

Result<std::optional<json::object>> read_note(const Engine& engine, const std::string& key) {
  std::string value;
  ErrorOut error;
  const orbit_sink sink{&value, [](void* out, orbit_bytes part) { static_cast<std::string*>(out)->append(part.data, part.size); }};
  const orbit_code code = engine.table->get(engine.self, nullptr, to_c(key), sink, &error);
  if (code == ORBIT_NOT_FOUND) return std::nullopt;
  if (code != ORBIT_OK) return tl::unexpected(at_storage(engine, error.take(code)));
  json::error_code bad;
  json::value parsed = json::parse(value, bad);
  if (bad || !parsed.is_object())
    return tl::unexpected(at_storage(engine, {Code::data_loss, "the note " + key.substr(2) + " is no JSON object"}));
  const json::value* format = parsed.as_object().if_contains("format");
  if (format == nullptr || !format->is_int64() || format->as_int64() != kNoteFormat)
    return tl::unexpected(at_storage(engine, {Code::data_loss, "the note " + key.substr(2) + " has another format than " +
                                                                   std::to_string(kNoteFormat) + ": a newer node wrote it"}));
  return std::move(parsed.as_object());
}

std::string text(const json::object& note, std::string_view member) {
  const json::value* value = note.if_contains(member);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

}  // namespace

std::string_view stage_name(CopyStage stage) noexcept { return kStages[static_cast<size_t>(stage)]; }

std::string moved_note_key() { return std::string(kNoteSpace) + "moved"; }

std::string new_migration_id() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 16; ++i) id.push_back("0123456789abcdef"[random() & 15]);
  return id;
}

Result<std::optional<CopyNote>> read_copy_note(const Engine& engine, std::string_view type) {
  auto read = read_note(engine, copy_note_key(type));
  if (!read) return tl::unexpected(read.error());
  if (!*read) return std::nullopt;
  const json::object& note = **read;
  CopyNote out{text(note, "id"), text(note, "from"), std::string(type), CopyStage::copying};
  const std::string stage = text(note, "stage");
  for (size_t i = 0; i < kStages.size(); ++i)
    if (stage == kStages[i]) out.stage = static_cast<CopyStage>(i);
  return out;
}

Result<std::optional<MovedNote>> read_moved_note(const Engine& engine) {
  auto read = read_note(engine, moved_note_key());
  if (!read) return tl::unexpected(read.error());
  if (!*read) return std::nullopt;
  return MovedNote{text(**read, "id"), text(**read, "to")};
}

std::pair<std::string, std::string> copy_note_entry(const CopyNote& note) {
  return {copy_note_key(note.type),
          json::serialize(json::object{
              {"format", kNoteFormat}, {"id", note.id}, {"from", note.from}, {"stage", stage_name(note.stage)}})};
}

Result<> write_copy_note(const Engine& engine, const CopyNote& note) {
  const auto [key, value] = copy_note_entry(note);
  return write_note(engine, ORBIT_WRITE_PUT, key, value);
}

Result<> remove_copy_note(const Engine& engine, std::string_view type) {
  return write_note(engine, ORBIT_WRITE_DELETE, copy_note_key(type), {});
}

Result<> write_moved_note(const Engine& engine, const MovedNote& note) {
  return write_note(engine, ORBIT_WRITE_PUT, moved_note_key(),
                    json::serialize(json::object{{"format", kNoteFormat}, {"id", note.id}, {"to", note.to}}));
}

}  // namespace orbit::kernel
