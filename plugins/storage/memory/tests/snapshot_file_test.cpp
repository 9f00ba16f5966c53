// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The snapshot file: what comes back, over power cuts, with failing disks and with every byte damaged.
#include <doctest/doctest.h>

#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <orbit/testkit/faulty_files.hpp>
#include <random>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "saver.hpp"
#include "snapshot_file.hpp"

namespace {

using orbit::storage_memory::Engine;
using orbit::storage_memory::Saver;
using orbit::testkit::FaultyFiles;
using Model = std::map<std::string, std::string>;

constexpr uint64_t kRoom = uint64_t{1} << 30;
const std::string kFile = "d/memory.snapshot";

void put(Engine& engine, const std::string& key, const std::string& value) {
  orbit::WriteBatch batch;
  batch.put(key, value);
  const auto ops = batch.ops();
  REQUIRE(engine.write(orbit::WriteOps(ops.data(), ops.size()), false));
}

Model content_of(Engine& engine) {
  Model out;
  const auto done = engine.scan(nullptr, "", "", false, [&](orbit::Bytes key, orbit::Bytes value) {
    out.emplace(key, value);
    return true;
  });
  REQUIRE(done);
  return out;
}

using Keys = std::shared_ptr<const orbit::MasterKeys>;

orbit::EncryptionKey key_of(char first) {
  orbit::EncryptionKey out;
  out.data()[0] = first;
  return out;
}
Keys keys_of(char first) { return std::make_shared<const orbit::MasterKeys>(key_of(first)); }

orbit::Result<std::unique_ptr<Saver>> open(Engine& engine, orbit::FileSystem& files,
                                           std::chrono::milliseconds interval = {}, Keys keys = nullptr) {
  return Saver::open(
      engine, files, "d", interval, [](const orbit::Error&) {}, std::move(keys));
}

// What an engine holds that starts on these files, or the error.
orbit::Result<Model> loaded(orbit::FileSystem& files, Keys keys = nullptr) {
  Engine engine(kRoom);
  auto saver = open(engine, files, {}, std::move(keys));
  if (!saver) return tl::unexpected<orbit::Error>(saver.error());
  return content_of(engine);
}

}  // namespace

TEST_CASE("what an engine held at its end is there at the next start") {
  FaultyFiles files;
  Model model{{"", "of the empty key"}, {"empty", ""}, {std::string("\0\xff", 2), std::string(3'000'000, 'v')}};
  for (int i = 0; i < 50'000; ++i) model["k" + std::to_string(i)] = std::string(static_cast<size_t>(i % 100), 'v');
  {
    Engine engine(kRoom);
    auto saver = open(engine, files);
    REQUIRE(saver);
    CHECK(content_of(engine).empty());
    for (const auto& [key, value] : model) put(engine, key, value);
  }
  auto back = loaded(files);
  REQUIRE(back);
  CHECK((*back == model));
}

TEST_CASE("an engine without entries leaves a file that is read as none") {
  FaultyFiles files;
  Engine engine(kRoom);
  {
    auto saver = open(engine, files);
    REQUIRE(saver);
    REQUIRE((*saver)->save());
  }
  auto back = loaded(files);
  REQUIRE(back);
  CHECK(back->empty());
}

TEST_CASE("a power cut at any moment leaves the snapshot before or the one after, whole") {
  std::random_device device;
  const uint64_t seed = device();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  FaultyFiles files;
  std::vector<Model> states{{}};
  {
    Engine engine(kRoom);
    auto saver = open(engine, files);
    REQUIRE(saver);
    for (int round = 1; round <= 4; ++round) {
      for (int i = 0; i < 30; ++i) put(engine, "k" + std::to_string(random() % 50), std::string(random() % 100'000, 'v'));
      REQUIRE((*saver)->save());
      states.push_back(content_of(engine));
      files.mark("saved", static_cast<uint64_t>(round));
    }
  }
  orbit::testkit::CrashWalk walk(files);
  size_t cuts = 0;
  while (walk.step()) {
    for (const orbit::testkit::Loss loss : orbit::testkit::kLosses) {
      const auto saved = static_cast<size_t>(walk.mark("saved"));
      auto left = loaded(*walk.crash(loss, random));
      INFO("cut ", cuts, " ", left ? "" : left.error().message);
      REQUIRE(left);
      CHECK((*left == states[saved] || (saved + 1 < states.size() && *left == states[saved + 1])));
      ++cuts;
    }
  }
  CHECK(cuts > 50);
}

TEST_CASE("a disk that fails leaves the last snapshot, and the next one is written when it works again") {
  FaultyFiles files;
  Engine engine(kRoom);
  auto saver = open(engine, files);
  REQUIRE(saver);
  put(engine, "a", "1");
  REQUIRE((*saver)->save());
  put(engine, "a", "2");
  using orbit::testkit::FileOperation;
  for (const FileOperation failing : {FileOperation::write, FileOperation::sync, FileOperation::truncate}) {
    files.set_fault([&](FileOperation operation) -> std::optional<orbit::Error> {
      if (operation != failing) return std::nullopt;
      return orbit::Error{orbit::Code::resource_exhausted, "no space left on device"};
    });
    const auto refused = (*saver)->save();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("no space left on device") != std::string::npos);
    files.set_fault(nullptr);
    Model old;
    const auto read = orbit::storage_memory::read_snapshot(files, kFile, [&](std::span<const orbit_write_op> ops) {
      for (const orbit_write_op& op : ops) old.emplace(orbit::from_c(op.key), orbit::from_c(op.value));
      return orbit::Result<>();
    });
    REQUIRE(read);
    CHECK((old == Model{{"a", "1"}}));
  }
  saver->reset();
  auto back = loaded(files);
  REQUIRE(back);
  CHECK((*back == Model{{"a", "2"}}));
}

TEST_CASE("a change of any byte of the file, and any missing end, is found and named") {
  FaultyFiles files;
  Keys keys;
  SUBCASE("plain") {}
  SUBCASE("encrypted") { keys = keys_of('k'); }
  {
    Engine engine(kRoom);
    auto saver = open(engine, files, {}, keys);
    REQUIRE(saver);
    for (int i = 0; i < 20; ++i) put(engine, "key" + std::to_string(i), "value " + std::to_string(i));
  }
  const std::string whole = files.content(kFile);
  const auto expect_refused = [&](const std::string& damaged, const std::string& what) {
    CAPTURE(what);
    files.set_content(kFile, damaged);
    const auto refused = loaded(files, keys);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == orbit::Code::data_loss);
    CHECK(refused.error().message.find(kFile) != std::string::npos);
    // A version that nobody knows may be damage, or of a later node.
    uint32_t version = 0;
    if (damaged.size() >= 16) std::memcpy(&version, damaged.data() + 8, sizeof version);
    const bool unknown = damaged.size() >= 16 && damaged.starts_with("ORBITMEM") && version != 1 && version != 2;
    const std::string told = unknown ? "version " + std::to_string(version) + " (this node reads 1 and 2)" : "found";
    CHECK_MESSAGE(refused.error().message.find(told) != std::string::npos, refused.error().message);
    // It is left for whoever wants to look at it.
    CHECK((files.content(kFile) == damaged));
  };
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    expect_refused(damaged, "bit of byte " + std::to_string(at));
    expect_refused(whole.substr(0, at), "cut at byte " + std::to_string(at));
  }
  expect_refused(whole + '\0', "one byte more");
  expect_refused(whole + whole.substr(keys == nullptr ? 24 : 96), "its blocks once more");
  files.set_content(kFile, whole);
  CHECK(loaded(files, keys));
}

TEST_CASE("a file of a later version is said to be one, or damaged where nothing tells which of the two") {
  FaultyFiles files;
  {
    Engine engine(kRoom);
    auto saver = open(engine, files);
    REQUIRE(saver);
    put(engine, "a", "1");
  }
  const auto refused_as = [&](const std::string& bytes) {
    files.set_content(kFile, bytes);
    const auto refused = loaded(files);
    REQUIRE_FALSE(refused);
    CHECK((files.content(kFile) == bytes));
    return refused.error();
  };
  const uint32_t version = 3;
  std::string header("ORBITMEM\0\0\0\0\0\0\0\0", 16);
  std::memcpy(header.data() + 8, &version, sizeof version);
  const auto with_sum = [](std::string bytes) {
    const uint64_t sum = XXH3_64bits(bytes.data(), bytes.size());
    return bytes.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  };
  const orbit::Error certain = refused_as(with_sum(header));
  CHECK(certain.code == orbit::Code::failed_precondition);
  CHECK(certain.message == "the snapshot file d/memory.snapshot has the unknown version 3 (this node reads 1 and 2)");
  // A header as long as only that version knows, and one that the file ends in.
  for (const std::string& bytes : {with_sum(header + std::string(40, 'h')), header}) {
    const orbit::Error doubtful = refused_as(bytes);
    CHECK(doubtful.code == orbit::Code::data_loss);
    CHECK(doubtful.message ==
          "the snapshot file d/memory.snapshot has the unknown version 3 (this node reads 1 and 2), or is damaged: the "
          "checksum of its header does not match");
  }
}

TEST_CASE("an encrypted snapshot hides keys and values, and opens with its key only") {
  FaultyFiles files;
  Model model{{"", "of the empty key"}, {"empty", ""}, {"large", std::string(3'000'000, 'v')}};
  for (int i = 0; i < 2000; ++i) model["secret" + std::to_string(i)] = "secret value " + std::to_string(i);
  {
    Engine engine(kRoom);
    auto saver = open(engine, files, {}, keys_of('a'));
    REQUIRE(saver);
    for (const auto& [key, value] : model) put(engine, key, value);
  }
  const std::string bytes = files.content(kFile);
  CHECK(bytes.size() > 3'000'000);
  CHECK(bytes.find("secret") == std::string::npos);
  CHECK(bytes.find("empty") == std::string::npos);
  CHECK(bytes.find("vvvvvvvv") == std::string::npos);
  const std::string name = orbit::key_name(key_of('a').id());
  const auto wrong = loaded(files, keys_of('b'));
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == orbit::Code::failed_precondition);
  CHECK(wrong.error().message == "the snapshot file d/memory.snapshot is encrypted with key " + name +
                                     ", but encryption_key is key " + orbit::key_name(key_of('b').id()) +
                                     " and encryption_key_previous is not set");
  const auto without = loaded(files);
  REQUIRE_FALSE(without);
  CHECK(without.error().code == orbit::Code::failed_precondition);
  CHECK(without.error().message.find(name) != std::string::npos);
  CHECK((files.content(kFile) == bytes));
  const auto back = loaded(files, keys_of('a'));
  REQUIRE(back);
  CHECK((*back == model));
  // And one that is not encrypted is not taken for one that is: anybody could have written it.
  {
    FaultyFiles plain;
    {
      Engine engine(kRoom);
      auto saver = open(engine, plain);
      REQUIRE(saver);
      put(engine, "a", "1");
    }
    const auto refused = loaded(plain, keys_of('a'));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == orbit::Code::failed_precondition);
  }
}

TEST_CASE("with a new master key and the previous one the snapshot is written anew at once, whatever changes") {
  FaultyFiles files;
  {
    Engine engine(kRoom);
    auto saver = open(engine, files, {}, keys_of('a'));
    REQUIRE(saver);
    put(engine, "key", "value");
  }
  const std::string before = files.content(kFile);
  {
    Engine engine(kRoom);
    auto saver = open(engine, files, {}, std::make_shared<const orbit::MasterKeys>(key_of('b'), key_of('a')));
    REQUIRE(saver);
    CHECK((files.content(kFile) != before));
    CHECK((content_of(engine) == Model{{"key", "value"}}));
  }
  CHECK_FALSE(loaded(files, keys_of('a')));
  const auto back = loaded(files, keys_of('b'));
  REQUIRE(back);
  CHECK((*back == Model{{"key", "value"}}));
}

TEST_CASE("whoever moves blocks of an encrypted snapshot and mends checksums is found out") {
  FaultyFiles files;
  const auto write = [&](char letter) {
    Engine engine(kRoom);
    auto saver = open(engine, files, {}, keys_of('k'));
    REQUIRE(saver);
    for (int i = 0; i < 3; ++i) put(engine, "key" + std::to_string(i), std::string(1 << 20, letter));
    saver->reset();
    return files.content(kFile);
  };
  const std::string first = write('a');
  const std::string second = write('b');
  REQUIRE(first.size() == second.size());
  constexpr size_t kHeader = 96;
  const size_t block = 24 + 16 + 12 + 4 + (1 << 20);
  REQUIRE(first.size() > kHeader + 3 * block);
  // A block of an older file, at its own place: its checksum is right there.
  std::string mixed = second;
  mixed.replace(kHeader + block, block, first, kHeader + block, block);
  // The end of the older one, earlier than it was, with the checksum that it needs there.
  std::string cut = second.substr(0, kHeader + block) + first.substr(first.size() - 40);
  const uint64_t head[] = {kHeader + block, 16, 0};
  const uint64_t sum = XXH3_64bits_withSeed(cut.data() + cut.size() - 16, 16, XXH3_64bits(head, sizeof head));
  std::memcpy(cut.data() + cut.size() - 24, &sum, sizeof sum);
  for (const std::string& bytes : {mixed, cut}) {
    files.set_content(kFile, bytes);
    const auto refused = loaded(files, keys_of('k'));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == orbit::Code::data_loss);
    const std::string told =
        "at byte " + std::to_string(kHeader + block) + ": expected a block that opens with the file's key";
    CHECK_MESSAGE(refused.error().message.find(told) != std::string::npos, refused.error().message);
  }
  files.set_content(kFile, second);
  CHECK(loaded(files, keys_of('k')));
}

TEST_CASE("a snapshot that does not fit is refused, and the error names the bound") {
  FaultyFiles files;
  {
    Engine engine(kRoom);
    auto saver = open(engine, files);
    REQUIRE(saver);
    put(engine, "a", std::string(200'000, 'v'));
  }
  Engine small(100'000);
  const auto refused = open(small, files);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == orbit::Code::resource_exhausted);
  CHECK(refused.error().message.find("bytes_max = 100000") != std::string::npos);
  CHECK(refused.error().message.find(kFile) != std::string::npos);
}

TEST_CASE("a directory belongs to one engine at a time") {
  FaultyFiles files;
  Engine one(kRoom);
  Engine two(kRoom);
  auto saver = open(one, files);
  REQUIRE(saver);
  CHECK_FALSE(open(two, files));
}

TEST_CASE("with an interval the file is written while the engine works") {
  FaultyFiles files;
  std::mutex mutex;
  std::condition_variable seen;
  bool synced = false;
  files.set_fault([&](orbit::testkit::FileOperation operation) -> std::optional<orbit::Error> {
    const std::lock_guard lock(mutex);
    synced = synced || operation == orbit::testkit::FileOperation::sync;
    seen.notify_all();
    return std::nullopt;
  });
  Engine engine(kRoom);
  auto saver = open(engine, files, std::chrono::milliseconds(1));
  REQUIRE(saver);
  put(engine, "a", "1");
  std::unique_lock lock(mutex);
  seen.wait(lock, [&] { return synced; });
  lock.unlock();
  saver->reset();
  files.set_fault(nullptr);
  CHECK((*loaded(files) == Model{{"a", "1"}}));
}
