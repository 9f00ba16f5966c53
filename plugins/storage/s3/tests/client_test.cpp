// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The client against the strict server of tests/support/s3_server.py, which CTest starts; signatures against Amazon's
// examples.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <random>
#include <set>

#include "client.hpp"
#include "engine.hpp"
#include "retry_after.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace orbit;
using namespace orbit::s3;

namespace {

std::string endpoint() {
  const char* const out = std::getenv("ORBIT_S3_ENDPOINT");
  REQUIRE_MESSAGE(out != nullptr, "run this with tests/support/s3_server.py --run");
  return out;
}

// A prefix of its own for each test case.
ClientOptions options() {
  static int number = 0;
  ClientOptions out;
  out.endpoint = endpoint();
  out.region = "us-east-1";
  out.bucket = "bucket";
  out.prefix = "test" + std::to_string(++number) + "/";
  out.path_style = true;
  out.retry_first_ms = 1;
  out.retry_pause_max_ms = 5;
  out.list_page = 3;
  out.part_bytes = 5 << 20;
  out.credentials = credentials_from_environment;
  return out;
}

std::string control(const std::string& json) {
  HttpClient http({});
  std::string error;
  const auto answer = http.send({json.empty() ? "GET" : "POST", endpoint() + "/_control", {}, json, 8 << 20}, error);
  REQUIRE_MESSAGE(answer.has_value(), error);
  REQUIRE(answer->status == 200);
  return answer->body;
}
void fault(const std::string& match, const std::string& action, int count = 1, int after = 0,
           const std::string& headers = "{}") {
  control("{\"faults\": [{\"match\": \"" + match + "\", \"action\": \"" + action +
          "\", \"count\": " + std::to_string(count) + ", \"after\": " + std::to_string(after) +
          ", \"headers\": " + headers + "}]}");
}

// A client's pauses, which take no time but pass on its clock.
struct Pauses {
  std::vector<uint64_t> found;
  std::vector<uint64_t> bounds;  // of the random parts
  std::chrono::steady_clock::time_point time{};

  void watch(ClientOptions& options, std::function<uint64_t(uint64_t bound)> random_below) {
    options.pacing.random_below = [this, random_below](uint64_t bound) {
      bounds.push_back(bound);
      return random_below(bound);
    };
    options.pacing.now = [this] { return time; };
    options.pacing.sleep = [this](uint64_t ms) {
      found.push_back(ms);
      time += std::chrono::milliseconds(ms);
    };
  }
};

// What the function fails with.
template <class F>
Error error_of(F&& function) {
  const auto result = guarded(std::forward<F>(function));
  REQUIRE(!result);
  return result.error();
}

std::vector<std::string> names_of(Client& client, const std::string& prefix, const std::string& after = "") {
  std::vector<std::string> out;
  client.list(prefix, after, [&](const std::string& name, uint64_t) { out.push_back(name); });
  return out;
}

}  // namespace

TEST_CASE("signatures are those of Amazon's examples") {
  const Credentials credentials{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", 0};
  const auto signature = [&](SigningInput input) {
    input.region = "us-east-1";
    input.now_s = 1369353600;  // 20130524T000000Z
    input.headers.emplace_back("host", "examplebucket.s3.amazonaws.com");
    for (const auto& [name, value] : sign(input, credentials))
      if (name == "authorization") return value.substr(value.rfind('=') + 1);
    return std::string();
  };
  SigningInput get{"GET", "/test.txt", "", {{"range", "bytes=0-9"}}, hex(sha256("")), "", 0};
  CHECK(signature(get) == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  SigningInput put{"PUT",
                   "/" + uri_encode("test$file.text", true),
                   "",
                   {{"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                   hex(sha256("Welcome to Amazon S3.")),
                   "",
                   0};
  CHECK(signature(put) == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  SigningInput list{"GET", "/", canonical_query({{"prefix", "J"}, {"max-keys", "2"}}), {}, hex(sha256("")), "", 0};
  CHECK(signature(list) == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST_CASE("objects are written if absent or unchanged, and read whole or in part") {
  Client client(options());
  CHECK(!client.get("a"));
  CHECK(!client.get_range("a", 0, 5));
  const auto etag = client.put("a", "hello", PutCondition::absent());
  REQUIRE(etag);
  CHECK(!client.put("a", "again", PutCondition::absent()));
  CHECK(!client.put("a", "again", PutCondition::match("\"0123456789abcdef0123456789abcdef\"")));
  CHECK(!client.put("b", "again", PutCondition::match(*etag)));
  CHECK(client.get("a")->bytes == "hello");
  CHECK(client.get("a")->etag == *etag);
  const auto second = client.put("a", "hello, world", PutCondition::match(*etag));
  REQUIRE(second);
  CHECK(*second != *etag);
  CHECK(*client.get_range("a", 7, 5) == "world");
  const Error error = error_of([&] { client.get_range("a", 100, 5); });
  CHECK(error.code == Code::data_loss);
  client.put("empty", "", {});
  CHECK(client.get("empty")->bytes.empty());
  client.remove("a");
  client.remove("a");
  CHECK(!client.get("a"));
}

TEST_CASE("listings come in pages, in order, from where they are asked for") {
  Client client(options());
  std::vector<std::string> expected;
  for (int i = 10; i < 20; ++i) {
    expected.push_back("wal/" + std::to_string(i));
    client.put(expected.back(), std::string(static_cast<size_t>(i), 'x'), {});
  }
  client.put("zoo", "", {});
  client.put("odd & <name>+%20/'1'", "x", {});
  CHECK(names_of(client, "wal/") == expected);
  CHECK(names_of(client, "wal/", "wal/15") == std::vector<std::string>(expected.begin() + 6, expected.end()));
  CHECK(names_of(client, "nothing/").empty());
  CHECK(names_of(client, "odd") == std::vector<std::string>{"odd & <name>+%20/'1'"});
  CHECK(client.get("odd & <name>+%20/'1'")->bytes == "x");
}

TEST_CASE(
    "large objects go in parts, also when parts fail and the last answer is lost; nothing is left of a failed one") {
  Client client(options());
  std::string bytes(17 << 20, 'x');
  for (size_t i = 0; i < bytes.size(); i += 4096) bytes[i] = static_cast<char>('a' + i / 4096 % 26);
  fault("PUT .*partNumber=2", "500", 2);
  fault("PUT .*partNumber=3", "lost");
  fault("POST .*uploadId=", "lost");
  client.upload("large", bytes);
  CHECK(client.get("large")->bytes == bytes);
  CHECK(control("").find("\"uploads\": []") != std::string::npos);

  fault("PUT .*partNumber=2", "500", 100);
  const Error error = error_of([&] { client.upload("never", bytes); });
  CHECK(error.code == Code::unavailable);
  CHECK_MESSAGE(error.message.find("HTTP 500 InternalError") != std::string::npos, error.message);
  CHECK(!client.get("never"));
  CHECK(control("{\"faults\": []}").find("\"uploads\": []") != std::string::npos);
}

TEST_CASE("what passes is tried again, and what does not is said: method, bucket, key, status, code and attempts") {
  ClientOptions few = options();
  few.attempts_max = 4;
  Client client(few);
  fault("PUT .*/a$", "503", 2);
  fault("PUT .*/a$", "500");
  REQUIRE(client.put("a", "1", {}));
  CHECK(client.stats().retries == 3);
  fault("GET .*/a$", "torn");
  fault("GET .*/a$", "drop");
  fault("GET .*/a$", "lost");
  CHECK(client.get("a")->bytes == "1");
  client.put("b", std::string(5000, 'b'), {});
  fault("GET .*/b$", "torn", 2);
  CHECK(*client.get_range("b", 100, 4000) == std::string(4000, 'b'));
  fault("GET .*list-type", "torn");
  CHECK(names_of(client, "") == std::vector<std::string>{"a", "b"});
  fault("PUT .*/c$", "409");
  REQUIRE(client.put("c", "1", PutCondition::absent()));
  // A lost answer: the second attempt finds the first one's object.
  fault("PUT .*/d$", "lost");
  CHECK(!client.put("d", "1", PutCondition::absent()));
  CHECK(client.get("d")->bytes == "1");

  fault("PUT .*/e$", "503", 100);
  const Error error = error_of([&] { client.put("e", "1", {}); });
  CHECK(error.code == Code::unavailable);
  CHECK_MESSAGE(error.message.find("PUT s3://bucket/" + few.prefix +
                                   "e: HTTP 503 SlowDown: please reduce your request rate, after 4 attempts") == 0,
                error.message);
  control("{\"faults\": []}");

  ClientOptions elsewhere = options();
  elsewhere.bucket = "nobodys";
  const Error no_bucket = error_of([&] { Client(elsewhere).get("a"); });
  CHECK(no_bucket.code == Code::failed_precondition);
  CHECK_MESSAGE(no_bucket.message.find("HTTP 404 NoSuchBucket") != std::string::npos, no_bucket.message);

  ClientOptions wrong = options();
  wrong.credentials = [] { return Credentials{"AKIDTESTS", "another secret", "", 0}; };
  const Error refused = error_of([&] { Client(wrong).put("a", "1", {}); });
  CHECK(refused.code == Code::permission_denied);
  CHECK_MESSAGE(refused.message.find("HTTP 403 SignatureDoesNotMatch") != std::string::npos, refused.message);
}

TEST_CASE("pauses between attempts are random below a bound that doubles, and differ from client to client") {
  constexpr int kAttempts = 12;
  constexpr uint64_t kFirst = 50;
  constexpr uint64_t kMost = 5'000;
  const auto pauses = [&](uint64_t seed, uint64_t timeout_ms) {
    ClientOptions mine = options();
    mine.attempts_max = kAttempts;
    mine.retry_first_ms = kFirst;
    mine.retry_pause_max_ms = kMost;
    mine.operation_timeout_ms = timeout_ms;
    std::mt19937_64 random(seed);
    Pauses pauses;
    pauses.watch(mine, [&](uint64_t bound) { return random() % bound; });
    Client client(mine);
    CHECK(error_of([&] { client.get("never"); }).code == Code::unavailable);
    return pauses.found;
  };
  fault("GET .*never", "503", 1 << 20);
  constexpr uint64_t kSeeds = 24;
  std::vector<uint64_t> longest(kAttempts - 1);
  std::set<std::vector<uint64_t>> different;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto found = pauses(seed, 1 << 30);
    REQUIRE(found.size() == kAttempts - 1);
    for (size_t i = 0; i < found.size(); ++i) {
      CHECK(found[i] >= 1);
      CHECK(found[i] <= std::min(kMost, kFirst << i));
      longest[i] = std::max(longest[i], found[i]);
    }
    different.insert(found);
  }
  CHECK(different.size() == kSeeds);
  CHECK(pauses(7, 1 << 30) == pauses(7, 1 << 30));
  // What is possible is used: of so many one is in the upper half, so that the pauses grow as their bounds do.
  for (size_t i = 0; i < longest.size(); ++i) CHECK(longest[i] > std::min(kMost, kFirst << i) / 2);

  // All of them together are no longer than the operation may take.
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    uint64_t sum = 0;
    for (const uint64_t pause : pauses(seed, 700)) sum += pause;
    CHECK(sum == 700);
  }
  control("{\"faults\": []}");
}

TEST_CASE("what an answer asks for is read in every form that is allowed, and nothing else is taken for it") {
  constexpr int64_t kNow = 784'111'777;  // Sun, 06 Nov 1994 08:49:37 GMT
  const auto asked = [](const std::string& retry_after, const std::string& date = "") {
    HttpAnswer answer{503, {{"retry-after", retry_after}}, ""};
    if (!date.empty()) answer.headers["date"] = date;
    return retry_after_ms(answer, kNow);
  };
  CHECK(asked("0") == 0);
  CHECK(asked("120") == 120'000);
  CHECK(asked("007") == 7'000);
  CHECK(asked("Sun, 06 Nov 1994 08:49:47 GMT") == 10'000);
  CHECK(asked("Sunday, 06-Nov-94 08:49:47 GMT") == 10'000);
  CHECK(asked("Sun Nov  6 08:49:47 1994") == 10'000);
  CHECK(asked("Sun, 06 Nov 1994 08:49:37 GMT") == 0);
  CHECK(asked("Sat, 05 Nov 1994 08:49:37 GMT") == 0);
  CHECK(asked("Thu, 01 Jan 1970 00:00:00 GMT") == 0);
  // Against the server's clock, whatever ours says; ours if the server's makes no sense.
  CHECK(asked("Mon, 30 Nov 2026 10:00:05 GMT", "Mon, 30 Nov 2026 10:00:00 GMT") == 5'000);
  CHECK(asked("Sun, 06 Nov 1994 08:49:47 GMT", "yesterday") == 10'000);
  CHECK(asked("Sun, 06 Nov 1994 08:49:47 GMT", "-1") == 10'000);

  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  CHECK(asked("18446744073709551") == 18'446'744'073'709'551'000u);
  CHECK(asked("18446744073709552") == kMost);
  CHECK(asked("18446744073709551615") == kMost);
  CHECK(asked("18446744073709551616") == kMost);
  CHECK(asked(std::string(10'000, '9')) == kMost);

  for (const char* wrong : {"", " ", "-1", "+1", "1.5", "1e3", "0x10", "1 2", "12, 13", "5s", "soon", "Sun", "GMT",
                            "10:00:00", "Sun, 99 Nov 1994 08:49:47 GMT", "06 Nov 1994 08:49:47 GMT", "\xff\xfe"})
    CHECK_MESSAGE(!asked(wrong), wrong);
  CHECK(!asked(std::string("1\0", 2)));
  CHECK(!retry_after_ms({503, {}, ""}, kNow));

  // Amazon's own header counts milliseconds and is the more exact one.
  CHECK(retry_after_ms({503, {{"x-amz-retry-after", "1500"}, {"retry-after", "9"}}, ""}, kNow) == 1'500);
  CHECK(retry_after_ms({503, {{"x-amz-retry-after", "-1500"}, {"retry-after", "9"}}, ""}, kNow) == 9'000);
  CHECK(retry_after_ms({503, {{"x-amz-retry-after", "1500"}}, ""}, kNow) == 1'500);
  CHECK(!retry_after_ms({503, {{"x-amz-retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"}}, ""}, kNow));
}

TEST_CASE("a store that asks to be left alone is, for a random while longer, and within the bounds") {
  constexpr uint64_t kFirst = 50;
  constexpr uint64_t kMost = 5'000;
  ClientOptions mine = options();
  mine.attempts_max = 5;
  mine.retry_first_ms = kFirst;
  mine.retry_pause_max_ms = kMost;
  Pauses pauses;
  std::function<uint64_t(uint64_t)> random_below = [](uint64_t) { return 0; };
  pauses.watch(mine, [&](uint64_t bound) { return random_below(bound); });
  // The pauses until an object was written in spite of so many answers with these headers.
  const auto wait = [&](const char* status, const std::string& headers, int count = 1) {
    pauses.found.clear();
    pauses.bounds.clear();
    fault("PUT .*/a$", status, count, 0, headers);
    REQUIRE(Client(mine).put("a", "1", {}));
    return pauses.found;
  };
  using List = std::vector<uint64_t>;
  const std::string date = R"("Date": "Mon, 30 Nov 2026 10:00:00 GMT", )";

  for (const char* status : {"429", "503", "500", "409"}) CHECK(wait(status, R"({"Retry-After": "2"})") == List{2'001});
  CHECK(wait("503", "{" + date + R"("Retry-After": "Mon, 30 Nov 2026 10:00:03 GMT"})") == List{3'001});
  CHECK(wait("503", R"({"x-amz-retry-after": "1500", "Retry-After": "2"})") == List{1'501});
  // One that asks for less than the usual pause, for nothing, or for what nobody understands, changes nothing.
  for (const char* none : {"0", "-3", " ", "soon", "1e9", "Thu, 01 Jan 1970 00:00:00 GMT"})
    CHECK(wait("503", std::string(R"({"Retry-After": ")") + none + R"("})", 3) == List{1, 1, 1});
  // The random part is the usual one, and only ever adds.
  random_below = [](uint64_t bound) { return bound - 1; };
  CHECK(wait("503", R"({"Retry-After": "1"})", 4) == List{1'050, 1'100, 1'200, 1'400});
  CHECK(pauses.bounds == List{50, 100, 200, 400});
  std::set<uint64_t> different;
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    std::mt19937_64 random(seed);
    random_below = [&](uint64_t bound) { return random() % bound; };
    const uint64_t pause = wait("503", R"({"Retry-After": "1"})").at(0);
    CAPTURE(seed);
    CHECK(pause > 1'000);
    CHECK(pause <= 1'000 + kFirst);
    different.insert(pause);
  }
  CHECK(different.size() > 8);
  // One answer's wish is not the next one's.
  random_below = [](uint64_t) { return 0; };
  fault("PUT .*/a$", "503", 1, 0, R"({"Retry-After": "3"})");
  CHECK(wait("503", "{}") == List{3'001, 1});

  // A wish beyond retry_pause_max_ms is followed for as long as that.
  for (const char* much : {"6", "3600", "18446744073709551616", "Fri, 31 Dec 9999 23:59:59 GMT"})
    CHECK(wait("503", std::string(R"({"Retry-After": ")") + much + R"("})", 2) == List{kMost + 1, kMost + 1});
  fault("GET .*/a$", "503", 1 << 20, 0, R"({"Retry-After": "3600"})");
  const Error tired = error_of([&] { Client(mine).get("a"); });
  CHECK(tired.code == Code::unavailable);
  CHECK_MESSAGE(tired.message.find("HTTP 503 SlowDown: please reduce your request rate, after 5 attempts in 20004 ms; the store "
                                   "asks for a pause of 3600000 ms, retry_pause_max_ms is 5000, and operation_timeout_ms = "
                                   "60000 leaves 39996 ms") != std::string::npos,
                tired.message);

  // Nobody waits for an attempt that could not be made in time.
  control("{\"faults\": []}");
  mine.operation_timeout_ms = 3'500;
  pauses.found.clear();
  fault("GET .*/a$", "503", 1 << 20, 0, R"({"Retry-After": "2"})");
  const Error late = error_of([&] { Client(mine).get("a"); });
  CHECK(pauses.found == List{2'001});
  CHECK(late.code == Code::unavailable);
  CHECK_MESSAGE(late.message.find("after 2 attempts in 2001 ms; the store asks for a pause of 2000 ms, retry_pause_max_ms is "
                                  "5000, and operation_timeout_ms = 3500 leaves 1499 ms") != std::string::npos,
                late.message);
  // What is left is enough for what was asked, though not for all of the random part.
  random_below = [](uint64_t bound) { return bound - 1; };
  mine.operation_timeout_ms = 2'010;
  pauses.found.clear();
  static_cast<void>(error_of([&] { Client(mine).get("a"); }));
  CHECK(pauses.found == List{2'010});
  control("{\"faults\": []}");
}

TEST_CASE("a server that is too slow, or not there, is an error within the time that was set") {
  ClientOptions hasty = options();
  hasty.attempts_max = 2;
  hasty.http.request_timeout_ms = 100;
  Client client(hasty);
  fault("GET .*/a$", "slow:1000", 2);
  const Error slow = error_of([&] { client.get("a"); });
  CHECK(slow.code == Code::unavailable);
  CHECK_MESSAGE(slow.message.find("after 2 attempts") != std::string::npos, slow.message);
  hasty.endpoint = "http://127.0.0.1:1";
  const Error nobody = error_of([&] { Client(hasty).get("a"); });
  CHECK(nobody.code == Code::unavailable);
  control("{\"faults\": []}");
}

TEST_CASE("a clock that is wrong is set by the server's") {
  control("{\"clock_offset_s\": 5000}");
  Client client(options());
  REQUIRE(client.put("a", "1", {}));
  CHECK(client.stats().retries == 1);
  control("{\"clock_offset_s\": 0}");
  REQUIRE(client.put("a", "2", {}));
}

TEST_CASE("encryption by the server is asked for with every object, and with the customer's key also to read") {
  ClientOptions with = options();
  with.encryption = Encryption::kms;
  with.kms_key = "key/one";
  Client(with).put("kms", "1", {});
  std::string large((5 << 20) + 5, 'x');
  Client(with).upload("kms-large", large);
  with.encryption = Encryption::s3;
  Client(with).put("s3", "1", {});
  const std::string known = control("");
  const auto headers_of = [&](const std::string& name) {
    const size_t at = known.find("\"" + with.prefix + name + "\"");
    return at == std::string::npos ? std::string() : known.substr(at, known.find("}}", at) - at);
  };
  for (const char* name : {"kms", "kms-large"}) {
    CHECK(headers_of(name).find("\"x-amz-server-side-encryption\": \"aws:kms\"") != std::string::npos);
    CHECK(headers_of(name).find("\"x-amz-server-side-encryption-aws-kms-key-id\": \"key/one\"") != std::string::npos);
  }
  CHECK(headers_of("s3").find("\"x-amz-server-side-encryption\": \"AES256\"") != std::string::npos);

  with.encryption = Encryption::customer;
  with.customer_key = std::string(32, 'k');
  Client client(with);
  client.put("own", "secret", {});
  client.upload("own-large", large);
  CHECK(client.get("own")->bytes == "secret");
  CHECK(*client.get_range("own-large", 5 << 20, 5) == "xxxxx");
  with.encryption = Encryption::none;
  CHECK(error_of([&] { Client(with).get("own"); }).message.find("HTTP 400 InvalidRequest") != std::string::npos);
  with.encryption = Encryption::customer;
  with.customer_key = std::string(32, 'l');
  CHECK(error_of([&] { Client(with).get("own"); }).code == Code::permission_denied);
  with.customer_key = "short";
  CHECK(error_of([&] { Client client_with_short_key(with); }).code == Code::invalid_argument);
}

TEST_CASE("credentials come from the instance's metadata, and new ones before or when the old expire") {
  HttpClient http({});
  ClientOptions with = options();
  int asked = 0;
  with.credentials = [&] {
    ++asked;
    return credentials_from_instance(http, endpoint());
  };
  Client client(with);
  REQUIRE(client.put("a", "1", {}));
  REQUIRE(client.put("a", "2", {}));
  CHECK(asked == 1);
  control("{\"expire\": \"all\"}");
  REQUIRE(client.put("a", "3", {}));
  CHECK(asked == 2);
  fault("GET .*/a$", "expired");
  CHECK(client.get("a")->bytes == "3");
  CHECK(asked == 3);

  CredentialCache cache([&] { return credentials_from_instance(http, endpoint()); });
  const Credentials first = cache.get(1'000);
  CHECK(first.expires_s > 1'000'000);
  CHECK(cache.get(first.expires_s - 301).access_key == first.access_key);
  // Shortly before the end new ones are asked for, and the old ones go on while there are none.
  CHECK(cache.get(first.expires_s - 299).access_key != first.access_key);

  bool broken = false;
  CredentialCache failing([&] {
    if (broken) raise(Code::unauthenticated, "no answer");
    return Credentials{"key", "secret", "", 1'000};
  });
  CHECK(failing.get(0).access_key == "key");
  broken = true;
  CHECK(failing.get(900).access_key == "key");
  CHECK(error_of([&] { failing.get(1'100); }).message == "no answer");

  const Error nobody = error_of([&] { credentials_from_instance(http, "http://127.0.0.1:1"); });
  CHECK(nobody.code == Code::unauthenticated);
  CHECK(error_of([&] { parse_role_credentials("{\"AccessKeyId\": 5}", "somewhere"); }).message.find("somewhere") !=
        std::string::npos);
}

TEST_CASE("credentials come from a file, and a changed file is read again when the old ones are refused") {
  const orbit::test::TemporaryFolder folder;
  const std::string path = folder.path + "/credentials";
  const auto write_file = [&](const std::string& key) {
    std::ofstream(path) << "# comment\n[default]\naws_access_key_id = "
                           "nobody\naws_secret_access_key=x\n\n[orbit]\r\naws_access_key_id = "
                        << key << "\r\n  aws_secret_access_key =secret/" << key
                        << "  \n; end\n[other]\naws_session_token=t\n";
  };
  control("{\"keys\": {\"KEYONE\": \"secret/KEYONE\", \"KEYTWO\": \"secret/KEYTWO\"}}");
  write_file("KEYONE");
  ClientOptions with = options();
  with.credentials = [&] { return profile_from_file(path, "orbit").keys; };
  Client client(with);
  REQUIRE(client.put("a", "1", {}));
  write_file("KEYTWO");
  control("{\"forget\": [\"KEYONE\"]}");
  REQUIRE(client.put("a", "2", {}));
  CHECK(client.stats().retries == 1);

  CHECK(error_of([&] { profile_from_file(path, "absent"); }).message.find("[absent]") != std::string::npos);
  CHECK(error_of([&] { profile_from_file(path, "other"); }).message.find("aws_access_key_id") != std::string::npos);
  CHECK(error_of([&] { profile_from_file(path + "x", "orbit"); }).code == Code::unauthenticated);
}

namespace {

// Sets variables of the environment until it goes.
class Environment {
 public:
  explicit Environment(std::vector<std::pair<const char*, std::string>> variables) : variables_(std::move(variables)) {
    for (const auto& [name, value] : variables_) setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    for (const auto& [name, value] : variables_) unsetenv(name);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const std::vector<std::pair<const char*, std::string>> variables_;
};

}  // namespace

TEST_CASE("credentials come from STS for the token of a web identity, which is read anew each time") {
  const orbit::test::TemporaryFolder folder;
  const std::string token_file = folder.path + "/token";
  std::ofstream(token_file) << "web-token+/=1\n";
  HttpClient http({});
  const std::string sts = endpoint() + "/_sts";
  CHECK(!web_identity_from_environment());
  const Environment environment({{"AWS_WEB_IDENTITY_TOKEN_FILE", token_file},
                                 {"AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/orbit"},
                                 {"AWS_ROLE_SESSION_NAME", "node-1"}});
  ClientOptions with = options();
  int asked = 0;
  with.credentials = [&] {
    ++asked;
    return credentials_from_web_identity(http, sts, *web_identity_from_environment());
  };
  Client client(with);
  REQUIRE(client.put("a", "1", {}));
  CHECK(asked == 1);
  std::ofstream(token_file) << "web-token+/=2\n";
  control("{\"expire\": \"all\"}");
  REQUIRE(client.put("a", "2", {}));
  CHECK(asked == 2);

  std::ofstream(token_file) << "somebody else's\n";
  const Error refused = error_of([&] { with.credentials(); });
  CHECK(refused.code == Code::unauthenticated);
  CHECK_MESSAGE(refused.message.find("InvalidIdentityToken") != std::string::npos, refused.message);
  CHECK(error_of([&] {
          credentials_from_web_identity(http, sts, {token_file, "", ""});
        }).message.find("AWS_ROLE_ARN") != std::string::npos);
  CHECK(error_of([&] {
          credentials_from_web_identity(http, sts, {token_file + "x", "arn", ""});
        }).message.find(token_file) != std::string::npos);

  // The same, from a profile.
  std::ofstream(token_file) << "web-token+/=3\n";
  const Profile profile = parse_profile(
      "[profile eks]\nrole_arn = arn:aws:iam::1:role/a\nweb_identity_token_file=" + token_file + "\n", "config", "eks");
  CHECK(credentials_from_web_identity(http, sts,
                                      {profile.web_identity_token_file, profile.role_arn, profile.role_session_name})
            .access_key.starts_with("ASIA"));
}

TEST_CASE("credentials come from a container's endpoint, with its token, and never by plain http from elsewhere") {
  const orbit::test::TemporaryFolder folder;
  HttpClient http({});
  CHECK(!container_is_in_environment());
  {
    const Environment environment({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint() + "/_container/credentials"},
                                   {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token"}});
    CHECK(container_is_in_environment());
    ClientOptions with = options();
    with.credentials = [&] { return credentials_from_container(http); };
    Client client(with);
    REQUIRE(client.put("a", "1", {}));
    const std::string token_file = folder.path + "/token";
    std::ofstream(token_file) << "wrong\n";
    const Environment file({{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file}});
    CHECK(error_of([&] { credentials_from_container(http); }).message.find("HTTP 401") != std::string::npos);
    std::ofstream(token_file) << "container-token\n";
    CHECK(credentials_from_container(http).expires_s > 0);
  }
  const Environment elsewhere({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/credentials"}});
  CHECK(error_of([&] { credentials_from_container(http); }).message.find("https") != std::string::npos);
}

TEST_CASE("a profile that needs what is not there says what that is") {
  for (const char* what : {"sso_session", "source_profile", "credential_process"}) {
    const std::string text = std::string("[p]\n") + what + " = x\nrole_arn = arn\n";
    const Error error = error_of([&] { parse_profile(text, "the/file", "p"); });
    CHECK(error.code == Code::unauthenticated);
    CHECK_MESSAGE(error.message.find(what) != std::string::npos, error.message);
  }
}

TEST_CASE(
    "an engine on the server: answers that are lost, torn or slow lose nothing, and a second writer fences the first") {
  ClientOptions with = options();
  with.operation_timeout_ms = 20'000;
  EngineOptions small;
  small.writer = "the first";
  small.write_buffer_bytes = 16 << 10;
  small.table_bytes = 16 << 10;
  small.level1_bytes = 32 << 10;
  small.wal_objects_max = 20;
  small.cache_bytes = 1 << 16;
  const auto opened = [&](const char* writer) {
    small.writer = writer;
    auto engine = Engine::open(std::make_shared<Client>(with), small);
    REQUIRE_MESSAGE(engine.has_value(), (engine ? std::string() : engine.error().message));
    return std::move(*engine);
  };
  const auto write = [](Engine& engine, const std::string& key, const std::string& value) {
    const orbit_write_op op{ORBIT_WRITE_PUT, 0, to_c(Bytes(key)), to_c(Bytes(value))};
    return engine.write(WriteOps(&op, 1), true);
  };
  auto first = opened("the first");
  fault("PUT .*/wal/", "lost", 5, 3);
  fault("PUT .*/wal/", "500", 3, 20);
  fault("PUT .*/manifest", "lost", 2);
  fault("PUT .*/table/", "drop", 2);
  fault("GET .*/table/", "torn", 3);
  for (int i = 0; i < 200; ++i) {
    const Result<> written =
        write(*first, "key" + std::to_string(i), std::string(300, static_cast<char>('a' + i % 26)));
    REQUIRE_MESSAGE(written.has_value(), (written ? std::string() : written.error().message));
  }
  auto second = opened("the second");
  const Result<> late = write(*first, "key0", "from the past");
  REQUIRE(!late);
  CHECK_MESSAGE(late.error().message.find("fenced by another writer: the second has epoch 2") != std::string::npos,
                late.error().message);
  size_t count = 0;
  REQUIRE(second->scan(nullptr, {}, {}, false, [&](Bytes key, Bytes value) {
    ++count;
    CHECK(value == std::string(300, static_cast<char>('a' + std::stoi(std::string(key.substr(3))) % 26)));
    return true;
  }));
  CHECK(count == 200);
  control("{\"faults\": []}");
}
