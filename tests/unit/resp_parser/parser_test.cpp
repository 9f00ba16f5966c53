// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "parser.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

using orbit::resp::ParserLimits;
using orbit::resp::RequestParser;
using Status = RequestParser::Status;

namespace {

using Commands = std::vector<std::vector<std::string>>;

struct Outcome {
  Commands commands;
  std::string error;
  bool incomplete = false;
  bool operator==(const Outcome&) const = default;
};

// Feeds `input` in pieces that end at `cuts`, each time at a fresh address so that stale pointers are seen by sanitizers.
Outcome feed(std::string_view input, std::vector<size_t> cuts, const ParserLimits& limits = {}, bool authenticated = true) {
  RequestParser parser(limits);
  Outcome out;
  size_t consumed = 0;
  cuts.push_back(input.size());
  for (const size_t cut : cuts) {
    const size_t size = cut - consumed;
    const std::unique_ptr<char[]> bytes(new char[size]);
    if (size != 0) input.copy(bytes.get(), size, consumed);
    size_t at = 0;
    for (;;) {
      const Status status = parser.parse(bytes.get() + at, size - at, authenticated);
      if (status == Status::kIncomplete) break;
      if (status == Status::kError) {
        out.error = parser.error();
        return out;
      }
      out.commands.emplace_back(parser.args().begin(), parser.args().end());
      REQUIRE(parser.consumed() > 0);
      at += parser.consumed();
    }
    consumed += at;
  }
  out.incomplete = consumed != input.size();
  return out;
}

// Whole, split in two at every place, and byte by byte: always the same.
Outcome feed_all_ways(std::string_view input, const ParserLimits& limits = {}, bool authenticated = true) {
  const Outcome whole = feed(input, {}, limits, authenticated);
  std::vector<size_t> every;
  for (size_t cut = 1; cut < input.size(); ++cut) {
    CAPTURE(cut);
    CHECK(feed(input, {cut}, limits, authenticated) == whole);
    every.push_back(cut);
  }
  CHECK(feed(input, every, limits, authenticated) == whole);
  if (input.size() < 80) {
    for (size_t first = 1; first < input.size(); ++first) {
      for (size_t second = first; second < input.size(); ++second) {
        CHECK(feed(input, {first, second}, limits, authenticated) == whole);
      }
    }
  }
  return whole;
}

Commands commands(std::string_view input) {
  const Outcome out = feed_all_ways(input);
  CHECK(out.error == "");
  CHECK_FALSE(out.incomplete);
  return out.commands;
}

std::string error(std::string_view input, const ParserLimits& limits = {}, bool authenticated = true) {
  return feed_all_ways(input, limits, authenticated).error;
}

std::string array_of(const std::vector<std::string>& args) {
  std::string out = "*" + std::to_string(args.size()) + "\r\n";
  for (const auto& arg : args) out += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  return out;
}

}  // namespace

TEST_CASE("an array of bulk strings is a command, however it is split") {
  CHECK(commands("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nbc\r\n") == Commands{{"SET", "k", "a\r\nbc"}});
  CHECK(commands("*1\r\n$0\r\n\r\n") == Commands{{""}});
}

TEST_CASE("pipelined commands of both forms come out in order") {
  CHECK(commands("*1\r\n$4\r\nPING\r\nECHO hi\r\n\r\n*2\r\n$3\r\nGET\r\n$1\r\nx\r\nQUIT\n") ==
        Commands{{"PING"}, {"ECHO", "hi"}, {}, {"GET", "x"}, {"QUIT"}});
}

TEST_CASE("an empty or negative array is nothing to do") {
  CHECK(commands("*0\r\n*-1\r\nPING\r\n") == Commands{{}, {}, {"PING"}});
  CHECK(commands("*-10\r\n") == Commands{{}});
}

TEST_CASE("more arguments than the fixed array holds are kept too") {
  std::vector<std::string> args;
  for (int i = 0; i < 60; ++i) args.push_back("argument-" + std::to_string(i));
  const std::string twice = array_of(args) + array_of({"PING"}) + array_of(args);
  CHECK(commands(twice) == Commands{args, {"PING"}, args});
}

TEST_CASE("inline commands are split and unquoted as redis-server does") {
  CHECK(commands("  SET  a\t\"b c\\n\\x41\\\"\\q\"   'd\\'e\\n' \r\n") == Commands{{"SET", "a", "b c\nA\"q", "d'e\\n"}});
  CHECK(commands("GET \"\"\r\n") == Commands{{"GET", ""}});
  CHECK(commands("foo\"bar\" x\r\n") == Commands{{"foobar", "x"}});
  CHECK(commands("GET \"\\xZZ\"\r\n") == Commands{{"GET", "xZZ"}});
}

TEST_CASE("unbalanced quotes end the connection") {
  for (const char* line : {"GET \"a\r\n", "GET 'a\r\n", "GET \"a\"b\r\n", "GET 'a'b\r\n", "GET \"a\\\"\r\n"}) {
    CAPTURE(line);
    CHECK(error(line) == "Protocol error: unbalanced quotes in request");
  }
}

TEST_CASE("lengths that are no numbers, or beyond the bounds, are refused in redis-server's words") {
  for (const char* count : {"x", "", "1x", "+1", " 1", "01", "-0", "1048577", "99999999999999999999"}) {
    CAPTURE(count);
    CHECK(error("*" + std::string(count) + "\r\n") == "Protocol error: invalid multibulk length");
  }
  for (const char* length : {"x", "", "1x", "+1", "-1", "01", "536870913", "99999999999999999999"}) {
    CAPTURE(length);
    CHECK(error("*1\r\n$" + std::string(length) + "\r\n") == "Protocol error: invalid bulk length");
  }
  CHECK(error("*2\r\n$4\r\nPING\r\n:1\r\n") == "Protocol error: expected '$', got ':'");
  CHECK(error("*1\r\nPING\r\n") == "Protocol error: expected '$', got 'P'");
}

TEST_CASE("lengths at the bounds are accepted") {
  ParserLimits limits;
  limits.bulk_bytes_max = 5;
  limits.args_max = 2;
  CHECK(feed_all_ways("*2\r\n$5\r\n12345\r\n$0\r\n\r\n", limits).commands == Commands{{"12345", ""}});
  CHECK(error("*3\r\n", limits) == "Protocol error: invalid multibulk length");
  CHECK(error("*1\r\n$6\r\n", limits) == "Protocol error: invalid bulk length");
}

TEST_CASE("a line that never ends is refused at its bound") {
  ParserLimits limits;
  limits.line_bytes_max = 40;
  CHECK(error(std::string(100, 'a'), limits) == "Protocol error: too big inline request");
  CHECK(error(std::string(100, 'a') + "\r\n", limits) == "Protocol error: too big inline request");
  CHECK(error("*" + std::string(100, '1'), limits) == "Protocol error: too big mbulk count string");
  CHECK(error("*1\r\n$" + std::string(100, '1'), limits) == "Protocol error: too big bulk count string");
  CHECK(feed_all_ways(std::string(38, 'a') + "\r\n", limits).commands.size() == 1);
}

TEST_CASE("who has not authenticated may send little") {
  CHECK(error("*11\r\n", {}, false) == "Protocol error: unauthenticated multibulk length");
  CHECK(error("*1\r\n$16385\r\n", {}, false) == "Protocol error: unauthenticated bulk length");
  CHECK(feed_all_ways("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n", {}, false).commands == Commands{{"AUTH", "x"}});
}

TEST_CASE("every proper prefix of a request is incomplete, not wrong") {
  const std::string request = array_of({"SET", "key", std::string(300, 'v')});
  for (size_t size = 0; size < request.size(); ++size) {
    const Outcome out = feed(std::string_view(request).substr(0, size), {});
    CHECK(out.error == "");
    CHECK(out.commands.empty());
  }
}

TEST_CASE("a half-read request can be started over") {
  const ParserLimits limits;
  RequestParser parser(limits);
  const std::string request = array_of({"GET", "key"});
  CHECK(parser.parse(request.data(), request.size() - 1, true) == Status::kIncomplete);
  parser.reset();
  REQUIRE(parser.parse(request.data(), request.size(), true) == Status::kCommand);
  CHECK(parser.args()[1] == "key");
  CHECK(parser.consumed() == request.size());
}

TEST_CASE("an announced but missing million of arguments takes no memory") {
  const ParserLimits limits;
  RequestParser parser(limits);
  const std::string request = "*1048576\r\n$3\r\nDEL\r\n";
  CHECK(parser.parse(request.data(), request.size(), true) == Status::kIncomplete);
  CHECK(parser.memory_bytes() < 1024);
}
