// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Protobuf's JSON mapping (https://protobuf.dev/programming-guides/json/) straight between text and wire form, without message
// objects. For messages that are made of scalars, strings, bytes, enums, other such messages and lists of these; for the others
// (maps, google.protobuf.*, groups, proto2) it hands over to libprotobuf, which does all of it several times slower.
#pragma once

#include <google/protobuf/descriptor.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "orbit/result.hpp"

namespace google::protobuf::util {
class TypeResolver;
}

namespace orbit::rest {

// How deep JSON may nest; deeper is an error that says so.
inline constexpr int kNestingMax = 100;

// Either alphabet (RFC 4648), padded or not. False: it is neither.
bool from_base64(std::string_view text, std::string& out);
void append_base64(std::string& out, std::string_view bytes);

struct MessagePlan;

struct FieldPlan {
  const google::protobuf::FieldDescriptor* descriptor = nullptr;
  const MessagePlan* message = nullptr;  // of a message field
  std::string quoted_name;               // "\"jsonName\":"
  uint32_t tag = 0;                      // as it is written
  bool repeated = false;
  bool packed = false;
  bool shown_when_unset = false;         // no presence: its default is written
};

struct MessagePlan {
  const google::protobuf::Descriptor* descriptor = nullptr;
  bool direct = true;  // this codec reads and writes it
  std::vector<FieldPlan> fields;
  std::unordered_map<std::string_view, uint32_t> by_name;  // JSON name and .proto name
  std::vector<uint32_t> by_number;                         // number -> index + 1, for small numbers
  const FieldPlan* find(uint32_t number) const noexcept;
};

// The plans of one descriptor pool. Made whole in the constructor; used from any thread afterwards. Made by whoever keeps the pool
// alive.
class JsonCodec {
 public:
  explicit JsonCodec(const google::protobuf::DescriptorPool* pool);
  ~JsonCodec();
  JsonCodec(const JsonCodec&) = delete;
  JsonCodec& operator=(const JsonCodec&) = delete;

  // Makes plans for a message and all it contains. [before use]
  const MessagePlan* add(const google::protobuf::Descriptor* message);

  // Empty text is {}. INVALID_ARGUMENT says what was found, what was expected and where. Appends.
  Result<> to_binary(const MessagePlan& plan, std::string_view json, std::string& out) const;
  // Fields without presence are written with their defaults too. INTERNAL when the bytes are no such message. Appends.
  Result<> to_json(const MessagePlan& plan, std::string_view binary, std::string& out) const;

  // The same by libprotobuf alone.
  Result<> to_binary_slow(const MessagePlan& plan, std::string_view json, std::string& out) const;
  Result<> to_json_slow(const MessagePlan& plan, std::string_view binary, std::string& out) const;

 private:
  std::map<const google::protobuf::Descriptor*, std::unique_ptr<MessagePlan>> plans_;
  std::unique_ptr<google::protobuf::util::TypeResolver> resolver_;
};

}  // namespace orbit::rest
