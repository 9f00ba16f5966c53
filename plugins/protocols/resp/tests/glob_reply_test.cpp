// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <cmath>

#include "glob.hpp"
#include "numbers.hpp"
#include "reply.hpp"

namespace orbit::resp::testing {
namespace {

TEST_CASE("patterns match as in Redis") {
  CHECK(glob_match("*", ""));
  CHECK(glob_match("h?llo", "hello"));
  CHECK(!glob_match("h?llo", "hllo"));
  CHECK(glob_match("h*llo", "heeeello"));
  CHECK(glob_match("h[ae]llo", "hallo"));
  CHECK(!glob_match("h[^e]llo", "hello"));
  CHECK(glob_match("h[a-c]llo", "hbllo"));
  CHECK(glob_match("h[c-a]llo", "hbllo"));
  CHECK(glob_match("\\*", "*"));
  CHECK(!glob_match("\\*", "a"));
  CHECK(glob_match("[\\]]", "]"));
  CHECK(glob_match("a**b", "ab"));
  CHECK(!glob_match("a", "ab"));
  CHECK(glob_match("[a", "a"));
}

TEST_CASE("a pattern of many stars takes no exponential time") {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  CHECK(!glob_match(pattern + "b", std::string(5000, 'a')));
}

std::string written(int protocol, void (*write)(Reply&)) {
  MemoryReplyBuffer buffer;
  Reply reply(buffer, protocol);
  write(reply);
  return std::string(buffer.view());
}

TEST_CASE("replies have the form of their protocol version") {
  const auto all = [](Reply& reply) {
    reply.ok();
    reply.integer(-12);
    reply.integer(INT64_MIN);
    reply.bulk("");
    reply.null();
    reply.null_array();
    reply.map(1);
    reply.set(12);
    reply.push(123);
    reply.number(3.1);
    reply.number(17);
    reply.number(-INFINITY);
    reply.boolean(true);
    reply.verbatim("txt", "a");
    reply.error("ERR a\r\nb");
  };
  CHECK(written(2, all) ==
        "+OK\r\n:-12\r\n:-9223372036854775808\r\n$0\r\n\r\n$-1\r\n*-1\r\n*2\r\n*12\r\n*123\r\n$18\r\n3."
        "1000000000000001\r\n"
        "$2\r\n17\r\n$4\r\n-inf\r\n:1\r\n$1\r\na\r\n-ERR a  b\r\n");
  CHECK(written(3, all) ==
        "+OK\r\n:-12\r\n:-9223372036854775808\r\n$0\r\n\r\n_\r\n_\r\n%1\r\n~12\r\n>123\r\n,3.1000000000000001\r\n"
        ",17\r\n,-inf\r\n#t\r\n=5\r\ntxt:a\r\n-ERR a  b\r\n");
}

TEST_CASE("long bulk strings keep every byte") {
  MemoryReplyBuffer buffer;
  Reply reply(buffer);
  const std::string bytes(100'000, 'q');
  reply.bulk(bytes);
  CHECK(buffer.view() == "$100000\r\n" + bytes + "\r\n");
}

TEST_CASE("whole numbers are read strictly") {
  int64_t value = 0;
  CHECK(parse_integer("-9223372036854775808", value));
  CHECK(value == INT64_MIN);
  CHECK(parse_integer("9223372036854775807", value));
  for (const char* bad :
       {"", "-", "+1", "01", "-0", " 1", "1 ", "9223372036854775808", "18446744073709551617", "1e3"}) {
    CAPTURE(bad);
    CHECK(!parse_integer(bad, value));
  }
}

}  // namespace
}  // namespace orbit::resp::testing
