// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "json_codec.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>
#include <google/protobuf/wire_format_lite.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "json_reader.hpp"
#include "orbit/http/response.hpp"

namespace orbit::rest {

namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;
using Wire = pb::internal::WireFormatLite;

namespace {

constexpr std::string_view kUrlPrefix = "type.googleapis.com";

// ---- numbers and bytes --------------------------------------------------------------------------------------------

void append_varint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80u);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

template <class T>
void append_fixed(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);  // the machines Orbit runs on are little-endian, as the wire is
  out.append(bytes, sizeof value);
}

// A whole number however it is written: 5, 5.0, 5e0.
template <class T>
bool to_integer(std::string_view text, T& out) {
  const char* const end = text.data() + text.size();
  auto parsed = std::from_chars(text.data(), end, out);
  if (parsed.ec == std::errc() && parsed.ptr == end && !text.empty()) return true;
  double value = 0;
  parsed = std::from_chars(text.data(), end, value);
  // Above 2^53 a double no longer says which whole number was meant.
  constexpr double kExact = 9007199254740992.0;
  if (parsed.ec != std::errc() || parsed.ptr != end || text.empty() || value != std::trunc(value) || std::abs(value) >= kExact)
    return false;
  if (value < static_cast<double>(std::numeric_limits<T>::min()) || value > static_cast<double>(std::numeric_limits<T>::max()))
    return false;
  out = static_cast<T>(value);
  return true;
}

bool to_double(std::string_view text, double& out) {
  if (text == "NaN") return out = std::numeric_limits<double>::quiet_NaN(), true;
  if (text == "Infinity") return out = std::numeric_limits<double>::infinity(), true;
  if (text == "-Infinity") return out = -std::numeric_limits<double>::infinity(), true;
  const char first = text.empty() ? '\0' : text[text[0] == '-' && text.size() > 1 ? 1 : 0];
  if (first < '0' || first > '9') return false;  // from_chars knows "inf" and "nan" too
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

constexpr std::array<signed char, 256> make_base64_table() {
  std::array<signed char, 256> table{};
  for (signed char& entry : table) entry = -1;
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < kLetters.size(); ++i) table[static_cast<unsigned char>(kLetters[i])] = static_cast<signed char>(i);
  table['-'] = 62;
  table['_'] = 63;
  return table;
}
constexpr std::array<signed char, 256> kBase64 = make_base64_table();

void append_json_number(std::string& out, double value, bool single) {
  if (std::isnan(value)) return void(out += "\"NaN\"");
  if (std::isinf(value)) return void(out += value < 0 ? "\"-Infinity\"" : "\"Infinity\"");
  char text[40];
  const auto written = single ? std::to_chars(text, text + sizeof text, static_cast<float>(value))
                              : std::to_chars(text, text + sizeof text, value);
  out.append(text, written.ptr);
}

template <class T>
void append_integer(std::string& out, T value, bool quoted) {
  char text[24];
  const auto written = std::to_chars(text, text + sizeof text, value);
  if (quoted) out += '"';
  out.append(text, written.ptr);
  if (quoted) out += '"';
}

// Most strings need no escape.
void append_string(std::string& out, std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x80 || c == '"' || c == '\\')
      return http::append_json_string(out, text);
  out += '"';
  out += text;
  out += '"';
}

// ---- text to wire -------------------------------------------------------------------------------------------------

class Writer {
 public:
  Writer(std::string_view json, std::string& out) : in_(json, kNestingMax), out_(out) {}

  bool whole(const MessagePlan& plan) { return message(plan) && in_.end(); }
  const std::string& error() const noexcept { return in_.error(); }

 private:
  bool wrong(const FieldPlan& field, std::string_view wanted) {
    return in_.fail("field " + field.descriptor->json_name() + " is " + std::string(wanted));
  }

  bool message(const MessagePlan& plan) {
    if (!in_.open('{')) return false;
    bool first = true, there = false;
    std::string name;
    std::vector<const pb::OneofDescriptor*> chosen;
    for (;;) {
      if (!in_.more('}', first, there)) return false;
      if (!there) return true;
      if (!in_.name(name)) return false;
      const auto found = plan.by_name.find(name);
      if (found == plan.by_name.end())
        return in_.fail(plan.descriptor->full_name() + " has no field '" + name + "'");
      const FieldPlan& field = plan.fields[found->second];
      if (in_.peek() == 'n') {  // null is as if it were not there
        if (!in_.literal("null")) return false;
        continue;
      }
      if (const auto* oneof = field.descriptor->containing_oneof()) {
        for (const auto* other : chosen)
          if (other == oneof) return in_.fail("more than one of " + oneof->full_name() + " is given");
        chosen.push_back(oneof);
      }
      if (!(field.repeated ? list(field) : single(field))) return false;
    }
  }

  bool single(const FieldPlan& field) {
    append_varint(out_, field.tag);
    return value(field);
  }

  bool list(const FieldPlan& field) {
    if (in_.peek() != '[') return wrong(field, "a list: expected '['");
    if (!in_.open('[')) return false;
    bool first = true, there = false;
    size_t begin = 0;
    if (field.packed) begin = begin_sized(field);
    for (;;) {
      if (!in_.more(']', first, there)) return false;
      if (!there) break;
      if (in_.peek() == 'n') return wrong(field, "a list, which cannot have null in it");
      if (!(field.packed ? value(field) : single(field))) return false;
    }
    if (field.packed) end_sized(begin);
    return true;
  }

  size_t begin_sized(const FieldPlan& field) {
    append_varint(out_, field.tag);
    return begin_size();
  }
  // One byte is left for the size, which most fit in.
  size_t begin_size() {
    out_ += '\0';
    return out_.size();
  }
  void end_sized(size_t begin) {
    const size_t size = out_.size() - begin;
    if (size < 0x80) {
      out_[begin - 1] = static_cast<char>(size);
      return;
    }
    std::string varint;
    append_varint(varint, size);
    out_.replace(begin - 1, 1, varint);
  }

  // The text of a number, which may also stand in quotes.
  bool number_text(const FieldPlan& field, std::string_view& text) {
    if (in_.peek() == '"') {
      if (!in_.string(scratch_)) return false;
      text = scratch_;
      return true;
    }
    const char next = in_.peek();
    if (next != '-' && (next < '0' || next > '9')) return wrong(field, "a number");
    return in_.number(text);
  }
  template <class T>
  bool integer(const FieldPlan& field, T& number) {
    std::string_view text;
    if (!number_text(field, text)) return false;
    if (to_integer(text, number)) return true;
    return wrong(field, std::string("a whole number from ") + std::to_string(std::numeric_limits<T>::min()) + " to " +
                            std::to_string(std::numeric_limits<T>::max()) + ", found '" + std::string(text.substr(0, 40)) + "'");
  }

  bool value(const FieldPlan& field) {
    switch (field.descriptor->type()) {
      case Field::TYPE_INT32: {
        int32_t number = 0;
        if (!integer(field, number)) return false;
        return append_varint(out_, static_cast<uint64_t>(int64_t{number})), true;
      }
      case Field::TYPE_INT64: {
        int64_t number = 0;
        if (!integer(field, number)) return false;
        return append_varint(out_, static_cast<uint64_t>(number)), true;
      }
      case Field::TYPE_UINT32: {
        uint32_t number = 0;
        if (!integer(field, number)) return false;
        return append_varint(out_, number), true;
      }
      case Field::TYPE_UINT64: {
        uint64_t number = 0;
        if (!integer(field, number)) return false;
        return append_varint(out_, number), true;
      }
      case Field::TYPE_SINT32: {
        int32_t number = 0;
        if (!integer(field, number)) return false;
        return append_varint(out_, Wire::ZigZagEncode32(number)), true;
      }
      case Field::TYPE_SINT64: {
        int64_t number = 0;
        if (!integer(field, number)) return false;
        return append_varint(out_, Wire::ZigZagEncode64(number)), true;
      }
      case Field::TYPE_FIXED32: {
        uint32_t number = 0;
        if (!integer(field, number)) return false;
        return append_fixed(out_, number), true;
      }
      case Field::TYPE_FIXED64: {
        uint64_t number = 0;
        if (!integer(field, number)) return false;
        return append_fixed(out_, number), true;
      }
      case Field::TYPE_SFIXED32: {
        int32_t number = 0;
        if (!integer(field, number)) return false;
        return append_fixed(out_, number), true;
      }
      case Field::TYPE_SFIXED64: {
        int64_t number = 0;
        if (!integer(field, number)) return false;
        return append_fixed(out_, number), true;
      }
      case Field::TYPE_FLOAT:
      case Field::TYPE_DOUBLE:
        return floating(field);
      case Field::TYPE_BOOL: {
        const char next = in_.peek();
        if (next != 't' && next != 'f') return wrong(field, "true or false");
        out_ += static_cast<char>(next == 't');
        return in_.literal(next == 't' ? "true" : "false");
      }
      case Field::TYPE_ENUM:
        return enumeration(field);
      case Field::TYPE_STRING:
        if (in_.peek() != '"') return wrong(field, "a string");
        if (!in_.string(scratch_)) return false;
        return append_sized(scratch_), true;
      case Field::TYPE_BYTES: {
        if (in_.peek() != '"') return wrong(field, "bytes, as a string in base64");
        if (!in_.string(scratch_)) return false;
        std::string bytes;
        if (!from_base64(scratch_, bytes)) return wrong(field, "bytes, as a string in base64, which this is not");
        return append_sized(bytes), true;
      }
      case Field::TYPE_MESSAGE: {
        if (in_.peek() != '{') return wrong(field, "an object");
        const size_t begin = begin_size();
        if (!message(*field.message)) return false;
        return end_sized(begin), true;
      }
      default:
        return wrong(field, "of a kind that has no JSON form");
    }
  }

  void append_sized(std::string_view bytes) {
    append_varint(out_, bytes.size());
    out_ += bytes;
  }

  bool floating(const FieldPlan& field) {
    std::string_view text;
    double number = 0;
    if (!number_text(field, text)) return false;
    if (!to_double(text, number)) return wrong(field, "a number within the range of a double, found '" + std::string(text.substr(0, 40)) + "'");
    if (field.descriptor->type() == Field::TYPE_DOUBLE) return append_fixed(out_, number), true;
    if (std::isfinite(number) && std::abs(number) > double{std::numeric_limits<float>::max()})
      return wrong(field, "a number within the range of a float");
    return append_fixed(out_, static_cast<float>(number)), true;
  }

  bool enumeration(const FieldPlan& field) {
    const auto* type = field.descriptor->enum_type();
    int32_t number = 0;
    if (in_.peek() == '"') {
      if (!in_.string(scratch_)) return false;
      const auto* found = type->FindValueByName(scratch_);
      if (found == nullptr && !to_integer(std::string_view(scratch_), number))
        return wrong(field, "one of " + type->full_name() + ", found '" + scratch_.substr(0, 40) + "'");
      if (found != nullptr) number = found->number();
    } else if (!integer(field, number)) {
      return false;
    }
    return append_varint(out_, static_cast<uint64_t>(int64_t{number})), true;
  }

  JsonReader in_;
  std::string& out_;
  std::string scratch_;
};

// ---- wire to text -------------------------------------------------------------------------------------------------

class Printer {
 public:
  explicit Printer(std::string& out) : out_(out) {}

  // A message stands twice, and its two parts are one: nothing that writes text in one go can do that.
  bool must_merge() const noexcept { return must_merge_; }

  // False: the bytes are no such message, nest too deeply, or must_merge().
  bool message(const MessagePlan& plan, std::string_view bytes, int depth = 0) {
    if (depth > kNestingMax) return false;
    // Where each field's last value lies; of a list, its first, and how many there are. JSON wants the values of a list together.
    struct Seen {
      uint32_t count = 0;
      uint32_t at = 0;
      uint32_t tag = 0;
    };
    constexpr size_t kFew = 16;
    std::array<Seen, kFew> few{};
    std::vector<Seen> many;
    Seen* seen = few.data();
    if (plan.fields.size() > kFew) {
      many.resize(plan.fields.size());
      seen = many.data();
    }
    pb::io::CodedInputStream in = stream(bytes);
    while (const uint32_t tag = in.ReadTag()) {
      const FieldPlan* field = plan.find(tag >> 3);
      const int before = in.CurrentPosition();
      if (field == nullptr || !fits(*field, tag)) {
        if (!skip(in, tag)) return false;
        continue;
      }
      Seen& its = seen[field - plan.fields.data()];
      if (its.count == 0 || !field->repeated) {
        its.at = static_cast<uint32_t>(before);
        its.tag = tag;
      }
      ++its.count;
      if (its.count == 2 && field->message != nullptr && !field->repeated) {
        must_merge_ = true;
        return false;
      }
      if (const auto* oneof = field->descriptor->real_containing_oneof())
        for (int i = 0; i < oneof->field_count(); ++i)
          if (const FieldPlan* other = plan.find(static_cast<uint32_t>(oneof->field(i)->number())); other != nullptr && other != field)
            seen[other - plan.fields.data()].count = 0;
      if (!skip(in, tag)) return false;
    }
    if (!in.ConsumedEntireMessage()) return false;
    out_ += '{';
    const char* comma = "";
    for (const FieldPlan& field : plan.fields) {
      const Seen& its = seen[&field - plan.fields.data()];
      if (its.count == 0 && !field.shown_when_unset) continue;
      out_ += comma;
      comma = ",";
      out_ += field.quoted_name;
      if (field.repeated) {
        if (!list(plan, field, bytes.substr(its.at), its.tag, its.count, depth)) return false;
      } else if (its.count == 0) {
        unset(field);
      } else {
        pb::io::CodedInputStream at = stream(bytes.substr(its.at));
        if (!value(field, at, depth)) return false;
      }
    }
    out_ += '}';
    return true;
  }

 private:
  static pb::io::CodedInputStream stream(std::string_view bytes) {
    return pb::io::CodedInputStream(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  }
  static Wire::WireType wire_type(const FieldPlan& field) {
    return Wire::WireTypeForFieldType(static_cast<Wire::FieldType>(field.descriptor->type()));
  }
  static bool fits(const FieldPlan& field, uint32_t tag) {
    const Wire::WireType type = Wire::GetTagWireType(tag);
    return type == wire_type(field) ||
           (field.repeated && field.descriptor->is_packable() && type == Wire::WIRETYPE_LENGTH_DELIMITED);
  }
  static bool skip(pb::io::CodedInputStream& in, uint32_t tag) { return Wire::SkipField(&in, tag); }

  // `bytes` begin behind the first one's tag.
  bool list(const MessagePlan& plan, const FieldPlan& field, std::string_view bytes, uint32_t tag, uint32_t count, int depth) {
    out_ += '[';
    const char* comma = "";
    const auto element = [&](pb::io::CodedInputStream& in) {
      out_ += comma;
      comma = ",";
      return value(field, in, depth);
    };
    pb::io::CodedInputStream in = stream(bytes);
    for (bool first = true; count != 0; first = false) {
      if (!first) {
        tag = in.ReadTag();
        if (tag == 0) return false;
        if (plan.find(tag >> 3) != &field || !fits(field, tag)) {
          if (!skip(in, tag)) return false;
          continue;
        }
      }
      --count;
      const bool packed = Wire::GetTagWireType(tag) != wire_type(field);
      if (!packed) {
        if (!element(in)) return false;
        continue;
      }
      uint32_t size = 0;
      if (!in.ReadVarint32(&size)) return false;
      const auto limit = in.PushLimit(static_cast<int>(size));
      while (in.BytesUntilLimit() > 0)
        if (!element(in)) return false;
      in.PopLimit(limit);
    }
    out_ += ']';
    return true;
  }

  void unset(const FieldPlan& field) {
    switch (field.descriptor->cpp_type()) {
      case Field::CPPTYPE_INT64:
      case Field::CPPTYPE_UINT64:
        out_ += "\"0\"";
        return;
      case Field::CPPTYPE_BOOL:
        out_ += "false";
        return;
      case Field::CPPTYPE_STRING:
        out_ += "\"\"";
        return;
      case Field::CPPTYPE_ENUM:
        return enumeration(field, 0);
      default:
        out_ += '0';
    }
  }

  void enumeration(const FieldPlan& field, int32_t number) {
    const auto* value = field.descriptor->enum_type()->FindValueByNumber(number);
    if (value == nullptr) return append_integer(out_, number, false);
    out_ += '"';
    out_ += value->name();
    out_ += '"';
  }

  template <class T, Wire::FieldType kType>
  bool read(pb::io::CodedInputStream& in, T& number) {
    return Wire::ReadPrimitive<T, kType>(&in, &number);
  }
  template <class T, Wire::FieldType kType>
  bool integer(pb::io::CodedInputStream& in) {
    T number{};
    if (!read<T, kType>(in, number)) return false;
    append_integer(out_, number, sizeof(T) == 8);
    return true;
  }

  bool value(const FieldPlan& field, pb::io::CodedInputStream& in, int depth) {
    switch (field.descriptor->type()) {
      case Field::TYPE_INT32: return integer<int32_t, Wire::TYPE_INT32>(in);
      case Field::TYPE_INT64: return integer<int64_t, Wire::TYPE_INT64>(in);
      case Field::TYPE_UINT32: return integer<uint32_t, Wire::TYPE_UINT32>(in);
      case Field::TYPE_UINT64: return integer<uint64_t, Wire::TYPE_UINT64>(in);
      case Field::TYPE_SINT32: return integer<int32_t, Wire::TYPE_SINT32>(in);
      case Field::TYPE_SINT64: return integer<int64_t, Wire::TYPE_SINT64>(in);
      case Field::TYPE_FIXED32: return integer<uint32_t, Wire::TYPE_FIXED32>(in);
      case Field::TYPE_FIXED64: return integer<uint64_t, Wire::TYPE_FIXED64>(in);
      case Field::TYPE_SFIXED32: return integer<int32_t, Wire::TYPE_SFIXED32>(in);
      case Field::TYPE_SFIXED64: return integer<int64_t, Wire::TYPE_SFIXED64>(in);
      case Field::TYPE_FLOAT: {
        float number = 0;
        if (!read<float, Wire::TYPE_FLOAT>(in, number)) return false;
        append_json_number(out_, double{number}, true);
        return true;
      }
      case Field::TYPE_DOUBLE: {
        double number = 0;
        if (!read<double, Wire::TYPE_DOUBLE>(in, number)) return false;
        append_json_number(out_, number, false);
        return true;
      }
      case Field::TYPE_BOOL: {
        bool flag = false;
        if (!read<bool, Wire::TYPE_BOOL>(in, flag)) return false;
        out_ += flag ? "true" : "false";
        return true;
      }
      case Field::TYPE_ENUM: {
        int number = 0;
        if (!read<int, Wire::TYPE_ENUM>(in, number)) return false;
        enumeration(field, number);
        return true;
      }
      case Field::TYPE_STRING:
      case Field::TYPE_BYTES:
      case Field::TYPE_MESSAGE: {
        uint32_t size = 0;
        const void* data = nullptr;
        int room = 0;
        if (!in.ReadVarint32(&size)) return false;
        if (size != 0 && (!in.GetDirectBufferPointer(&data, &room) || static_cast<uint32_t>(room) < size)) return false;
        const std::string_view bytes(static_cast<const char*>(data), size);
        if (field.message != nullptr) {
          if (!message(*field.message, bytes, depth + 1)) return false;
        } else if (field.descriptor->type() == Field::TYPE_STRING) {
          append_string(out_, bytes);
        } else {
          out_ += '"';
          append_base64(out_, bytes);
          out_ += '"';
        }
        return in.Skip(static_cast<int>(size));
      }
      default:
        return false;
    }
  }

  std::string& out_;
  bool must_merge_ = false;
};

bool is_direct(const pb::Descriptor& message) {
  return message.file()->syntax() == pb::FileDescriptor::SYNTAX_PROTO3 && message.extension_range_count() == 0 &&
         !message.full_name().starts_with("google.protobuf.");
}

}  // namespace

bool from_base64(std::string_view text, std::string& out) {
  size_t padding = 0;
  while (padding < 2 && !text.empty() && text.back() == '=') text.remove_suffix(1), ++padding;
  if (text.size() % 4 == 1 || (padding != 0 && (text.size() + padding) % 4 != 0)) return false;
  out.clear();
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    const int value = kBase64[static_cast<unsigned char>(c)];
    if (value < 0) return false;
    bits = bits << 6 | static_cast<unsigned>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xFFu);
    }
  }
  return true;
}

void append_base64(std::string& out, std::string_view bytes) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    unsigned bits = 0;
    for (size_t j = 0; j < 3; ++j)
      bits = bits << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) out += i + j <= bytes.size() ? kLetters[bits >> (18 - 6 * j) & 63u] : '=';
  }
}

const FieldPlan* MessagePlan::find(uint32_t number) const noexcept {
  if (number < by_number.size()) return by_number[number] != 0 ? &fields[by_number[number] - 1] : nullptr;
  for (const FieldPlan& field : fields)
    if (static_cast<uint32_t>(field.descriptor->number()) == number) return &field;
  return nullptr;
}

JsonCodec::JsonCodec(const pb::DescriptorPool* pool)
    : resolver_(pb::util::NewTypeResolverForDescriptorPool(std::string(kUrlPrefix), pool)) {}
JsonCodec::~JsonCodec() = default;

const MessagePlan* JsonCodec::add(const pb::Descriptor* message) {
  std::unique_ptr<MessagePlan>& slot = plans_[message];
  if (slot != nullptr) return slot.get();
  slot = std::make_unique<MessagePlan>();
  MessagePlan& plan = *slot;
  plan.descriptor = message;
  plan.direct = is_direct(*message);
  constexpr int kTable = 64;
  plan.by_number.resize(kTable);
  for (int i = 0; i < message->field_count(); ++i) {
    const Field* from = message->field(i);
    FieldPlan field;
    field.descriptor = from;
    field.repeated = from->is_repeated();
    field.packed = from->is_packed();
    field.shown_when_unset = field.repeated || !from->has_presence();
    field.quoted_name = "\"" + from->json_name() + "\":";
    field.tag = Wire::MakeTag(from->number(), field.packed ? Wire::WIRETYPE_LENGTH_DELIMITED
                                                           : Wire::WireTypeForFieldType(static_cast<Wire::FieldType>(from->type())));
    if (from->is_map() || from->type() == Field::TYPE_GROUP) plan.direct = false;
    plan.by_name.emplace(from->json_name(), static_cast<uint32_t>(plan.fields.size()));
    plan.by_name.emplace(from->name(), static_cast<uint32_t>(plan.fields.size()));
    if (from->number() < kTable) plan.by_number[static_cast<size_t>(from->number())] = static_cast<uint32_t>(plan.fields.size() + 1);
    plan.fields.push_back(std::move(field));
  }
  for (FieldPlan& field : plan.fields)
    if (const auto* inner = field.descriptor->message_type()) field.message = add(inner);
  // A message is direct if all that it can contain is; the plans of a cycle are settled by going on until nothing changes.
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& [descriptor, each] : plans_)
      for (const FieldPlan& field : each->fields)
        if (each->direct && field.message != nullptr && !field.message->direct) {
          each->direct = false;
          changed = true;
        }
  }
  return &plan;
}

Result<> JsonCodec::to_binary(const MessagePlan& plan, std::string_view json, std::string& out) const {
  if (json.empty()) return {};
  if (!plan.direct) return to_binary_slow(plan, json, out);
  const size_t before = out.size();
  Writer writer(json, out);
  if (writer.whole(plan)) return {};
  out.resize(before);
  return fail(Code::invalid_argument, "the JSON is no " + plan.descriptor->full_name() + ": " + writer.error());
}

Result<> JsonCodec::to_json(const MessagePlan& plan, std::string_view binary, std::string& out) const {
  if (plan.direct && binary.size() < static_cast<size_t>(std::numeric_limits<int>::max())) {
    const size_t before = out.size();
    Printer printer(out);
    if (printer.message(plan, binary)) return {};
    out.resize(before);
    if (!printer.must_merge())
      return fail(Code::internal, "the answer is no " + plan.descriptor->full_name() + ", or nests deeper than " +
                                      std::to_string(kNestingMax));
  }
  return to_json_slow(plan, binary, out);
}

Result<> JsonCodec::to_binary_slow(const MessagePlan& plan, std::string_view json, std::string& out) const {
  std::string binary;
  const std::string text = json.empty() ? "{}" : std::string(json);
  const auto status = pb::util::JsonToBinaryString(resolver_.get(), std::string(kUrlPrefix) + "/" + plan.descriptor->full_name(),
                                                   text, &binary);
  if (!status.ok())
    return fail(Code::invalid_argument,
                "the JSON is no " + plan.descriptor->full_name() + ": " + std::string(status.message()));
  out += binary;
  return {};
}

Result<> JsonCodec::to_json_slow(const MessagePlan& plan, std::string_view binary, std::string& out) const {
  pb::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = pb::util::BinaryToJsonString(resolver_.get(), std::string(kUrlPrefix) + "/" + plan.descriptor->full_name(),
                                                   std::string(binary), &json, options);
  if (!status.ok())
    return fail(Code::internal, "the answer is no " + plan.descriptor->full_name() + ": " + std::string(status.message()));
  out += json;
  return {};
}

}  // namespace orbit::rest
