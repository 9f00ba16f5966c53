// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "snapshot_file.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>

namespace orbit::storage_memory {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers of the file are little-endian");

constexpr char kMagic[8] = {'O', 'R', 'B', 'I', 'T', 'M', 'E', 'M'};
constexpr uint32_t kVersion = 1;
constexpr uint32_t kSealedVersion = 2;
constexpr size_t kHeaderBytes = 16;  // magic, version, zero
constexpr size_t kSealedHeaderBytes =
    88;  // and name of the master key, wrapped key, zero; after each of both its checksum
constexpr Bytes kWrappingPlace = "orbit.memory";
constexpr size_t kBlockHeaderBytes = 24;  // payload bytes, entries, checksum
constexpr size_t kEntryHeaderBytes = 12;  // key bytes, value bytes
constexpr size_t kBlockBytes = size_t{1} << 20;  // a block ends with the entry that reaches this

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
template <class T>
T number_at(const char* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

std::string header(const WrappedKey* key) {
  std::string out(kMagic, sizeof kMagic);
  append(out, key == nullptr ? kVersion : kSealedVersion);
  append(out, uint32_t{0});
  if (key != nullptr) {
    append(out, key->master_id);
    out.append(key->bytes.data(), key->bytes.size());
    append(out, uint32_t{0});
  }
  append(out, XXH3_64bits(out.data(), out.size()));
  return out;
}

// What a sealed block is bound to, beside the key of its file.
struct BlockPlace {
  uint64_t place, bytes, entries;
};
template <class T>
Bytes octets_of(const T& value) noexcept {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// Seeded with the place, so that a block is whole only where it belongs.
uint64_t checksum(uint64_t place, uint64_t bytes, uint64_t entries, Bytes payload) noexcept {
  const uint64_t head[] = {place, bytes, entries};
  return XXH3_64bits_withSeed(payload.data(), payload.size(), XXH3_64bits(head, sizeof head));
}

class Writing {
 public:
  Writing(File& file, const MasterKeys* keys) : file_(file), keys_(keys) {}
  Result<> begin() {
    if (keys_ == nullptr) return write(header(nullptr));
    const EncryptionKey key = EncryptionKey::random();
    sealer_.emplace(key);
    const WrappedKey wrapped = keys_->wrap(key, kWrappingPlace);
    return write(header(&wrapped));
  }
  Result<> add(Bytes key, Bytes value) {
    append(payload_, static_cast<uint32_t>(key.size()));
    append(payload_, static_cast<uint64_t>(value.size()));
    payload_.append(key).append(value);
    ++entries_;
    return payload_.size() >= kBlockBytes ? end_block() : Result<>();
  }
  // A block without entries is the end.
  Result<> end() {
    if (entries_ > 0)
      if (auto ended = end_block(); !ended) return ended;
    if (auto ended = end_block(); !ended) return ended;
    return file_.sync();
  }

 private:
  Result<> end_block() {
    if (sealer_) {
      const BlockPlace place{at_, payload_.size() + Sealer::kTagBytes, entries_};
      sealed_.resize(place.bytes);
      sealer_->seal_at(at_, octets_of(place), payload_, sealed_.data() + Sealer::kTagBytes, sealed_.data());
      payload_.swap(sealed_);
    }
    std::string head;
    append(head, static_cast<uint64_t>(payload_.size()));
    append(head, entries_);
    append(head, checksum(at_, payload_.size(), entries_, payload_));
    auto written = write(head).and_then([&] { return write(payload_); });
    payload_.clear();
    entries_ = 0;
    return written;
  }
  Result<> write(Bytes bytes) {
    auto written = file_.write(at_, bytes);
    at_ += bytes.size();
    return written;
  }

  File& file_;
  const MasterKeys* const keys_;
  std::optional<Sealer> sealer_;
  uint64_t at_ = 0;
  std::string payload_;
  std::string sealed_;
  uint64_t entries_ = 0;
};

class Reading {
 public:
  Reading(File& file, const std::string& path, const MasterKeys* keys) : file_(file), path_(path), keys_(keys) {}

  Result<> run(FunctionRef<Result<>(std::span<const orbit_write_op>)> take) {
    auto size = file_.size();
    if (!size) return tl::unexpected<Error>(size.error());
    size_ = *size;
    if (auto ok = check_header(); !ok) return ok;
    for (;;) {
      auto more = read_block();
      if (!more) return tl::unexpected<Error>(more.error());
      if (!*more) break;
      if (auto taken = take(ops_); !taken) return taken;
      last_key_.assign(from_c(ops_.back().key));
    }
    if (at_ != size_) return damaged(at_, "the end of the file", std::to_string(size_ - at_) + " more bytes");
    return {};
  }
  bool by_previous_key() const noexcept { return keys_ != nullptr && master_id_ != keys_->current_id(); }

 private:
  tl::unexpected<Error> damaged(uint64_t at, const std::string& expected, const std::string& found) const {
    return fail(Code::data_loss, "the snapshot file " + path_ + " is damaged at byte " + std::to_string(at) + ": expected " +
                                     expected + ", found " + found);
  }
  Result<> fill(std::span<char> into, const std::string& what) {
    auto got = file_.read(at_, into);
    if (!got) return tl::unexpected<Error>(got.error());
    if (*got != into.size())
      return damaged(at_, std::to_string(into.size()) + " bytes of " + what, "the end of the file after " + std::to_string(*got));
    at_ += into.size();
    return {};
  }

  Result<> check_header() {
    std::string found(kHeaderBytes, '\0');
    if (auto ok = fill(found, "the header"); !ok) return ok;
    if (std::memcmp(found.data(), kMagic, sizeof kMagic) != 0)
      return damaged(0, "\"ORBITMEM\"", detail::readable({found.data(), sizeof kMagic}));
    const auto version = number_at<uint32_t>(found.data() + sizeof kMagic);
    const bool sealed = version == kSealedVersion;
    const bool known = sealed || version == kVersion;
    found.resize((sealed ? kSealedHeaderBytes : kHeaderBytes) + 8);
    bool whole = known || size_ >= found.size();
    if (whole) {
      if (auto ok = fill({found.data() + kHeaderBytes, found.size() - kHeaderBytes}, "the header"); !ok) return ok;
      whole = XXH3_64bits(found.data(), found.size() - 8) == number_at<uint64_t>(found.data() + found.size() - 8);
    }
    if (!known) {
      // Where the checksum lies depends on the version, so this may be a sound header of a later one.
      const std::string told = "the snapshot file " + path_ + " has the unknown version " + std::to_string(version) +
                               " (this node reads " + std::to_string(kVersion) + " and " +
                               std::to_string(kSealedVersion) + ")";
      if (whole) return fail(Code::failed_precondition, told);
      return fail(Code::data_loss, told + ", or is damaged: the checksum of its header does not match");
    }
    if (!whole) return damaged(0, "a header with its checksum", "another checksum");
    const std::string what = "the snapshot file " + path_;
    if (!sealed) return keys_ == nullptr ? Result<>() : tl::unexpected<Error>(error_not_encrypted(what));
    WrappedKey wrapped{number_at<uint64_t>(found.data() + kHeaderBytes), {}};
    std::memcpy(wrapped.bytes.data(), found.data() + kHeaderBytes + 8, wrapped.bytes.size());
    master_id_ = wrapped.master_id;
    if (keys_ == nullptr) return tl::unexpected<Error>(error_key_missing(what, master_id_));
    const auto key = keys_->unwrap(wrapped, kWrappingPlace, what);
    if (!key) return tl::unexpected<Error>(key.error());
    sealer_.emplace(*key);
    return {};
  }

  // False: it was the end.
  Result<bool> read_block() {
    const uint64_t place = at_;
    std::array<char, kBlockHeaderBytes> head;
    if (auto ok = fill(head, "a block's header"); !ok) return tl::unexpected<Error>(ok.error());
    const auto bytes = number_at<uint64_t>(head.data());
    const auto entries = number_at<uint64_t>(head.data() + 8);
    // Before it is believed: nothing is allocated that the file does not have.
    if (bytes > size_ - at_)
      return damaged(place, "a block within the file", "one of " + std::to_string(bytes) + " bytes with " +
                                                           std::to_string(size_ - at_) + " left");
    payload_.resize(bytes);
    if (auto ok = fill(payload_, "a block"); !ok) return tl::unexpected<Error>(ok.error());
    if (checksum(place, bytes, entries, payload_) != number_at<uint64_t>(head.data() + 16))
      return damaged(place, "a block with its checksum", "another checksum");
    Bytes content = payload_;
    if (sealer_) {
      const BlockPlace sealed_for{place, bytes, entries};
      if (bytes < Sealer::kTagBytes ||
          !sealer_->open_at(place, octets_of(sealed_for), content.substr(Sealer::kTagBytes),
                            payload_.data() + Sealer::kTagBytes, payload_.data()))
        return damaged(place, "a block that opens with the file's key", "another one");
      content.remove_prefix(Sealer::kTagBytes);
    }
    ops_.clear();
    size_t at = 0;
    Bytes last = last_key_;
    while (at < content.size()) {
      const uint64_t entry_at = place + kBlockHeaderBytes + at;
      const size_t left = content.size() - at;
      if (left < kEntryHeaderBytes) return damaged(entry_at, "an entry", std::to_string(left) + " bytes");
      const auto key_bytes = number_at<uint32_t>(content.data() + at);
      const auto value_bytes = number_at<uint64_t>(content.data() + at + 4);
      const size_t room = left - kEntryHeaderBytes;
      if (key_bytes > room || value_bytes > room - key_bytes)
        return damaged(entry_at, "an entry within its block", "one of " + std::to_string(key_bytes) + " and " +
                                                                  std::to_string(value_bytes) + " bytes");
      const Bytes key(content.data() + at + kEntryHeaderBytes, key_bytes);
      if ((any_ || !ops_.empty()) && key <= last)
        return damaged(entry_at, "a key after " + detail::readable(last), detail::readable(key));
      last = key;
      ops_.push_back({ORBIT_WRITE_PUT, 0, to_c(key), {key.data() + key_bytes, static_cast<size_t>(value_bytes)}});
      at += kEntryHeaderBytes + key_bytes + static_cast<size_t>(value_bytes);
    }
    if (ops_.size() != entries)
      return damaged(place, std::to_string(entries) + " entries", std::to_string(ops_.size()));
    any_ = any_ || !ops_.empty();
    return !ops_.empty();
  }

  File& file_;
  const std::string& path_;
  const MasterKeys* const keys_;
  uint64_t master_id_ = 0;
  std::optional<Sealer> sealer_;
  uint64_t size_ = 0;
  uint64_t at_ = 0;
  std::string payload_;
  std::vector<orbit_write_op> ops_;  // of the block in payload_
  std::string last_key_;             // of the block before
  bool any_ = false;
};

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1));
}

}  // namespace

Result<> write_snapshot(FileSystem& files, const std::string& path, FunctionRef<Result<>(VisitEntry)> scan,
                        const MasterKeys* keys) {
  const std::string made = path + ".new";
  {
    auto file = files.open(made, OpenMode::create);
    if (!file) return tl::unexpected<Error>(file.error());
    Writing writing(**file, keys);
    auto done = (*file)->truncate(0).and_then([&] { return writing.begin(); });
    if (done) {
      Result<> added;
      done = scan([&](Bytes key, Bytes value) {
        added = writing.add(key, value);
        return added.has_value();
      });
      if (!added) done = added;
    }
    if (done) done = writing.end();
    if (!done) {
      if (auto removed = files.remove(made); !removed) done.error().message += " (and " + removed.error().message + ")";
      return done;
    }
  }
  return files.rename(made, path).and_then([&] { return files.sync_directory(directory_of(path)); });
}

Result<SnapshotFound> read_snapshot(FileSystem& files, const std::string& path,
                                    FunctionRef<Result<>(std::span<const orbit_write_op>)> take,
                                    const MasterKeys* keys) {
  auto file = files.open(path, OpenMode::existing);
  if (!file && file.error().code == Code::not_found) return SnapshotFound::none;
  if (!file) return tl::unexpected<Error>(file.error());
  Reading reading(**file, path, keys);
  if (auto read = reading.run(take); !read) return tl::unexpected<Error>(read.error());
  return reading.by_previous_key() ? SnapshotFound::by_previous_key : SnapshotFound::whole;
}

}  // namespace orbit::storage_memory
