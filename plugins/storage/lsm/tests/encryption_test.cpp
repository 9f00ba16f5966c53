// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Encryption at rest: what lies in the files, which keys open them, and what happens to whoever changes them.
#include <doctest/doctest.h>

#include <map>

#include "effort.hpp"
#include "subject.hpp"
#include "table_format.hpp"
#include "tests/seed.hpp"

namespace {

using orbit::Bytes;
using orbit::Code;
using orbit::Result;
using orbit::lsm::Engine;
using orbit::lsm::EngineOptions;
using orbit::lsm::testing::encrypted_options;
using orbit::lsm::testing::small_options;
using orbit::lsm::testing::test_keys;
using orbit::testkit::FaultyFiles;

using Map = std::map<std::string, std::string>;

std::unique_ptr<Engine> open(orbit::FileSystem& files, const EngineOptions& options) {
  auto engine = Engine::open(files, options);
  REQUIRE_MESSAGE(engine.has_value(), (engine ? std::string() : engine.error().message));
  return std::move(*engine);
}

void put(Engine& engine, const std::string& key, const std::string& value, bool sync = false) {
  orbit::WriteBatch batch;
  batch.put(key, value);
  const auto ops = batch.ops();
  const Result<> written = engine.write(orbit::WriteOps(ops.data(), ops.size()), sync);
  REQUIRE_MESSAGE(written.has_value(), (written ? std::string() : written.error().message));
}

Map content(Engine& engine) {
  Map out;
  const Result<> scanned = engine.scan(nullptr, {}, {}, false, [&](Bytes key, Bytes value) {
    out.emplace(key, value);
    return true;
  });
  REQUIRE_MESSAGE(scanned.has_value(), (scanned ? std::string() : scanned.error().message));
  return out;
}

void fill(Engine& engine, int count) {
  std::mt19937_64 random(5);
  for (int i = 0; i < count; ++i) {
    std::string value = "readable value ";
    for (int n = 0; n < 6; ++n) value += std::to_string(random());  // does not compress away
    put(engine, "readable key " + std::to_string(i * 7919 % 100'003), value, i % 10 == 0);
  }
}

std::vector<std::string> names(FaultyFiles& files, const std::string& suffix, const std::string& directory = "db") {
  std::vector<std::string> out;
  const std::vector<std::string> all = *files.list(directory);
  for (const std::string& name : all)
    if (name.ends_with(suffix)) out.push_back(directory + "/" + name);
  return out;
}

std::string error_of(FaultyFiles& files, const EngineOptions& options, Code code) {
  const auto engine = Engine::open(files, options);
  REQUIRE(!engine);
  CHECK_MESSAGE(engine.error().code == code, engine.error().message);
  return engine.error().message;
}

EngineOptions with_keys(std::shared_ptr<const orbit::MasterKeys> keys) {
  EngineOptions out = small_options();
  out.keys = std::move(keys);
  return out;
}

std::shared_ptr<const orbit::MasterKeys> changed_keys(char current, char previous) {
  orbit::EncryptionKey now;
  orbit::EncryptionKey before;
  now.data()[0] = current;
  before.data()[0] = previous;
  return std::make_shared<const orbit::MasterKeys>(now, before);
}

// After magic and name of the master key.
size_t data_keys_in(FaultyFiles& files, const std::string& manifest) {
  return static_cast<uint8_t>(files.content(manifest)[16]);
}

}  // namespace

TEST_CASE("nothing that was written can be read in the files of an encrypted database") {
  for (const bool encrypted : {false, true}) {
    FaultyFiles files;
    const auto engine = open(files, encrypted ? encrypted_options() : small_options());
    fill(*engine, 1500);
    for (const char* suffix : {".table", ".log", "MANIFEST"}) {
      size_t readable = 0;
      for (const std::string& path : names(files, suffix))
        readable += files.content(path).find("eadable") != std::string::npos ? 1 : 0;
      CHECK_MESSAGE((readable == 0) == encrypted, suffix);
    }
  }
}

TEST_CASE("a database opens with its key only, and the error says which key it wants") {
  FaultyFiles files;
  Map map;
  {
    const auto engine = open(files, encrypted_options());
    fill(*engine, 1000);
    map = content(*engine);
  }
  const std::string its_key = orbit::key_name(test_keys()->current_id());
  const std::string wrong = error_of(files, with_keys(test_keys('x')), Code::failed_precondition);
  CHECK(wrong.find(its_key) != std::string::npos);
  CHECK(wrong.find(orbit::key_name(test_keys('x')->current_id())) != std::string::npos);
  const std::string missing = error_of(files, small_options(), Code::failed_precondition);
  CHECK(missing.find(its_key) != std::string::npos);
  CHECK(missing.find("encryption_key is not set") != std::string::npos);
  CHECK(content(*open(files, encrypted_options())) == map);

  FaultyFiles plain;
  open(plain, small_options());
  CHECK(error_of(plain, encrypted_options(), Code::failed_precondition).find("is not encrypted") != std::string::npos);
}

TEST_CASE("with a new master key new files get a new data key, and compaction ends the old one") {
  FaultyFiles files;
  Map map;
  {
    const auto engine = open(files, encrypted_options());
    fill(*engine, 1000);
    map = content(*engine);
    CHECK(data_keys_in(files, "db/MANIFEST") == 1);
  }
  {
    const auto engine = open(files, with_keys(changed_keys('n', 'k')));
    CHECK(content(*engine) == map);
    CHECK(data_keys_in(files, "db/MANIFEST") == 2);
    put(*engine, "later", "value");
    map["later"] = "value";
    REQUIRE(engine->compact());
    CHECK(data_keys_in(files, "db/MANIFEST") == 1);
    CHECK(content(*engine) == map);
  }
  error_of(files, encrypted_options(), Code::failed_precondition);
  CHECK(content(*open(files, with_keys(test_keys('n')))) == map);
}

TEST_CASE("the master key changes whatever moment the power is cut at") {
  FaultyFiles files;
  Map map;
  {
    const auto engine = open(files, encrypted_options());
    fill(*engine, 200);
    map = content(*engine);
  }
  {
    const auto engine = open(files, with_keys(changed_keys('n', 'k')));
  }
  orbit::testkit::CrashWalk walk(files);
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  constexpr size_t kNthStep = 4 / orbit::testing::with_effort(4);
  for (size_t steps = 0; walk.step(); ++steps) {
    if (steps % kNthStep != 0) continue;
    for (const auto loss : {orbit::testkit::Loss::everything, orbit::testkit::Loss::torn}) {
      const auto left = walk.crash(loss, random);
      // Before the change as after it: with both keys there is always one that opens.
      auto engine = Engine::open(*left, with_keys(changed_keys('n', 'k')));
      REQUIRE_MESSAGE(engine.has_value(), (engine ? std::string() : engine.error().message));
      const Map found = content(**engine);
      for (const auto& [key, value] : found) CHECK(map.at(key) == value);
      engine->reset();
      CHECK(content(*open(*left, with_keys(test_keys('n')))) == found);
    }
  }
}

TEST_CASE("a checkpoint of an encrypted database is encrypted, and opens with the same key") {
  FaultyFiles files;
  const auto engine = open(files, encrypted_options());
  fill(*engine, 800);
  REQUIRE(engine->checkpoint("copy"));
  EngineOptions options = encrypted_options();
  options.path = "copy";
  CHECK(content(*open(files, options)) == content(*engine));
  options.keys = nullptr;
  CHECK(error_of(files, options, Code::failed_precondition).find("copy/MANIFEST") != std::string::npos);
}

TEST_CASE("whoever changes a table and mends its checksums is found out") {
  FaultyFiles files;
  {
    const auto engine = open(files, encrypted_options());
    fill(*engine, 1000);
    REQUIRE(engine->compact());
  }
  const std::string path = names(files, ".table").front();
  const uint64_t number = *orbit::lsm::number_of(path.substr(3), ".table");
  const std::string good = files.content(path);
  orbit::lsm::Footer footer;
  const size_t at = good.size() - sizeof footer;
  std::memcpy(&footer, good.data() + at, sizeof footer);
  const auto refused = [&](const std::string& bad, const char* what) {
    files.set_content(path, bad);
    const std::string message = error_of(files, encrypted_options(), Code::data_loss);
    CHECK_MESSAGE(message.find(path) != std::string::npos, message);
    CHECK_MESSAGE(message.find(what) != std::string::npos, message);
  };
  // The top section: a bit of its ciphertext, its own checksum mended.
  std::string bad = good;
  bad[footer.top_offset] = static_cast<char>(bad[footer.top_offset] ^ 1);
  const uint64_t sum = orbit::lsm::checksum(Bytes(bad).substr(footer.top_offset, footer.top_bytes - 8),
                                            orbit::lsm::section_seed(number, footer.top_offset));
  std::memcpy(bad.data() + footer.top_offset + footer.top_bytes - 8, &sum, sizeof sum);
  refused(bad, "not to be opened with its key");
  // The footer.
  orbit::lsm::Footer changed = footer;
  changed.entries ^= 1;
  changed.checksum =
      orbit::lsm::checksum({reinterpret_cast<const char*>(&changed), offsetof(orbit::lsm::Footer, checksum)},
                           orbit::lsm::section_seed(number, 0));
  bad = good;
  std::memcpy(bad.data() + at, &changed, sizeof changed);
  refused(bad, "its footer does not open");
  // A table that is not encrypted does not pass for one of this database.
  FaultyFiles plain;
  {
    const auto engine = open(plain, small_options());
    fill(*engine, 1000);
    REQUIRE(engine->compact());
  }
  bad = plain.content(names(plain, ".table").front());
  files.set_content(path, bad);
  error_of(files, encrypted_options(), Code::data_loss);
  files.set_content(path, good);
  open(files, encrypted_options());
}

TEST_CASE("whoever changes a record of the log and mends its checksum is found out") {
  FaultyFiles files;
  std::string log;
  {
    const auto engine = open(files, encrypted_options());
    for (int i = 0; i < 5; ++i) put(*engine, "key" + std::to_string(i), std::string(100, 'v'), true);
    orbit::testkit::CrashWalk walk(files);
    while (walk.step()) {
    }
    log = names(files, ".log").front();
  }
  const uint64_t number = *orbit::lsm::number_of(log.substr(3), ".log");
  const std::string good = files.content(log);
  // The second record: the first one names the key.
  const auto length_at = [&](size_t record) { return orbit::lsm::load<uint32_t>(good.data() + record + 4); };
  const size_t second = 16 + length_at(0);
  std::string bad = good;
  const size_t last = second + 16 + length_at(second) - 1;
  bad[last] = static_cast<char>(bad[last] ^ 1);
  const uint64_t sum = orbit::lsm::checksum(Bytes(bad).substr(second + 16, length_at(second)),
                                            (number * 0x9e3779b97f4a7c15u) ^ (second + 0x2545f4914f6cdd1du));
  std::memcpy(bad.data() + second + 8, &sum, sizeof sum);
  files.set_content(log, bad);
  const std::string message = error_of(files, encrypted_options(), Code::data_loss);
  CHECK_MESSAGE(message.find("does not open with its key") != std::string::npos, message);
  files.set_content(log, good);
  CHECK(content(*open(files, encrypted_options())).size() == 5);
}
