// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The client's plain calls on a server that others wrote. It ignores conditions, so the engine must refuse it.
// (Listings in one page only: its continuation tokens fail on the Node of today.)
#include <doctest/doctest.h>

#include <cstdlib>

#include "client.hpp"
#include "engine.hpp"

using namespace orbit;
using namespace orbit::s3;

namespace {

ClientOptions options() {
  const char* const endpoint = std::getenv("ORBIT_S3_ENDPOINT");
  REQUIRE_MESSAGE(endpoint != nullptr, "run this with npm/s3rver_run.js");
  ClientOptions out;
  out.endpoint = endpoint;
  out.region = "us-east-1";
  out.bucket = "bucket";
  out.prefix = "a/prefix/";
  out.path_style = true;
  out.part_bytes = 5 << 20;
  out.retry_first_ms = 1;
  out.credentials = credentials_from_environment;
  return out;
}

}  // namespace

TEST_CASE("plain calls do on another server what they do on ours") {
  Client client(options());
  CHECK(!client.get("a"));
  REQUIRE(client.put("a", "hello, world", {}));
  CHECK(client.get("a")->bytes == "hello, world");
  CHECK(*client.get_range("a", 7, 5) == "world");
  std::vector<std::string> expected;
  for (int i = 10; i < 21; ++i) {
    expected.push_back("list/" + std::to_string(i));
    client.put(expected.back(), "x", {});
  }
  std::vector<std::string> found;
  client.list("list/", "list/10", [&](const std::string& name, uint64_t size) {
    CHECK(size == 1);
    found.push_back(name);
  });
  expected.erase(expected.begin());
  CHECK(found == expected);
  std::string large(11 << 20, 'x');
  for (size_t i = 0; i < large.size(); i += 4096) large[i] = static_cast<char>('a' + i / 4096 % 26);
  client.upload("large", large);
  CHECK(client.get("large")->bytes == large);
  client.remove("a");
  client.remove("a");
  CHECK(!client.get("a"));
  CHECK(client.stats().retries == 0);
}

TEST_CASE("a server that ignores conditions is refused, and the error says why") {
  const auto engine = Engine::open(std::make_shared<Client>(options()), {});
  REQUIRE(!engine);
  CHECK(engine.error().code == Code::failed_precondition);
  CHECK_MESSAGE(engine.error().message.find("If-None-Match was not met") != std::string::npos, engine.error().message);
}
