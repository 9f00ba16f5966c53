// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "json_codec.hpp"

#include <doctest/doctest.h>
#include <google/protobuf/dynamic_message.h>

#include "codec_pool.hpp"

using namespace orbit;
using namespace orbit::rest;
using namespace orbit::rest::test;

namespace {

std::string binary(const Pool& pool, std::string_view json) {
  std::string out;
  const auto read = pool.codec->to_binary(*pool.all, json, out);
  CAPTURE(std::string(json));
  if (!read) FAIL(read.error().message);
  return out;
}
std::string text(const Pool& pool, std::string_view bytes) {
  std::string out;
  const auto printed = pool.codec->to_json(*pool.all, bytes, out);
  if (!printed) FAIL(printed.error().message);
  return out;
}
std::string refusal(const Pool& pool, std::string_view json) {
  std::string out = "before";
  const auto read = pool.codec->to_binary(*pool.all, json, out);
  CAPTURE(std::string(json));
  REQUIRE_FALSE(read);
  CHECK(out == "before");
  return read.error().message;
}

constexpr const char* kEverything =
    R"({"int32F":-2147483648,"int64F":"-9223372036854775808","uint32F":4294967295,"uint64F":"18446744073709551615","sint32F":-1,)"
    R"("sint64F":"-2","fixed32F":3,"fixed64F":"4","sfixed32F":-5,"sfixed64F":"-6","floatF":1.5,"doubleF":0.1,"boolF":true,)"
    R"("stringF":"\u00e4\ud83d\ude00\n\"\\/","bytesF":"AP8=","enumF":"NEGATIVE","self":{"int32F":7,"selves":[{},{"a":"x"}]},)"
    R"("ints":["1","-2"],"loose":[3,-4],"texts":["","b"],"selves":[{"b":5}],"a":"chosen","maybe":0,"doubles":["NaN","-Infinity",2],)"
    R"("colours":["RED","NONE",9]})";

}  // namespace

TEST_CASE("the codec reads and writes every kind of field as libprotobuf does") {
  const Pool pool;
  REQUIRE(pool.all->direct);
  const std::string bytes = binary(pool, kEverything);
  std::string slow;
  REQUIRE(pool.codec->to_binary_slow(*pool.all, kEverything, slow));
  google::protobuf::DynamicMessageFactory factory;
  const auto parse = [&](const std::string& from) {
    std::unique_ptr<google::protobuf::Message> message(factory.GetPrototype(pool.all->descriptor)->New());
    REQUIRE(message->ParseFromString(from));
    return message->DebugString();
  };
  CHECK(parse(bytes) == parse(slow));
  const std::string json = text(pool, bytes);
  CHECK(parse(binary(pool, json)) == parse(slow));
  std::string back;
  REQUIRE(pool.codec->to_binary_slow(*pool.all, json, back));
  CHECK(parse(back) == parse(slow));
}

TEST_CASE("numbers may be written in other ways that mean the same") {
  const Pool pool;
  for (const char* json : {R"({"int32F":5})", R"({"int32F":"5"})", R"({"int32F":5.0})", R"({"int32F":50e-1})", R"({"int32_f":5})"})
    CHECK(binary(pool, json) == binary(pool, R"({"int32F":5})"));
  CHECK(binary(pool, R"({"bytesF":"-_8"})") == binary(pool, R"({"bytesF":"+/8="})"));
  CHECK(binary(pool, R"({"enumF":1})") == binary(pool, R"({"enumF":"RED"})"));
  CHECK(binary(pool, R"({"int32F":null,"self":null,"ints":null})").empty());
  CHECK(binary(pool, "").empty());
  CHECK(binary(pool, " { } ").empty());
}

TEST_CASE("fields without presence are written with their defaults, others only when they are set") {
  const Pool pool;
  const std::string json = text(pool, "");
  for (const char* there : {R"("int32F":0)", R"("int64F":"0")", R"("boolF":false)", R"("stringF":"")", R"("enumF":"NONE")", R"("ints":[])"})
    CHECK(json.find(there) != std::string::npos);
  for (const char* absent : {"\"self\"", "\"a\"", "\"b\"", "\"maybe\""}) CHECK(json.find(absent) == std::string::npos);
}

TEST_CASE("lists are read packed or not, in pieces, and the last of a oneof counts") {
  const Pool pool;
  const std::string packed = binary(pool, R"({"ints":[1,2]})"), more = binary(pool, R"({"ints":[3]})");
  const std::string unpacked("\x90\x01\x07", 3);  // field 18, varint 7
  CHECK(text(pool, packed + binary(pool, R"({"int32F":1})") + unpacked + more).find(R"("ints":["1","2","7","3"])") != std::string::npos);
  const std::string both = text(pool, binary(pool, R"({"a":"x"})") + binary(pool, R"({"b":1})"));
  CHECK(both.find("\"a\"") == std::string::npos);
  CHECK(both.find("\"b\":1") != std::string::npos);
}

TEST_CASE("a message that stands twice is merged, and unknown fields are left out") {
  const Pool pool;
  const std::string merged = text(pool, binary(pool, R"({"self":{"int32F":1}})") + binary(pool, R"({"self":{"stringF":"x"}})"));
  CHECK(merged.find(R"("self":{"int32F":1)") != std::string::npos);
  CHECK(merged.find(R"("stringF":"x")") != std::string::npos);
  const std::string unknown("\xd2\x0f\x01z", 4);  // field 250, one byte
  CHECK(text(pool, unknown) == text(pool, ""));
}

TEST_CASE("what is wrong is said with its place") {
  const Pool pool;
  CHECK(refusal(pool, R"({"int32F":2147483648})").find("from -2147483648 to 2147483647, found '2147483648'") != std::string::npos);
  CHECK(refusal(pool, R"({"uint32F":-1})").find("from 0 to 4294967295") != std::string::npos);
  CHECK(refusal(pool, R"({"int64F":9007199254740993.0})").find("whole number") != std::string::npos);
  CHECK(refusal(pool, R"({"nope":1})").find("codec.All has no field 'nope'") != std::string::npos);
  CHECK(refusal(pool, R"({"self":{"self":{"boolF":1}}})").find(": field boolF is true or false") != std::string::npos);
  CHECK(refusal(pool, R"({"doubleF":"inf"})").find("double") != std::string::npos);
  CHECK(refusal(pool, R"({"floatF":1e39})").find("float") != std::string::npos);
  CHECK(refusal(pool, "{\"stringF\":\"\xff\"}").find("not UTF-8") != std::string::npos);
  std::string deep = "{\"self\":";
  for (int i = 0; i < 200; ++i) deep += "{\"self\":";
  CHECK(refusal(pool, deep).find("nested deeper than 100") != std::string::npos);
}

TEST_CASE("bytes that are no message are an error, however deep they nest") {
  const Pool pool;
  std::string out;
  for (const std::string& bytes : {std::string("\x08"), std::string("\x72\x05x"), std::string("\x00\x01", 2), std::string("\x0c")})
    CHECK_FALSE(pool.codec->to_json(*pool.all, bytes, out));
  std::string deep;
  for (int i = 0; i < 5000; ++i) {
    std::string size;
    for (size_t left = deep.size(); ; left >>= 7) {
      size += static_cast<char>(left >= 0x80 ? (left & 0x7f) | 0x80 : left);
      if (left < 0x80) break;
    }
    deep = "\x8a\x01" + size + deep;
  }
  CHECK_FALSE(pool.codec->to_json(*pool.all, deep, out));
}

TEST_CASE("maps go through libprotobuf") {
  const Pool pool;
  CHECK_FALSE(pool.maps->direct);
  std::string bytes, json;
  REQUIRE(pool.codec->to_binary(*pool.maps, R"({"byName":{"x":1}})", bytes));
  REQUIRE(pool.codec->to_json(*pool.maps, bytes, json));
  CHECK(json == R"({"byName":{"x":1}})");
}
