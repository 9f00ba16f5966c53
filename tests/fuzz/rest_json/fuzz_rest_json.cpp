// SPDX-License-Identifier: MIT OR BSD-3-Clause
// JSON to protobuf bytes and back. Input: one byte says what the rest is (0: JSON, 1: the bytes of a message). What the codec takes,
// libprotobuf takes too, with the same meaning; what the codec writes, both read.
#include <google/protobuf/dynamic_message.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "codec_pool.hpp"

using namespace orbit::rest;
using namespace orbit::rest::test;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// libprotobuf reads -0 as the integer, which has no sign.
std::string without_negative_zeros(std::string text) {
  constexpr std::string_view kZero = ": -0\n";
  for (size_t at = 0; (at = text.find(kZero, at)) != std::string::npos;) {
    const size_t line = text.rfind('\n', at) + 1;  // npos + 1 is the beginning
    text.erase(line, at + kZero.size() - line);
    at = line == 0 ? 0 : line - 1;
  }
  return text;
}

struct World {
  Pool pool;
  google::protobuf::DynamicMessageFactory factory;

  // In one order of fields, so that equal messages are equal bytes.
  std::string canonical(const std::string& bytes) {
    std::unique_ptr<google::protobuf::Message> message(factory.GetPrototype(pool.all->descriptor)->New());
    require(message->ParseFromString(bytes));
    message->DiscardUnknownFields();
    return message->DebugString();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  if (size == 0) return 0;
  const std::string input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const JsonCodec& codec = *world.pool.codec;
  const MessagePlan& plan = *world.pool.all;
  std::string bytes;
  if ((data[0] & 1u) == 0) {
    if (!codec.to_binary(plan, input, bytes)) return 0;
    std::string theirs;
    // Where libprotobuf is stricter or has a bug of its own (numbers at the edge of a float), ours only has to be a message.
    if (codec.to_binary_slow(plan, input, theirs))
      require(without_negative_zeros(world.canonical(bytes)) == without_negative_zeros(world.canonical(theirs)));
  } else {
    std::unique_ptr<google::protobuf::Message> message(world.factory.GetPrototype(plan.descriptor)->New());
    if (!message->ParseFromString(input)) return 0;
    bytes = input;
  }
  std::string json;
  if (!codec.to_json(plan, bytes, json)) return 0;  // nested too deeply for JSON
  std::string again;
  if (!codec.to_binary(plan, json, again)) return 0;  // strings that were no UTF-8
  std::string json_again;
  require(codec.to_json(plan, again, json_again).has_value());
  // The order of an object's members means nothing, and depends on which way a message was written.
  std::string last;
  require(codec.to_binary(plan, json_again, last).has_value());
  require(world.canonical(again) == world.canonical(last));
  return 0;
}
