// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The file's log: what was committed since the tree was last written out. A chain of segments (runs of pages that were filled
// with zeros once and are overwritten from then on, so that a sync has no metadata to write), a stream of records in them.
// Belongs to the writer.
#pragma once

#include <deque>
#include <functional>
#include <orbit/files.hpp>
#include <string>
#include <vector>

#include "seals.hpp"
#include "space.hpp"

namespace orbit::cow_btree {

// Where reading begins after a crash; part of a commit slot.
struct LogStart {
  uint64_t lsn = 0;
  uint64_t previous = 0;
  PageId page = 0;  // 0: there is no log
};

class Log {
 public:
  // `seals` is null when the file is not encrypted.
  Log(File& file, std::string path, Space& space, uint64_t file_id, uint32_t segment_bytes, Seals* seals);

  // Reads all records from `start` on: finds the segments, marks them in `space`, and hands the operations to `record` after
  // all of that. DATA_LOSS: a record is damaged that was synced.
  void replay(const LogStart& start, const std::function<void(Bytes operations)>& record);

  // Writes a record; it is in the log once this returns. After an error the log is as before. `will_sync`: a sync follows at once.
  void append(Bytes operations, bool will_sync);
  // Where a slot that contains everything appended so far says that reading begins. Prepares segments.
  LogStart start_here();
  struct End {
    uint64_t lsn;
    uint64_t segment;  // the index of the last one
  };
  // Goes on in new segments: after a sync that failed, behind everything that may or may not be there. Nothing may be
  // appended before a slot leads there. Returns where it ended; after an error it is as before.
  End restart();
  // It goes on where it ended before restart: no slot leads, or may lead, to what came since.
  void take_back(const End& end);
  // Gives back what is kept to be written over, but for `kept` segments.
  void drop_spares(size_t kept = 0);
  // A checkpoint would leave segments to be written over, or to be given back.
  bool checkpoint_frees() const noexcept { return !segments_.empty() && segments_.front().index < lsn_ / capacity(); }
  // A part of it lies behind the page.
  bool lies_behind(PageId boundary) const noexcept;
  // There will be no log after the slot that gets this; the next append needs start_here first.
  LogStart end_here() const noexcept { return {lsn_, previous_, 0}; }

  // The file was synced when the log had reached `lsn`.
  void set_synced(uint64_t lsn) noexcept { synced_ = std::max(synced_, lsn); }
  // The slot that begins at `lsn` is certain: what is before it may be overwritten.
  void drop_before(uint64_t lsn);
  // Nothing of it is in use any more. Gives all segments back.
  void clear();
  // Takes all segments out of `map` but the one that holds `lsn`: after a crash the others are found from there, or not needed.
  void mark_unused_but(uint64_t lsn, Bitmap& map) const;
  void mark_all_unused(Bitmap& map) const;

  bool ready() const noexcept { return !segments_.empty(); }
  uint64_t lsn() const noexcept { return lsn_; }
  uint64_t synced() const noexcept { return synced_; }
  uint64_t bytes_since(uint64_t lsn) const noexcept { return lsn_ - lsn; }
  void set_spares_max(size_t count) noexcept { spares_max_ = count; }
  static bool valid_segment_bytes(uint64_t bytes) noexcept;

 private:
  struct Segment {
    uint64_t index;
    PageId page;
  };
  uint64_t capacity() const noexcept { return segment_bytes_ - sizeof(SegmentHeader); }
  uint32_t segment_pages() const noexcept { return static_cast<uint32_t>(segment_bytes_ / kPageBytes); }
  PageId new_segment();
  // The segments for the log's bytes up to `lsn` and one more are there, and each knows the next.
  void prepare(uint64_t lsn);
  uint64_t offset_of(uint64_t lsn) const noexcept;
  // Calls with each piece of the file that the log's bytes lie in. False: there is no such segment.
  bool pieces(uint64_t lsn, uint64_t bytes, const std::function<void(uint64_t offset, uint64_t bytes)>& piece) const;
  bool read(uint64_t lsn, char* into, uint64_t bytes);
  bool read_record(uint64_t lsn, RecordHeader& header, std::string& operations);
  bool read_segment_header(PageId page, SegmentHeader& header);
  void follow_segments();
  void find_segments(const LogStart& start);
  bool later_record_says_synced(uint64_t from, uint64_t lsn);
  bool reaches_beyond_segments(uint64_t lsn);
  void refuse_damage(uint64_t lsn);
  void refuse_lost_segments(uint64_t lsn);

  File& file_;
  const std::string path_;
  Space& space_;
  const uint64_t file_id_;
  const uint32_t segment_bytes_;
  Seals* const seals_;
  std::deque<Segment> segments_;  // consecutive; the last one has no header yet
  std::vector<PageId> spare_;
  size_t spares_max_ = 64;
  uint64_t lsn_ = 0;
  uint64_t previous_ = 0;
  uint64_t synced_ = 0;
  std::string buffer_;
  std::string sealed_;
};

}  // namespace orbit::cow_btree
