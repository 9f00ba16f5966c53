// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The logs after a crash: every bit of what leads through them is flipped once, and some bits of what they hold.
#include <doctest/doctest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <random>

#include "effort.hpp"
#include "subject.hpp"
#include "support/engine_content.hpp"
#include "tests/seed.hpp"

namespace {

using orbit::Bytes;
using orbit::Code;
using orbit::Result;
using orbit::lsm::Engine;
using orbit::lsm::EngineOptions;
using orbit::lsm::load;
using orbit::test::content;
using orbit::testing::with_effort;
using orbit::testkit::FaultyFiles;

using Map = std::map<std::string, std::string>;

// As docs/formats/storage-lsm.md describes a record.
constexpr size_t kHeaderBytes = 16;
constexpr size_t kLengthAt = 4;

class Crashed {
 public:
  explicit Crashed(EngineOptions options) : options_(std::move(options)) {
    write_batches();
    find_records();
  }

  struct Record {
    std::string path;
    size_t offset;
    size_t bytes;
    size_t batch;  // that is lost without it; the first record of a file holds none
  };
  const std::vector<Record>& records() const noexcept { return records_; }
  const Map& before(size_t batch) const { return states_[batch]; }
  // After damage to the record of this batch: does a later record say that there was one?
  bool known_as_synced(size_t batch) const {
    for (size_t i = batch; i + 1 < synced_.size(); ++i)
      if (synced_[i]) return true;
    return false;
  }
  // The content, or the error, with the bit flipped.
  Result<Map> flipped(const std::string& path, size_t byte, int bit, orbit::lsm::LogRecovery recovery) const {
    FaultyFiles files;
    files.stop_recording();
    REQUIRE(files.make_directories("db"));
    for (const auto& [name, bytes] : files_) {
      REQUIRE(files.open(name, orbit::OpenMode::exclusive));
      std::string copy = bytes;
      if (name == path) copy[byte] = static_cast<char>(copy[byte] ^ (1 << bit));
      files.set_content(name, std::move(copy));
    }
    EngineOptions options = options_;
    options.recovery = recovery;
    const auto engine = Engine::open(files, options);
    if (!engine) return tl::unexpected<orbit::Error>(engine.error());
    return content(**engine);
  }

 private:
  // Two logs that are needed, the first of which lies in a file that was used before: the flusher is held up.
  void write_batches() {
    std::mutex lock;
    std::condition_variable changed;
    bool flushed = false;
    bool held = true;
    EngineOptions options = options_;
    options.background = true;
    options.write_buffers_max = 8;
    options.after_background = [&](const orbit::lsm::EngineStats&) {
      std::unique_lock guard(lock);
      flushed = true;
      changed.notify_all();
      changed.wait(guard, [&] { return !held; });
    };
    FaultyFiles files;
    const auto engine = std::move(*Engine::open(files, options));
    std::mt19937_64 random(orbit::testing::seed_of_this_run());
    const auto write = [&](size_t bytes, bool sync) {
      states_.push_back(states_.empty() ? Map() : states_.back());
      Map& map = states_.back();
      orbit::WriteBatch batch;
      std::string value(bytes, '\0');
      for (char& c : value) c = static_cast<char>(random());
      const std::string key = "key" + std::to_string(states_.size() % 7);
      batch.put(key, map[key] = value);
      const std::string gone = "key" + std::to_string((states_.size() + 3) % 7);
      batch.erase(gone);
      map.erase(gone);
      const auto ops = batch.ops();
      REQUIRE(engine->write(orbit::WriteOps(ops.data(), ops.size()), sync));
      synced_.push_back(sync);
    };
    states_.emplace_back();
    for (int i = 0; i < 20; ++i) write(1000, true);
    {
      std::unique_lock guard(lock);
      changed.wait(guard, [&] { return flushed; });
    }
    for (const size_t bytes : {size_t{100}, size_t{9000}, size_t{300}}) write(bytes, true);
    for (const size_t bytes : {size_t{200}, size_t{4000}, size_t{10}, size_t{5000}, size_t{20}})
      write(bytes, bytes % 100 != 0);
    for (const size_t bytes : {size_t{50}, size_t{3000}, size_t{90}}) write(bytes, true);
    for (const size_t bytes : {size_t{70}, size_t{400}}) write(bytes, false);
    write(60, true);

    orbit::testkit::CrashWalk walk(files);
    while (walk.step()) {
    }
    const auto left = walk.crash(orbit::testkit::Loss::everything, random);
    {
      const std::lock_guard guard(lock);
      held = false;
    }
    changed.notify_all();
    const std::vector<std::string> names = *left->list("db");
    for (const std::string& name : names) files_["db/" + name] = left->content("db/" + name);
  }

  void find_records() {
    size_t logs = 0;
    for (auto& [path, bytes] : files_) {
      if (!path.ends_with(".log")) continue;
      size_t at = 0;
      const size_t first = records_.size();
      while (at + kHeaderBytes <= bytes.size() && load<uint32_t>(bytes.data() + at + kLengthAt) != 0) {
        const size_t length = load<uint32_t>(bytes.data() + at + kLengthAt);
        if (at + kHeaderBytes + length > bytes.size()) break;
        // What is behind the records of this log is of an older one, whose checks are others.
        if (at != 0 && !follows(path, bytes, at)) break;
        records_.push_back({path, at, kHeaderBytes + length, 0});
        at += kHeaderBytes + length;
      }
      if (records_.size() > first) ++logs;
      // Zeros, or what is left of the older one: enough of it.
      bytes.resize(std::min(bytes.size(), at + 2000));
    }
    REQUIRE(logs >= 2);
    size_t batches = 0;
    for (const Record& record : records_) batches += record.offset != 0 ? 1 : 0;
    REQUIRE(batches < synced_.size());
    REQUIRE(batches >= 14);
    size_t next = synced_.size() - batches;
    for (Record& record : records_) record.batch = record.offset != 0 ? next++ : next;
    REQUIRE(flipped("", 0, 0, orbit::lsm::LogRecovery::strict).value() == states_.back());
  }
  static bool follows(const std::string& path, const std::string& bytes, size_t at) {
    const auto number = orbit::lsm::number_of(path.substr(path.find('/') + 1), ".log");
    orbit::lsm::LogReader reader(Bytes(bytes), *number);
    orbit::lsm::LogRecord record;
    while (reader.offset() < at && reader.next(record)) continue;
    return reader.offset() == at && reader.next(record);
  }

  const EngineOptions options_;
  std::map<std::string, std::string> files_;
  std::vector<bool> synced_;  // of each batch
  std::vector<Map> states_;   // before each batch, and after the last
  std::vector<Record> records_;
};

struct Count {
  size_t found = 0;
  size_t dropped = 0;
};

void check_flip(const Crashed& crashed, const Crashed::Record& record, size_t byte, int bit, Count& count) {
  CAPTURE(record.path);
  CAPTURE(record.offset);
  CAPTURE(byte);
  CAPTURE(bit);
  const auto left = crashed.flipped(record.path, record.offset + byte, bit, orbit::lsm::LogRecovery::strict);
  if (!crashed.known_as_synced(record.batch)) {
    ++count.dropped;
    REQUIRE_MESSAGE(left.has_value(), (left ? std::string() : left.error().message));
    CHECK(*left == crashed.before(record.batch));
    return;
  }
  ++count.found;
  REQUIRE(!left);
  CHECK(left.error().code == Code::data_loss);
  const std::string place = "the log " + record.path + " is damaged at byte " + std::to_string(record.offset) + ":";
  CHECK_MESSAGE(left.error().message.find(place) == 0, left.error().message);
  if (bit != 0) return;
  const auto salvaged = crashed.flipped(record.path, record.offset + byte, bit, orbit::lsm::LogRecovery::salvage);
  REQUIRE_MESSAGE(salvaged.has_value(), (salvaged ? std::string() : salvaged.error().message));
  CHECK(*salvaged == crashed.before(record.batch));
}

}  // namespace

TEST_CASE(
    "whichever bit of a record of the log is flipped, it is found and named, or was not known to be synced and ends "
    "the log") {
  EngineOptions options = orbit::lsm::testing::small_options();
  SUBCASE("plain") {}
  SUBCASE("encrypted") { options = orbit::lsm::testing::encrypted_options(); }
  const Crashed crashed(options);
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  const size_t step = 16 / with_effort(16);
  Count count;
  for (const Crashed::Record& record : crashed.records()) {
    for (size_t byte = random() % step; byte < kHeaderBytes; byte += step)
      for (int bit = 0; bit < 8; ++bit) check_flip(crashed, record, byte, bit, count);
    for (size_t n = 0; n < with_effort(16); ++n)
      check_flip(crashed, record, kHeaderBytes + random() % (record.bytes - kHeaderBytes),
                 static_cast<int>(random() % 8), count);
  }
  MESSAGE(count.found << " found, " << count.dropped << " at the end");
  CHECK(count.dropped > 0);
  CHECK(count.found > count.dropped);
}
