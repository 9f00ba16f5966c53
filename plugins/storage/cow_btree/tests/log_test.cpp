// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The log after a crash: every bit of what leads through it is flipped once, and some bits of what it holds.
#include <doctest/doctest.h>

#include <map>
#include <random>

#include "effort.hpp"
#include "subject.hpp"
#include "support/engine_content.hpp"
#include "tests/seed.hpp"

namespace {

using orbit::Bytes;
using orbit::Code;
using orbit::Result;
using orbit::cow_btree::Engine;
using orbit::cow_btree::EngineOptions;
using orbit::cow_btree::kPageBytes;
using orbit::cow_btree::kSegmentMagic;
using orbit::cow_btree::read_at;
using orbit::cow_btree::RecordHeader;
using orbit::cow_btree::SegmentHeader;
using orbit::cow_btree::Slot;
using orbit::test::content;
using orbit::testing::with_effort;
using orbit::testkit::FaultyFiles;

using Map = std::map<std::string, std::string>;

struct Batch {
  size_t bytes;
  bool sync;
};

// What a power cut left, and what is expected of it.
struct Crashed {
  std::unique_ptr<FaultyFiles> files;
  std::vector<Batch> batches;
  std::vector<Map> states;  // before each batch, and after the last
  // As docs/formats/storage-cow_btree.md describes them; offsets in the file.
  struct Record {
    size_t header[sizeof(RecordHeader)];  // of each byte: a header may lie in two segments
    std::vector<size_t> operations;
  };
  std::vector<Record> records;
  std::vector<size_t> segments;  // that have a header

  // After damage to the record of this batch: does a later record say that there was one?
  bool known_as_synced(size_t batch) const {
    for (size_t i = batch; i + 1 < batches.size(); ++i)
      if (batches[i].sync) return true;
    return false;
  }
};

void find_records(Crashed& crashed, const std::string& file) {
  Slot slot = read_at<Slot>(file.data());
  if (const auto other = read_at<Slot>(file.data() + kPageBytes); other.sequence > slot.sequence) slot = other;
  const uint64_t capacity = slot.log_segment_bytes - sizeof(SegmentHeader);
  const uint64_t first = slot.log_lsn / capacity;
  std::vector<size_t> at{size_t{slot.log_page} * kPageBytes};
  for (;;) {
    const auto header = read_at<SegmentHeader>(file.data() + at.back());
    if (header.magic != kSegmentMagic) break;
    crashed.segments.push_back(at.back());
    at.push_back(size_t{header.next} * kPageBytes);
  }
  const auto place = [&](uint64_t lsn) { return at[lsn / capacity - first] + sizeof(SegmentHeader) + lsn % capacity; };
  uint64_t lsn = slot.log_lsn;
  for (size_t i = 0; i < crashed.batches.size(); ++i) {
    Crashed::Record record;
    char bytes[sizeof(RecordHeader)];
    for (size_t b = 0; b < sizeof bytes; ++b) bytes[b] = file[record.header[b] = place(lsn + b)];
    const auto header = read_at<RecordHeader>(bytes);
    REQUIRE(header.lsn == lsn);
    for (uint64_t b = 0; b < header.bytes; ++b) record.operations.push_back(place(lsn + sizeof header + b));
    lsn += (sizeof header + header.bytes + 7) / 8 * 8;
    crashed.records.push_back(std::move(record));
  }
}

Crashed crash_after(const EngineOptions& options, const std::vector<Batch>& batches) {
  FaultyFiles files;
  Crashed out;
  out.batches = batches;
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  const auto engine = std::move(*Engine::open(files, options));
  REQUIRE(engine->checkpoint());
  Map map;
  for (size_t i = 0; i < batches.size(); ++i) {
    out.states.push_back(map);
    orbit::WriteBatch batch;
    std::string value(batches[i].bytes, '\0');
    for (char& c : value) c = static_cast<char>(random());
    const std::string key = "key" + std::to_string(i % 7);
    batch.put(key, map[key] = value);
    const std::string gone = "key" + std::to_string((i + 3) % 7);
    batch.erase(gone);
    map.erase(gone);
    const auto ops = batch.ops();
    REQUIRE(engine->write(orbit::WriteOps(ops.data(), ops.size()), batches[i].sync));
  }
  out.states.push_back(map);
  orbit::testkit::CrashWalk walk(files);
  while (walk.step()) {
  }
  out.files = walk.crash(orbit::testkit::Loss::everything, random);
  out.files->stop_recording();
  find_records(out, out.files->content(options.path));
  return out;
}

class Flips {
 public:
  Flips(Crashed& crashed, EngineOptions options)
      : crashed_(crashed), options_(std::move(options)), good_(crashed.files->content(options_.path)) {}
  ~Flips() { crashed_.files->set_content(options_.path, good_); }

  // The content, or the error, with the bit flipped.
  Result<Map> flipped(size_t byte, int bit) {
    std::string bad = good_;
    bad[byte] = static_cast<char>(bad[byte] ^ (1 << bit));
    crashed_.files->set_content(options_.path, std::move(bad));
    const auto engine = Engine::open(*crashed_.files, options_);
    if (!engine) return tl::unexpected<orbit::Error>(engine.error());
    return content(**engine);
  }
  void check_record(size_t batch, size_t byte, int bit) {
    const auto left = flipped(byte, bit);
    CAPTURE(batch);
    CAPTURE(byte);
    CAPTURE(bit);
    if (!crashed_.known_as_synced(batch)) {
      ++dropped_;
      REQUIRE_MESSAGE(left.has_value(), (left ? std::string() : left.error().message));
      CHECK(*left == crashed_.states[batch]);
      return;
    }
    ++found_;
    REQUIRE(!left);
    CHECK(left.error().code == Code::data_loss);
    const std::string place = options_.path + ": the log is damaged at byte " +
                              std::to_string(crashed_.records[batch].header[0]) + " of the file";
    CHECK_MESSAGE(left.error().message.find(place) == 0, left.error().message);
  }
  size_t found() const noexcept { return found_; }
  size_t dropped() const noexcept { return dropped_; }

 private:
  Crashed& crashed_;
  const EngineOptions options_;
  const std::string good_;
  size_t found_ = 0;
  size_t dropped_ = 0;
};

// Several records in a segment, one over two segments and one over several; batches that were synced with a later one;
// at the end two that only the last sync made durable.
std::vector<Batch> mixed_batches() {
  return {{100, true}, {3000, true}, {700, false}, {10, false},  {5000, true}, {20'000, true},
          {90, false}, {2000, true}, {40, true},   {6000, true}, {300, false}, {50, true}};
}

EngineOptions log_options(bool encrypted) {
  EngineOptions out =
      encrypted ? orbit::cow_btree::testing::encrypted_options() : orbit::cow_btree::testing::small_options();
  out.log_bytes = 8 << 20;
  out.compact_on_close = false;
  return out;
}

}  // namespace

TEST_CASE(
    "whichever bit of a record of the log is flipped, it is found and named, or was not known to be synced and ends "
    "the log") {
  bool encrypted = false;
  SUBCASE("plain") {}
  SUBCASE("encrypted") { encrypted = true; }
  const EngineOptions options = log_options(encrypted);
  Crashed crashed = crash_after(options, mixed_batches());
  std::mt19937_64 random(orbit::testing::seed_of_this_run());
  const size_t step = 16 / with_effort(16);
  Flips flips(crashed, options);
  for (size_t i = 0; i < crashed.records.size(); ++i) {
    const auto& record = crashed.records[i];
    for (size_t byte = random() % step; byte < std::size(record.header); byte += step)
      for (int bit = 0; bit < 8; ++bit) flips.check_record(i, record.header[byte], bit);
    for (size_t n = 0; n < with_effort(16); ++n) {
      const size_t byte = record.operations[random() % record.operations.size()];
      flips.check_record(i, byte, static_cast<int>(random() % 8));
    }
  }
  MESSAGE(flips.found() << " found, " << flips.dropped() << " at the end");
  CHECK(flips.dropped() > 0);
  CHECK(flips.found() > flips.dropped());
}

TEST_CASE(
    "whichever bit of a segment's header is flipped, no record that was known to be synced is lost without a word") {
  std::vector<Batch> batches = mixed_batches();
  SUBCASE("records of all sizes") {}
  SUBCASE("each record in three segments or more") {
    batches = {{20'000, true}, {20'000, true}, {18'000, true}, {30'000, true}};
  }
  SUBCASE("a record for each segment") {
    batches.assign(6, {8192 - 64 - 100, true});
    batches.push_back({50, true});
  }
  const EngineOptions options = log_options(false);
  Crashed crashed = crash_after(options, batches);
  REQUIRE(crashed.segments.size() > 4);
  const size_t step = 16 / with_effort(16);
  size_t found = 0;
  size_t harmless = 0;
  // The records before this one are known to have been synced.
  size_t known = batches.size();
  while (!crashed.known_as_synced(known - 1)) --known;
  Flips flips(crashed, options);
  for (const size_t segment : crashed.segments)
    for (size_t byte = 0; byte < sizeof(SegmentHeader); byte += step)
      for (int bit = 0; bit < 8; ++bit) {
        CAPTURE(segment);
        CAPTURE(byte);
        CAPTURE(bit);
        const auto left = flips.flipped(segment + byte, bit);
        if (!left) {
          ++found;
          CHECK(left.error().code == Code::data_loss);
          const std::string page = "page " + std::to_string(segment / kPageBytes) + ",";
          const std::string place = "byte " + std::to_string(segment) + " ";
          const std::string& message = left.error().message;
          CHECK_MESSAGE(message.find(options.path) == 0, message);
          CHECK_MESSAGE((message.find(page) != std::string::npos || message.find(place) != std::string::npos), message);
          continue;
        }
        ++harmless;
        bool tail = false;
        for (size_t i = known; i <= batches.size(); ++i) tail = tail || *left == crashed.states[i];
        CHECK_MESSAGE(tail, left->size() << " entries came back");
      }
  MESSAGE(found << " found, " << harmless << " without consequence");
  CHECK(found > harmless);
}
