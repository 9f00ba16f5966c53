// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "log.hpp"

#include <algorithm>
#include <set>

namespace orbit::cow_btree {

namespace {

constexpr uint64_t aligned(uint64_t bytes) noexcept { return (bytes + 7) & ~uint64_t{7}; }

uint64_t record_sum(RecordHeader header, Bytes operations) noexcept {
  header.sum = 0;
  const uint64_t seed = bytes_sum({reinterpret_cast<const char*>(&header), sizeof header}, kRecordMagic);
  return bytes_sum(operations, seed);
}
uint64_t segment_sum(SegmentHeader header) noexcept {
  header.sum = 0;
  return bytes_sum({reinterpret_cast<const char*>(&header), sizeof header}, kSegmentMagic);
}

}  // namespace

Log::Log(File& file, std::string path, Space& space, uint64_t file_id, uint32_t segment_bytes, Seals* seals)
    : file_(file), path_(std::move(path)), space_(space), file_id_(file_id), segment_bytes_(segment_bytes), seals_(seals) {}

bool Log::valid_segment_bytes(uint64_t bytes) noexcept {
  return bytes >= 2 * kPageBytes && bytes <= (uint64_t{64} << 20) && bytes % kPageBytes == 0;
}

uint64_t Log::offset_of(uint64_t lsn) const noexcept {
  const Segment& at = segments_[lsn / capacity() - segments_.front().index];
  return uint64_t{at.page} * kPageBytes + sizeof(SegmentHeader) + lsn % capacity();
}

bool Log::pieces(uint64_t lsn, uint64_t bytes, const std::function<void(uint64_t, uint64_t)>& piece) const {
  while (bytes > 0) {
    if (segments_.empty() || lsn / capacity() < segments_.front().index || lsn / capacity() > segments_.back().index) return false;
    const uint64_t part = std::min(bytes, capacity() - lsn % capacity());
    piece(offset_of(lsn), part);
    lsn += part;
    bytes -= part;
  }
  return true;
}

PageId Log::new_segment() {
  if (!spare_.empty()) {
    const PageId out = spare_.back();
    spare_.pop_back();
    return out;
  }
  const PageId page = space_.allocate(segment_pages());
  const std::string zeros(std::min<uint64_t>(segment_bytes_, 1 << 20), '\0');
  for (uint64_t done = 0; done < segment_bytes_; done += zeros.size()) {
    const Bytes part = Bytes(zeros).substr(0, segment_bytes_ - done);
    if (Result<> put = file_.write(uint64_t{page} * kPageBytes + done, part); !put) {
      space_.give_back(page, segment_pages());
      must(std::move(put));
    }
  }
  return page;
}

void Log::prepare(uint64_t lsn) {
  const uint64_t last = lsn / capacity() + 1;
  if (segments_.empty()) segments_.push_back({lsn_ / capacity(), new_segment()});
  while (segments_.back().index < last) {
    const PageId next = new_segment();
    SegmentHeader header{};
    header.magic = kSegmentMagic;
    header.index = segments_.back().index;
    header.file_id = file_id_;
    header.next = next;
    header.sum = segment_sum(header);
    if (Result<> put = file_.write(uint64_t{segments_.back().page} * kPageBytes, Bytes(reinterpret_cast<const char*>(&header), sizeof header));
        !put) {
      spare_.push_back(next);
      must(std::move(put));
    }
    segments_.push_back({header.index + 1, next});
  }
}

LogStart Log::start_here() {
  prepare(lsn_);
  return {lsn_, previous_, segments_[lsn_ / capacity() - segments_.front().index].page};
}

void Log::append(Bytes operations, bool will_sync) {
  const size_t content = operations.size() + (seals_ != nullptr ? kSealBytes : 0);
  const uint64_t bytes = aligned(sizeof(RecordHeader) + content);
  prepare(lsn_ + bytes);
  RecordHeader header{};
  header.magic = kRecordMagic;
  header.bytes = static_cast<uint32_t>(content);
  header.lsn = lsn_;
  header.previous = previous_;
  header.synced = synced_;
  if (seals_ != nullptr) {
    seals_->seal_record(header, operations, sealed_);
    operations = sealed_;
  }
  header.sum = record_sum(header, operations);
  buffer_.assign(reinterpret_cast<const char*>(&header), sizeof header);
  buffer_.append(operations);
  buffer_.resize(bytes);
  Result<> put;
  uint64_t done = 0;
  pieces(lsn_, bytes, [&](uint64_t offset, uint64_t part) {
    const Bytes piece = Bytes(buffer_).substr(done, part);
    if (put) put = will_sync ? file_.write(offset, piece) : file_.overwrite(offset, piece);
    done += part;
  });
  must(std::move(put));
  lsn_ += bytes;
  previous_ = header.sum;
}

void Log::drop_spares(size_t kept) {
  for (; spare_.size() > kept; spare_.pop_back()) space_.give_back(spare_.back(), segment_pages());
}

bool Log::lies_behind(PageId boundary) const noexcept {
  return std::any_of(segments_.begin(), segments_.end(),
                     [&](const Segment& at) { return at.page + segment_pages() > boundary; });
}

Log::End Log::restart() {
  // Zeros that were never synced would be no harm, but metadata to write, or not there.
  drop_spares();
  const End before{lsn_, segments_.back().index};
  const PageId page = new_segment();
  segments_.push_back({before.segment + 1, page});
  lsn_ = segments_.back().index * capacity();
  try {
    prepare(lsn_);
  } catch (...) {
    take_back(before);
    throw;
  }
  return before;
}

void Log::take_back(const End& end) {
  for (; segments_.back().index > end.segment; segments_.pop_back())
    space_.give_back(segments_.back().page, segment_pages());
  lsn_ = end.lsn;
}

void Log::drop_before(uint64_t lsn) {
  while (!segments_.empty() && segments_.front().index < lsn / capacity()) {
    if (spare_.size() < spares_max_)
      spare_.push_back(segments_.front().page);
    else
      space_.give_back(segments_.front().page, segment_pages());
    segments_.pop_front();
  }
}

void Log::clear() {
  for (const Segment& at : segments_) space_.give_back(at.page, segment_pages());
  for (const PageId page : spare_) space_.give_back(page, segment_pages());
  segments_.clear();
  spare_.clear();
}

void Log::mark_unused_but(uint64_t lsn, Bitmap& map) const {
  const auto free = [&](PageId page) {
    for (uint32_t i = 0; i < segment_pages(); ++i) map.set(page + i, false);
  };
  for (const Segment& at : segments_)
    if (at.index != lsn / capacity()) free(at.page);
  for (const PageId page : spare_) free(page);
}

void Log::mark_all_unused(Bitmap& map) const { mark_unused_but(~uint64_t{0}, map); }

// ---- after a crash -------------------------------------------------------------------------------------------------

bool Log::read(uint64_t lsn, char* into, uint64_t bytes) {
  bool all = true;
  const bool known = pieces(lsn, bytes, [&](uint64_t offset, uint64_t part) {
    if (must(file_.read(offset, {into, part})) != part) all = false;
    into += part;
  });
  return known && all;
}

bool Log::read_record(uint64_t lsn, RecordHeader& header, std::string& operations) {
  if (!read(lsn, reinterpret_cast<char*>(&header), sizeof header)) return false;
  if (header.magic != kRecordMagic || header.lsn != lsn) return false;
  const uint64_t end = (segments_.back().index + 1) * capacity();
  if (header.bytes > end - lsn) return false;
  operations.resize(header.bytes);
  return read(lsn + sizeof header, operations.data(), header.bytes) && record_sum(header, operations) == header.sum;
}

bool Log::read_segment_header(PageId page, SegmentHeader& header) {
  return must(file_.read(uint64_t{page} * kPageBytes, {reinterpret_cast<char*>(&header), sizeof header})) ==
             sizeof header &&
         header.magic == kSegmentMagic && header.file_id == file_id_ && header.sum == segment_sum(header);
}

// From the last one that is known on.
void Log::follow_segments() {
  const uint64_t pages = must(file_.size()) / kPageBytes;
  for (;;) {
    const Segment at = segments_.back();
    SegmentHeader header{};
    if (!read_segment_header(at.page, header) || header.index != at.index) return;
    if (header.next < 2 || uint64_t{header.next} + segment_pages() > pages || segments_.size() > pages) return;
    segments_.push_back({at.index + 1, header.next});
  }
}

void Log::find_segments(const LogStart& start) {
  const uint64_t pages = must(file_.size()) / kPageBytes;
  if (start.page < 2 || uint64_t{start.page} + segment_pages() > pages)
    raise(Code::data_loss, path_ + ": the log's first segment lies outside of the file");
  // Written before the slot was.
  SegmentHeader first{};
  if (!read_segment_header(start.page, first) || first.index != start.lsn / capacity())
    raise(Code::data_loss, path_ + ": the log's first segment, page " + std::to_string(start.page) + ", is damaged");
  segments_.push_back({start.lsn / capacity(), start.page});
  follow_segments();
}

void Log::replay(const LogStart& start, const std::function<void(Bytes)>& record) {
  lsn_ = synced_ = start.lsn;
  previous_ = start.previous;
  if (start.page == 0) return;
  find_segments(start);
  std::vector<RecordHeader> found;
  RecordHeader header;
  std::string operations;
  while (read_record(lsn_, header, operations) && header.previous == previous_) {
    found.push_back(header);
    lsn_ += aligned(sizeof header + operations.size());
    previous_ = header.sum;
  }
  refuse_damage(lsn_);
  refuse_lost_segments(lsn_);
  // What comes after the segment that the next record begins in may be a trace of writes that never happened, and by now
  // something else.
  while (segments_.back().index > lsn_ / capacity()) segments_.pop_back();
  for (const Segment& at : segments_) space_.mark_used(at.page, segment_pages());
  synced_ = start.lsn;
  for (const RecordHeader& at : found) {
    operations.resize(at.bytes);
    if (!read(at.lsn + sizeof header, operations.data(), at.bytes)) raise(Code::data_loss, path_ + ": the log cannot be read twice");
    if (seals_ != nullptr && !seals_->open_record(at, operations))
      raise(Code::data_loss, path_ + ": the record at byte " + std::to_string(offset_of(at.lsn)) + " of the file does not open with the file's key");
    record(operations);
  }
}

// In the segments that are known.
bool Log::later_record_says_synced(uint64_t from, uint64_t lsn) {
  const uint64_t end = (segments_.back().index + 1) * capacity();
  RecordHeader header;
  std::string operations;
  constexpr uint64_t kStep = 1 << 16;
  std::string window;
  for (uint64_t at = from; at + sizeof header <= end; at += kStep) {
    const uint64_t bytes = std::min<uint64_t>(kStep + sizeof header, end - at);
    window.resize(bytes);
    if (!read(at, window.data(), bytes)) return false;
    for (uint64_t i = 0; i < kStep && i + sizeof header <= bytes; i += 8) {
      header = read_at<RecordHeader>(window.data() + i);
      if (header.magic != kRecordMagic || header.lsn != at + i || header.synced <= lsn) continue;
      if (read_record(at + i, header, operations)) return true;
    }
  }
  return false;
}

// What ends the log at `lsn` is a write that was cut short, unless a later record says that it had been synced.
void Log::refuse_damage(uint64_t lsn) {
  if (later_record_says_synced(lsn, lsn))
    raise(Code::data_loss, path_ + ": the log is damaged at byte " + std::to_string(offset_of(lsn)) +
                               " of the file: what is there had been synced");
}

bool Log::reaches_beyond_segments(uint64_t lsn) {
  if (lsn / capacity() == segments_.back().index) return true;
  RecordHeader header;
  if (!read(lsn, reinterpret_cast<char*>(&header), sizeof header)) return true;
  const uint64_t end = (segments_.back().index + 1) * capacity();
  return header.magic == kRecordMagic && header.lsn == lsn && header.previous == previous_ &&
         header.bytes > end - lsn - sizeof header;
}

// The header of the last known segment leads to none: it had not been written, or it is damaged, and then what comes
// after it is in pages of which nothing knows. A log that ends before that segment asks nothing of it. A record that is
// found there tells, by saying that the log had been synced beyond `lsn`.
void Log::refuse_lost_segments(uint64_t lsn) {
  if (!reaches_beyond_segments(lsn)) return;
  const Segment last = segments_.back();
  const uint64_t pages = must(file_.size()) / kPageBytes;
  std::vector<Segment> lost;
  for (uint64_t page = 2; page + segment_pages() <= pages; ++page) {
    SegmentHeader header{};
    // Only what the slot does not lead to: segments after the first are not in its map.
    if (space_.is_used(static_cast<PageId>(page)) || !read_segment_header(static_cast<PageId>(page), header)) continue;
    if (header.index > last.index) lost.push_back({header.index, static_cast<PageId>(page)});
  }
  std::sort(lost.begin(), lost.end(), [](const Segment& a, const Segment& b) { return a.index < b.index; });
  std::set<PageId> seen;
  std::deque<Segment> known;
  known.swap(segments_);
  bool synced = false;
  for (const Segment& at : lost) {
    if (!seen.insert(at.page).second) continue;
    segments_.assign(1, at);
    follow_segments();
    for (const Segment& followed : segments_) seen.insert(followed.page);
    synced = synced || later_record_says_synced(at.index * capacity(), lsn);
  }
  segments_.swap(known);
  if (synced)
    raise(
        Code::data_loss,
        path_ + ": the log is damaged at byte " + std::to_string(uint64_t{last.page} * kPageBytes) +
            " of the file: the segment there does not lead to the next one, in which records lie that had been synced");
}

}  // namespace orbit::cow_btree
