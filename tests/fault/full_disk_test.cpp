// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A disk that fills up gives clients an error and costs nothing that was acknowledged; when there is room again writes go on
// without a restart. The disk is a small tmpfs in a mount namespace of this process, which needs root.
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "node.hpp"
#include "resp_client.hpp"

namespace {

using namespace orbit::fault;
namespace fs = std::filesystem;

constexpr int kSkipped = 77;
constexpr size_t kValueBytes = 8192;
constexpr int kWritesMax = 20'000;

// A small file system that only this process and its children see.
class SmallDisk {
 public:
  explicit SmallDisk(fs::path path) : path_(std::move(path)) {
    fs::create_directories(path_);
    if (mount("none", path_.c_str(), "tmpfs", 0, "size=48m") != 0)
      throw std::runtime_error(std::string("cannot mount a tmpfs: ") + strerror(errno));
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() { umount2(path_.c_str(), MNT_DETACH); }
  const fs::path& path() const noexcept { return path_; }

 private:
  fs::path path_;
};

void write_file(const fs::path& path, size_t bytes) {
  std::ofstream out(path, std::ios::binary);
  const std::string block(1 << 20, 'x');
  for (size_t written = 0; written < bytes; written += block.size()) out << block;
  out.close();
  REQUIRE(out.good());
}

// The same for the same number, and not compressible.
std::string value_of(int number) {
  std::mt19937_64 random(static_cast<uint64_t>(number));
  std::string value(kValueBytes, '\0');
  for (size_t i = 0; i < value.size(); i += 8) {
    const uint64_t word = random();
    std::memcpy(&value[i], &word, 8);
  }
  return value;
}

Reply set(RespClient& client, int number) { return client.call({"SET", "k" + std::to_string(number), value_of(number)}); }

void expect_all(RespClient& client, const std::set<int>& acknowledged) {
  for (const int number : acknowledged) {
    const Reply reply = client.call({"GET", "k" + std::to_string(number)});
    REQUIRE_MESSAGE(reply.kind == Reply::Kind::text, "k" << number << " is lost: " << reply.text);
    REQUIRE_MESSAGE(reply.text == value_of(number), "k" << number << " has another value");
  }
}

}  // namespace

TEST_CASE("a full disk is an error to clients, and over when there is room again") {
  const Directory folder;
  const SmallDisk disk(folder.path() / "disk");
  const fs::path ballast = disk.path() / "ballast";
  write_file(ballast, 24 << 20);
  NodeSettings settings;
  settings.data = disk.path() / "data";
  settings.storage = "write_buffer_bytes = 1048576\nwal.bytes_max = 2097152\n";
  Node node(folder.path(), settings);
  const uint16_t port = node.await_ready();
  RespClient client(port);

  std::set<int> acknowledged;
  int next = 0;
  Reply refused;
  for (; next < kWritesMax; ++next) {
    refused = set(client, next);
    if (refused.is_error()) break;
    acknowledged.insert(next);
  }
  REQUIRE(refused.is_error());
  CHECK_MESSAGE(refused.text.find("space") != std::string::npos, refused.text);
  CHECK(acknowledged.size() > 100);

  // Still full: some small thing may fit, but whatever is answered holds.
  for (int i = 0; i < 50; ++i)
    if (const int number = ++next; !set(client, number).is_error()) acknowledged.insert(number);
  CHECK(client.call({"PING"}).text == "PONG");
  expect_all(client, acknowledged);
  CHECK(node.running());

  fs::remove(ballast);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  bool writes_again = false;
  while (!writes_again && std::chrono::steady_clock::now() < deadline) {
    const int number = ++next;
    writes_again = !set(client, number).is_error();
    if (writes_again) acknowledged.insert(number);
    else std::this_thread::sleep_for(std::chrono::milliseconds(20));  // a poll with a deadline
  }
  REQUIRE_MESSAGE(writes_again, "writes are still refused a minute after there was room:\n" << node.log());
  for (int i = 0; i < 100; ++i) {
    const int number = ++next;
    const Reply reply = set(client, number);
    REQUIRE_MESSAGE(!reply.is_error(), reply.text);
    acknowledged.insert(number);
  }
  expect_all(client, acknowledged);
  for (const char* line : {"storage refuses writes", "storage takes writes again"})
    CHECK_MESSAGE(node.log().find(line) != std::string::npos, line << " is not in the log:\n" << node.log());

  node.kill();
  Node again(folder.path(), settings);
  RespClient other(again.await_ready());
  expect_all(other, acknowledged);
}

int main(int argc, char** argv) {
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    std::printf("skipped: a mount namespace needs root (%s)\n", strerror(errno));
    return kSkipped;
  }
  return doctest::Context(argc, argv).run();
}
