// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "maintenance/backup.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <optional>
#include <set>

#include "maintenance/bulk.hpp"
#include "state/instance_notes.hpp"
#include "state/record_format.hpp"
#include "state/transfer.hpp"

namespace orbit::kernel {

namespace {

constexpr std::string_view kManifestHead = "orbit-backup 1\n";
constexpr std::string_view kChunkMagic = "ORBITCH1";
constexpr uint64_t kBoundaryMask = 1023;  // a chunk ends before about every 1024th key, whatever lies around it
constexpr uint64_t kChunkEntriesMax = 8192;
constexpr uint64_t kChunkBytesMax = 8u << 20;
constexpr uint64_t kManifestBytesMax = 1u << 30;
constexpr uint64_t kChunkFileBytesMax = 5ull << 30;
constexpr const char* kRestoring = "(a backup)";  // as the source in the note of an instance that is being filled

std::string sha256(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  std::string out;
  for (unsigned i = 0; i < size; ++i) {
    out.push_back("0123456789abcdef"[digest[i] >> 4]);
    out.push_back("0123456789abcdef"[digest[i] & 15]);
  }
  return out;
}

std::string now_text() {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string chunk_name(const std::string& hash) { return "chunks/" + hash.substr(0, 2) + "/" + hash; }
std::string manifest_name(uint64_t number) {
  const std::string digits = std::to_string(number);
  return "manifests/" + std::string(8 - std::min<size_t>(digits.size(), 8), '0') + digits;
}

// Cuts a stream of entries into the bytes of chunk files.
class Cutter {
 public:
  explicit Cutter(std::function<Result<>(std::string, uint64_t)> take) : take_(std::move(take)) {}

  Result<> add(std::string_view key, std::string_view value) {
    const bool full = entries_ >= kChunkEntriesMax || bytes_.size() + key.size() + value.size() > kChunkBytesMax;
    if (entries_ != 0 && (full || (key_hash(key) & kBoundaryMask) == 0))
      if (auto cut = end(); !cut) return cut;
    if (entries_ == 0) bytes_ = kChunkMagic;
    append_varint(bytes_, key.size());
    append_varint(bytes_, value.size());
    bytes_.append(key).append(value);
    ++entries_;
    return {};
  }
  Result<> end() {
    if (entries_ == 0) return {};
    return take_(std::exchange(bytes_, {}), std::exchange(entries_, 0));
  }

 private:
  std::function<Result<>(std::string, uint64_t)> take_;
  std::string bytes_;
  uint64_t entries_ = 0;
};

// Passes all entries of the instance to the cutter, as of one moment.
Result<> cut_all(const Engine& engine, Cutter& cutter, std::string_view stage, const Report& report) {
  struct Walk {
    Cutter& cutter;
    const Report& report;
    Progress progress;
    Result<> good;
  } walk{cutter, report, {stage}, {}};
  ErrorOut error;
  const orbit_code code = engine.table->scan(
      engine.self, nullptr, {"", 0}, {"", 0}, 0,
      [](void* ctx, orbit_bytes key, orbit_bytes value) -> int {
        auto& its = *static_cast<Walk*>(ctx);
        if (from_c(key).starts_with(kNoteSpace)) return 1;
        its.good = its.cutter.add(from_c(key), from_c(value));
        its.progress.bytes += key.size + value.size;
        if (++its.progress.entries % 4096 == 0) its.report(its.progress);
        return its.good ? 1 : 0;
      },
      &walk, &error);
  if (code != ORBIT_OK) return tl::unexpected(at_storage(engine, error.take(code)));
  if (!walk.good) return walk.good;
  return cutter.end();
}

// The next word of a line, which ends at a blank.
std::string_view word(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view out = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return out;
}

std::optional<uint64_t> number_of(std::string_view text) {
  uint64_t out = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (bad != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

bool is_hash(std::string_view text) noexcept {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string_view file_of(std::string_view name) noexcept { return name.substr(name.rfind('/') + 1); }

// The numbers of the place's backups, ascending.
Result<std::vector<uint64_t>> numbers_in(BackupPlace& place) {
  auto names = place.list("manifests/");
  if (!names) return tl::unexpected(names.error());
  std::vector<uint64_t> out;
  for (const std::string& name : *names)
    if (const auto its = number_of(file_of(name))) out.push_back(*its);
  std::sort(out.begin(), out.end());
  return out;
}

// 0: there is none.
Result<uint64_t> newest(BackupPlace& place) {
  auto numbers = numbers_in(place);
  if (!numbers) return tl::unexpected(numbers.error());
  return numbers->empty() ? 0 : numbers->back();
}

struct Opened {
  Manifest manifest;
  uint64_t number;
};
Result<Opened> open_manifest(BackupPlace& place, uint64_t number) {
  if (number == 0) {
    auto last = newest(place);
    if (!last) return tl::unexpected(last.error());
    if (*last == 0) return fail(Code::not_found, "there is no backup in " + place.where(""));
    number = *last;
  }
  const std::string name = manifest_name(number);
  auto text = place.read(name, kManifestBytesMax);
  if (!text) return tl::unexpected(text.error());
  auto manifest = parse_manifest(*text);
  if (!manifest) return fail(manifest.error().code, place.where(name) + ": " + manifest.error().message);
  return Opened{std::move(*manifest), number};
}

Result<std::string> read_verified(BackupPlace& place, const BackupChunk& chunk) {
  const std::string name = chunk_name(chunk.hash);
  auto bytes = place.read(name, kChunkFileBytesMax);
  if (!bytes) return bytes;
  if (const std::string hash = sha256(*bytes); hash != chunk.hash)
    return fail(Code::data_loss, place.where(name) + " is damaged: its content has the hash " + hash);
  return bytes;
}

}  // namespace

uint64_t Manifest::entries() const noexcept {
  uint64_t sum = 0;
  for (const BackupChunk& chunk : chunks) sum += chunk.entries;
  return sum;
}
uint64_t Manifest::bytes() const noexcept {
  uint64_t sum = 0;
  for (const BackupChunk& chunk : chunks) sum += chunk.bytes;
  return sum;
}

std::string manifest_text(const Manifest& manifest) {
  std::string out(kManifestHead);
  out += "source " + manifest.source + "\ncreated " + manifest.created + "\n";
  for (const BackupChunk& chunk : manifest.chunks)
    out += "chunk " + chunk.hash + " " + std::to_string(chunk.bytes) + " " + std::to_string(chunk.entries) + "\n";
  return out + "end " + sha256(out) + "\n";
}

Result<Manifest> parse_manifest(std::string_view text) {
  if (!text.starts_with(kManifestHead)) return fail(Code::data_loss, "expected a manifest that begins with 'orbit-backup 1'");
  const size_t end = text.rfind("end ");
  if (end == std::string_view::npos || end == 0 || text[end - 1] != '\n' || text.substr(end).size() != 4 + 64 + 1 ||
      !text.ends_with('\n'))
    return fail(Code::data_loss, "the manifest is cut: its last line, with its hash, is missing");
  const std::string_view said = text.substr(end + 4, 64);
  if (const std::string hash = sha256(text.substr(0, end)); hash != said)
    return fail(Code::data_loss, "the manifest is damaged: found the hash " + hash + ", expected " + std::string(said));
  return parse_manifest_lines(text.substr(kManifestHead.size(), end - kManifestHead.size()));
}

Result<Manifest> parse_manifest_lines(std::string_view rest) {
  Manifest out;
  for (size_t number = 2; !rest.empty(); ++number) {
    const size_t line_end = rest.find('\n');
    std::string_view line = rest.substr(0, line_end);
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::string_view kind = word(line);
    if (kind == "source") {
      out.source = line;
    } else if (kind == "created") {
      out.created = line;
    } else if (kind == "chunk") {
      BackupChunk chunk;
      chunk.hash = word(line);
      const auto bytes = number_of(word(line));
      const auto entries = number_of(word(line));
      if (!is_hash(chunk.hash) || !bytes || !entries || !line.empty())
        return fail(Code::data_loss, "line " + std::to_string(number) + " of the manifest is no chunk's");
      chunk.bytes = *bytes;
      chunk.entries = *entries;
      out.chunks.push_back(std::move(chunk));
    } else {
      return fail(Code::data_loss, "line " + std::to_string(number) + " of the manifest: expected source, created or chunk");
    }
  }
  return out;
}

Result<> read_chunk_file(std::string_view bytes, const std::function<void(std::string_view, std::string_view)>& visit) {
  if (!bytes.starts_with(kChunkMagic)) return fail(Code::data_loss, "expected a chunk that begins with ORBITCH1");
  bytes.remove_prefix(kChunkMagic.size());
  while (!bytes.empty()) {
    const auto key_size = take_varint(bytes);
    const auto value_size = key_size ? take_varint(bytes) : key_size;
    if (!value_size || *key_size > bytes.size() || *value_size > bytes.size() - *key_size)
      return fail(Code::data_loss, "the chunk ends inside an entry");
    visit(bytes.substr(0, *key_size), bytes.substr(*key_size, *value_size));
    bytes.remove_prefix(*key_size + *value_size);
  }
  return {};
}

Result<BackupResult> backup(const Engine& engine, BackupPlace& place, const Report& report,
                            const std::atomic<bool>* stop, Pace* pace) {
  auto claim = place.claim(stop);
  if (!claim) return tl::unexpected(claim.error());
  auto last = newest(place);
  if (!last) return tl::unexpected(last.error());
  BackupResult result;
  result.number = *last + 1;
  Manifest manifest{engine.name, now_text(), {}};
  Cutter cutter([&](std::string bytes, uint64_t entries) -> Result<> {
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) return fail(Code::cancelled, "the backup was given up");
    if (pace != nullptr) pace->wait(bytes.size(), stop);
    if (auto renewed = (*claim)->renew(); !renewed) return renewed;
    BackupChunk chunk{sha256(bytes), bytes.size(), entries};
    ++result.chunks;
    result.entries += entries;
    // An object of that name is not believed: it may be damaged, and this backup would be too.
    if (!read_verified(place, chunk)) {
      if (auto written = place.write(chunk_name(chunk.hash), bytes, true); !written) return written;
      if (auto read = read_verified(place, chunk); !read) return tl::unexpected(read.error());
      ++result.new_chunks;
      result.new_bytes += bytes.size();
    }
    manifest.chunks.push_back(std::move(chunk));
    return {};
  });
  if (auto cut = cut_all(engine, cutter, "saving", report); !cut) return tl::unexpected(cut.error());
  if (auto renewed = (*claim)->renew(); !renewed) return tl::unexpected(renewed.error());
  if (auto written = place.write(manifest_name(result.number), manifest_text(manifest), false); !written)
    return tl::unexpected(written.error());
  return result;
}

Result<PruneResult> prune_backups(BackupPlace& place, uint64_t keep) {
  if (keep == 0) return fail(Code::invalid_argument, "at least one backup must be kept");
  auto claim = place.claim(nullptr);
  if (!claim) return tl::unexpected(claim.error());
  auto numbers = numbers_in(place);
  if (!numbers) return tl::unexpected(numbers.error());
  PruneResult result;
  if (numbers->size() <= keep) return result;
  const auto first_kept = numbers->end() - static_cast<ptrdiff_t>(keep);
  std::set<std::string, std::less<>> needed;
  for (auto at = first_kept; at != numbers->end(); ++at) {
    auto opened = open_manifest(place, *at);
    if (!opened) return tl::unexpected(opened.error());
    for (const BackupChunk& chunk : opened->manifest.chunks) needed.insert(chunk.hash);
  }
  const auto removed = [&](const std::string& name) -> Result<> {
    if (auto renewed = (*claim)->renew(); !renewed) return renewed;
    return place.remove(name);
  };
  // Manifests first: what is left behind by a crash is chunks that nobody names, and the next time they go.
  for (auto at = numbers->begin(); at != first_kept; ++at, ++result.backups)
    if (auto good = removed(manifest_name(*at)); !good) return tl::unexpected(good.error());
  auto chunks = place.list("chunks/");
  if (!chunks) return tl::unexpected(chunks.error());
  for (const std::string& name : *chunks) {
    if (const std::string_view hash = file_of(name); !is_hash(hash) || needed.contains(hash)) continue;
    if (auto good = removed(name); !good) return tl::unexpected(good.error());
    ++result.chunks;
  }
  return result;
}

Result<Manifest> check_backup(BackupPlace& place, uint64_t number, const Report& report) {
  auto opened = open_manifest(place, number);
  if (!opened) return tl::unexpected(opened.error());
  Progress progress{"checking"};
  for (const BackupChunk& chunk : opened->manifest.chunks) {
    auto bytes = read_verified(place, chunk);
    if (!bytes) return tl::unexpected(bytes.error());
    uint64_t entries = 0;
    auto read = read_chunk_file(*bytes, [&entries](std::string_view, std::string_view) { ++entries; });
    if (read && entries != chunk.entries)
      read = fail(Code::data_loss, "found " + std::to_string(entries) + " entries, expected " + std::to_string(chunk.entries));
    if (!read) return fail(Code::data_loss, place.where(chunk_name(chunk.hash)) + ": " + read.error().message);
    progress.entries += entries;
    progress.bytes += bytes->size();
    report(progress);
  }
  return std::move(opened->manifest);
}

namespace {

// The entries of a backup's chunks, one after the other.
class ChunkSource final : public EntrySource {
 public:
  ChunkSource(BackupPlace& place, const Manifest& manifest, const Report& report)
      : place_(place), manifest_(manifest), report_(report) {}
  Result<bool> next(std::string_view& key, std::string_view& value) override {
    while (at_ == entries_.size()) {
      if (chunk_ == manifest_.chunks.size()) return false;
      if (auto read = read_next(); !read) return tl::unexpected(read.error());
    }
    key = entries_[at_].first;
    value = entries_[at_++].second;
    return true;
  }

 private:
  Result<> read_next() {
    const BackupChunk& chunk = manifest_.chunks[chunk_++];
    auto bytes = read_verified(place_, chunk);
    if (!bytes) return tl::unexpected(bytes.error());
    bytes_ = std::move(*bytes);
    entries_.clear();
    at_ = 0;
    auto read = read_chunk_file(
        bytes_, [this](std::string_view key, std::string_view value) { entries_.emplace_back(key, value); });
    if (!read) return fail(Code::data_loss, place_.where(chunk_name(chunk.hash)) + ": " + read.error().message);
    progress_.entries += entries_.size();
    progress_.bytes += bytes_.size();
    report_(progress_);
    return {};
  }

  BackupPlace& place_;
  const Manifest& manifest_;
  const Report& report_;
  Progress progress_{"restoring"};
  size_t chunk_ = 0;
  std::string bytes_;
  std::vector<std::pair<std::string_view, std::string_view>> entries_;
  size_t at_ = 0;
};

// Chunk by chunk, so that what was there before may stay.
Result<> write_chunks(BackupPlace& place, const Manifest& manifest, const Engine& engine, const Report& report) {
  Progress progress{"restoring"};
  ErrorOut error;
  std::vector<orbit_write_op> ops;
  for (const BackupChunk& chunk : manifest.chunks) {
    auto bytes = read_verified(place, chunk);
    if (!bytes) return tl::unexpected(bytes.error());
    ops.clear();
    auto read = read_chunk_file(*bytes, [&ops](std::string_view key, std::string_view value) {
      ops.push_back({ORBIT_WRITE_PUT, 0, to_c(key), to_c(value)});
    });
    if (!read) return fail(Code::data_loss, place.where(chunk_name(chunk.hash)) + ": " + read.error().message);
    const orbit_code code = engine.table->write(engine.self, ops.data(), ops.size(), 0, &error);
    if (code != ORBIT_OK) return tl::unexpected(at_storage(engine, error.take(code)));
    progress.entries += ops.size();
    progress.bytes += bytes->size();
    report(progress);
  }
  if (const orbit_code code = engine.table->sync(engine.self, &error); code != ORBIT_OK)
    return tl::unexpected(at_storage(engine, error.take(code)));
  return {};
}

}  // namespace

Result<Manifest> restore(BackupPlace& place, uint64_t number, const Engine& engine, const Report& report,
                         const orbit_storage_bulk_load_v1* bulk) {
  auto opened = open_manifest(place, number);
  if (!opened) return tl::unexpected(opened.error());
  const Manifest& manifest = opened->manifest;
  auto noted = read_copy_note(engine);
  if (!noted) return tl::unexpected(noted.error());
  const std::string id = "backup " + std::to_string(opened->number) + " " + manifest.created;
  if (*noted && ((*noted)->from != kRestoring || (*noted)->id != id))
    return fail(Code::failed_precondition, "the storage '" + engine.name + "' holds a copy of '" + (*noted)->from +
                                               "'; a backup is restored into an empty one");
  auto moved = read_moved_note(engine);
  if (!moved) return tl::unexpected(moved.error());
  if (!*noted) {
    auto holds = holds_any(engine, all_parts());
    if (!holds) return tl::unexpected(holds.error());
    if (*holds || *moved)
      return fail(Code::failed_precondition,
                  "the storage '" + engine.name + "' is not empty; a backup is restored into an empty one");
  }
  const CopyNote note{id, kRestoring, {}, CopyStage::copying};
  if (!*noted && bulk != nullptr) {
    ChunkSource source(place, manifest, report);
    if (auto loaded = bulk_load(engine, *bulk, source, note); !loaded) return tl::unexpected(loaded.error());
  } else {
    if (auto written = *noted ? Result<>() : write_copy_note(engine, note); !written)
      return tl::unexpected(written.error());
    if (auto written = write_chunks(place, manifest, engine, report); !written) return tl::unexpected(written.error());
  }
  // Cutting what is there now must give the same chunks.
  size_t next = 0;
  Cutter cutter([&](std::string bytes, uint64_t entries) -> Result<> {
    if (next >= manifest.chunks.size() || manifest.chunks[next] != BackupChunk{sha256(bytes), bytes.size(), entries})
      return fail(Code::data_loss, "the storage '" + engine.name + "' does not hold what the backup has after it was restored");
    ++next;
    return {};
  });
  if (auto cut = cut_all(engine, cutter, "verifying", report); !cut) return tl::unexpected(cut.error());
  if (next != manifest.chunks.size())
    return fail(Code::data_loss, "the storage '" + engine.name + "' lacks entries of the backup after it was restored");
  if (auto removed = remove_copy_note(engine, {}); !removed) return tl::unexpected(removed.error());
  return std::move(opened->manifest);
}

}  // namespace orbit::kernel
