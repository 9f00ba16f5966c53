// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "manifest.hpp"

#include <charconv>
#include <cstdio>

namespace orbit::lsm {
namespace {

constexpr uint64_t kMagic = 0x3146494e414d4c4f;  // "OLMANIF1"

void put_end(std::string& out, const RangeEnd& end) {
  out.push_back(end.infinite ? 1 : 0);
  put_bytes(out, end.key);
}

}  // namespace

std::string Manifest::encode() const {
  std::string out;
  put_fixed(out, kMagic);
  for (const uint64_t number : {next_file, first_log, last_sequence, synced.log, synced.offset})
    put_varint(out, number);
  put_varint(out, times.size());
  for (const WrittenBy& time : times) {
    put_varint(out, time.sequence);
    put_varint(out, time.seconds);
  }
  for (const auto& level : levels) {
    put_varint(out, level.size());
    for (const TableInfo& table : level) {
      for (const uint64_t number : {table.number, table.bytes, table.entries, table.sequence_min, table.sequence_max})
        put_varint(out, number);
      put_bytes(out, table.smallest);
      put_end(out, table.end);
    }
  }
  put_fixed(out, checksum(out, kMagic));
  return out;
}

Manifest Manifest::decode(Bytes data, const std::string& path) {
  if (data.size() < 16 ||
      checksum(data.substr(0, data.size() - 8), kMagic) != load<uint64_t>(data.data() + data.size() - 8))
    raise(Code::data_loss, "the manifest " + path + " is damaged: the checksum of its " + std::to_string(data.size()) +
                               " bytes is wrong");
  Parser parser(data.substr(0, data.size() - 8), path);
  if (parser.fixed<uint64_t>() != kMagic) raise(Code::failed_precondition, path + " is no manifest of this version");
  Manifest out;
  for (uint64_t* number : {&out.next_file, &out.first_log, &out.last_sequence, &out.synced.log, &out.synced.offset})
    *number = parser.varint();
  out.times.resize(parser.count());
  for (WrittenBy& time : out.times) {
    time.sequence = parser.varint();
    time.seconds = parser.varint();
  }
  for (auto& level : out.levels) {
    level.resize(parser.count());
    for (TableInfo& table : level) {
      for (uint64_t* number : {&table.number, &table.bytes, &table.entries, &table.sequence_min, &table.sequence_max})
        *number = parser.varint();
      table.smallest = parser.bytes();
      table.end.infinite = parser.fixed<uint8_t>() != 0;
      table.end.key = parser.bytes();
    }
  }
  if (!parser.done()) parser.damaged();
  return out;
}

std::string manifest_path(const std::string& directory) { return directory + "/MANIFEST"; }

namespace {
std::string numbered(const std::string& directory, uint64_t number, const char* suffix) {
  char name[32];
  std::snprintf(name, sizeof name, "%06llu%s", static_cast<unsigned long long>(number), suffix);
  return directory + "/" + name;
}
}  // namespace

std::string table_path(const std::string& directory, uint64_t number) { return numbered(directory, number, ".table"); }
std::string log_path(const std::string& directory, uint64_t number) { return numbered(directory, number, ".log"); }

std::optional<uint64_t> number_of(const std::string& name, std::string_view suffix) {
  if (!name.ends_with(suffix) || name.size() == suffix.size()) return {};
  uint64_t number = 0;
  const char* const end = name.data() + name.size() - suffix.size();
  const auto [at, error] = std::from_chars(name.data(), end, number);
  if (error != std::errc() || at != end) return {};
  return number;
}

std::string read_file(FileSystem& files, const std::string& path) {
  const auto file = must(files.open(path, OpenMode::existing));
  std::string out(must(file->size()), '\0');
  out.resize(must(file->read(0, out)));
  return out;
}

void write_manifest(FileSystem& files, const std::string& directory, const Manifest& manifest, const Keyring* keyring,
                    const std::set<uint64_t>& used) {
  const std::string path = manifest_path(directory);
  const std::string temporary = path + ".new";
  {
    const auto file = must(files.open(temporary, OpenMode::create));
    must(file->truncate(0));
    must(file->write(0, keyring != nullptr ? keyring->seal_manifest(manifest.encode(), used) : manifest.encode()));
    must(file->sync());
  }
  must(files.rename(temporary, path));
  must(files.sync_directory(directory));
}

std::optional<Manifest> read_manifest(FileSystem& files, const std::string& directory, const std::shared_ptr<const MasterKeys>& master,
                                      std::unique_ptr<Keyring>& keyring) {
  const std::string path = manifest_path(directory);
  if (!must(files.exists(path))) return {};
  const std::string data = read_file(files, path);
  if (Keyring::is_sealed_manifest(data)) {
    std::string plain;
    keyring = Keyring::open_manifest(data, path, master, plain);
    return Manifest::decode(plain, path);
  }
  Manifest out = Manifest::decode(data, path);
  if (master != nullptr) throw Failure{error_not_encrypted(path)};
  return out;
}

}  // namespace orbit::lsm
