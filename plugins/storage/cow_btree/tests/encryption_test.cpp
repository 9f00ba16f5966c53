// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Encryption at rest: what lies in the file, which key opens it, and what happens to whoever changes it.
#include <doctest/doctest.h>

#include <map>

#include "subject.hpp"
#include "tests/seed.hpp"

namespace {

using orbit::Bytes;
using orbit::Code;
using orbit::Result;
using orbit::cow_btree::Engine;
using orbit::cow_btree::EngineOptions;
using orbit::cow_btree::kPageBytes;
using orbit::cow_btree::Slot;
using orbit::cow_btree::testing::encrypted_options;
using orbit::cow_btree::testing::small_options;
using orbit::cow_btree::testing::test_keys;
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

// Entries whose every part says what it is: in pages, in runs, with long keys.
void fill(Engine& engine, int count = 1500) {
  for (int i = 0; i < count; ++i) {
    std::string value;
    do {
      value += "readable value ";
    } while (value.size() < (i % 50 == 0 ? 5000u : 60u));
    put(engine,
        "readable key " + std::to_string(i * 7919 % 100'003) + (i % 100 == 0 ? std::string(600, 'k') : std::string()),
        value, i % 10 == 0);
  }
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

}  // namespace

TEST_CASE("nothing that was written can be read in an encrypted file, neither of the tree nor of the log") {
  for (const bool encrypted : {false, true}) {
    FaultyFiles files;
    const auto engine = open(files, encrypted ? encrypted_options() : small_options());
    fill(*engine);
    const std::string bytes = files.content("db/data.cow");
    CHECK((bytes.find("readable") == std::string::npos) == encrypted);
    CHECK((bytes.find("kkkkkkkk") == std::string::npos) == encrypted);
    REQUIRE(engine->backup("db/copy.cow"));
    CHECK((files.content("db/copy.cow").find("readable") == std::string::npos) == encrypted);
  }
}

TEST_CASE("a file opens with its key only, and the error says which key it wants") {
  FaultyFiles files;
  Map map;
  {
    const auto engine = open(files, encrypted_options());
    fill(*engine);
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

TEST_CASE("a backup has a data key of its own, and opens with the same master key") {
  FaultyFiles files;
  const auto engine = open(files, encrypted_options());
  fill(*engine);
  REQUIRE(engine->backup("db/copy.cow"));
  EngineOptions options = encrypted_options();
  options.path = "db/copy.cow";
  CHECK(content(*open(files, options)) == content(*engine));
  const auto wrapped = [&](const std::string& path) {
    const std::string bytes = files.content(path);
    const auto slot = orbit::cow_btree::read_at<Slot>(bytes.data());
    return std::string(slot.wrapped_key, sizeof slot.wrapped_key);
  };
  CHECK(wrapped("db/copy.cow") != wrapped("db/data.cow"));
  CHECK(error_of(
            files,
            [&] {
              EngineOptions wrong = options;
              wrong.keys = test_keys('x');
              return wrong;
            }(),
            Code::failed_precondition)
            .find("db/copy.cow") != std::string::npos);
}

TEST_CASE("the master key changes with the next opening, whatever moment the power is cut at") {
  FaultyFiles files;
  Map map;
  {
    const auto engine = open(files, encrypted_options());
    fill(*engine, 200);
    map = content(*engine);
  }
  files.mark("changing", 1);
  {
    const auto engine = open(files, with_keys(changed_keys('n', 'k')));
    CHECK(content(*engine) == map);
  }
  CHECK(content(*open(files, with_keys(test_keys('n')))) == map);
  error_of(files, encrypted_options(), Code::failed_precondition);

  orbit::testkit::CrashWalk walk(files);
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  size_t cuts = 0;
  while (walk.step())
    for (const auto loss : orbit::testkit::kLosses) {
      if (walk.mark("changing") == 0) continue;
      const auto left = walk.crash(loss, random);
      CHECK(content(*open(*left, with_keys(changed_keys('n', 'k')))) == map);
      CHECK(content(*open(*left, with_keys(test_keys('n')))) == map);
      ++cuts;
    }
  CHECK(cuts >= 8);
}

TEST_CASE("whoever changes the file and mends its checksums is found out") {
  FaultyFiles files;
  {
    const auto engine = open(files, encrypted_options());
    fill(*engine);
  }
  const std::string good = files.content("db/data.cow");
  const auto changed_slot = [&](const std::function<void(Slot&)>& change) {
    std::string bad = good;
    for (const size_t at : {size_t{0}, kPageBytes}) {
      auto slot = orbit::cow_btree::read_at<Slot>(bad.data() + at);
      change(slot);
      slot.sum = 0;
      slot.sum = orbit::cow_btree::bytes_sum({reinterpret_cast<const char*>(&slot), sizeof slot},
                                             orbit::cow_btree::kSlotMagic);
      orbit::cow_btree::write_at(bad.data() + at, slot);
    }
    files.set_content("db/data.cow", bad);
  };
  changed_slot([](Slot&) {});
  open(files, encrypted_options());
  changed_slot([](Slot& slot) { slot.root_sum ^= 1; });
  CHECK(error_of(files, encrypted_options(), Code::data_loss).find("does not open") != std::string::npos);
  changed_slot([](Slot& slot) { slot.pages -= 1; });
  error_of(files, encrypted_options(), Code::data_loss);
  changed_slot([](Slot& slot) { slot.wrapped_key[30] ^= 1; });
  error_of(files, encrypted_options(), Code::data_loss);
  changed_slot([](Slot& slot) { slot.cipher = slot.seal_bytes = 0; });  // a page of ciphertext is no page
  error_of(files, encrypted_options(), Code::failed_precondition);
}

TEST_CASE("a page, a run or a record opens at its own place only") {
  const orbit::EncryptionKey key = orbit::EncryptionKey::random();
  orbit::cow_btree::Seals seals(key, 77);
  const orbit::cow_btree::Seals other_file(key, 78);
  alignas(8) char page[kPageBytes];
  orbit::cow_btree::Entry entry;
  entry.key = "key";
  entry.value = "value";
  orbit::cow_btree::pack(page, {&entry, 1}, 0, 5, 9, orbit::cow_btree::kLeavesRoom);
  char sealed[kPageBytes];
  seals.seal_page(page, sealed);
  const auto opens = [&](const orbit::cow_btree::Seals& with, orbit::cow_btree::PageId id) {
    alignas(8) char copy[kPageBytes];
    std::memcpy(copy, sealed, kPageBytes);
    return with.open_page(copy, id) && orbit::cow_btree::check_page(copy, 5, 100) == nullptr &&
           orbit::cow_btree::PageView(copy).value(0) == "value";
  };
  CHECK(opens(seals, 5));
  CHECK(!opens(seals, 6));
  CHECK(!opens(other_file, 5));
  sealed[4000] ^= 1;
  CHECK(!opens(seals, 5));

  const std::string run = seals.seal_run("bytes", 5, 9);
  std::string copy = run;
  CHECK((seals.open_run(copy, 5, 9) && copy == "bytes"));
  for (const auto& [at, version] : {std::pair(6, 9), std::pair(5, 8)}) {
    copy = run;
    CHECK(!seals.open_run(copy, static_cast<orbit::cow_btree::PageId>(at), static_cast<uint64_t>(version)));
  }
  orbit::cow_btree::RecordHeader header{};
  header.lsn = 64;
  std::string record;
  seals.seal_record(header, "operations", record);
  copy = record;
  CHECK((seals.open_record(header, copy) && copy == "operations"));
  header.lsn = 128;
  copy = record;
  CHECK(!seals.open_record(header, copy));
}
