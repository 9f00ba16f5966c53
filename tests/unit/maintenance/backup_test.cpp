// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "maintenance/backup.hpp"
#include "disks.hpp"
#include "state/instance_notes.hpp"
#include "support/temporary_folder.hpp"

using namespace test;
namespace fs = std::filesystem;

namespace {

void fill_with(Disk& disk, int entries) {
  std::mt19937_64 random(7);
  for (int i = 0; i < entries; ++i)
    disk.data["a" + std::to_string(random())] = std::string(random() % 50, static_cast<char>('a' + random() % 26));
}

std::vector<fs::path> files(const std::string& folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.file_size() > 0) out.push_back(entry.path());
  return out;
}

}  // namespace

TEST_CASE("a second backup writes only the chunks around what changed, and both can be restored") {
  orbit::test::TemporaryFolder folder;
  Disk disk;
  fill_with(disk, 30'000);
  const auto before = disk.data;
  const auto first = backup(named("main", disk), folder.path, kQuiet);
  REQUIRE(first);
  CHECK(first->number == 1);
  CHECK(first->entries == 30'000);
  CHECK(first->chunks > 15);
  CHECK(first->new_chunks == first->chunks);
  disk.data["a5 in the middle"] = "new";
  disk.data.erase(disk.data.begin());
  const auto second = backup(named("main", disk), folder.path, kQuiet);
  REQUIRE(second);
  CHECK(second->number == 2);
  CHECK(second->new_chunks <= 3);
  const auto again = backup(named("main", disk), folder.path, kQuiet);
  REQUIRE(again);
  CHECK(again->new_chunks == 0);

  for (const uint64_t number : {1u, 2u, 0u}) {
    Disk empty;
    REQUIRE(check_backup(folder.path, number, kQuiet));
    const auto restored = restore(folder.path, number, named("other", empty), kQuiet);
    REQUIRE(restored);
    CHECK(restored->source == "main");
    CHECK(empty.data == (number == 1 ? before : disk.data));
  }
}

TEST_CASE("a restore is refused where something is, and one that was cut off is begun again") {
  orbit::test::TemporaryFolder folder;
  Disk disk;
  fill_with(disk, 5000);
  REQUIRE(backup(named("main", disk), folder.path, kQuiet));
  Disk full;
  full.data["a"] = "b";
  const auto refused = restore(folder.path, 0, named("other", full), kQuiet);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("not empty") != std::string::npos);
  for (int writes = 0; writes < 4; ++writes) {
    Disk empty;
    empty.fail_after_writes = writes;
    CHECK_FALSE(restore(folder.path, 0, named("other", empty), kQuiet));
    empty.fail_after_writes = -1;
    if (writes > 0) {
      const auto note = read_copy_note(named("other", empty));
      REQUIRE((note && *note));
      CHECK((*note)->stage == CopyStage::copying);  // a node does not start on it
    }
    REQUIRE(restore(folder.path, 0, named("other", empty), kQuiet));
    CHECK(empty.data == disk.data);
  }
}

TEST_CASE("any damage to any file of a backup is found and named") {
  orbit::test::TemporaryFolder folder;
  Disk disk;
  fill_with(disk, 3000);
  REQUIRE(backup(named("main", disk), folder.path, kQuiet));
  std::mt19937_64 random(3);
  for (const fs::path& path : files(folder.path)) {
    CAPTURE(path.string());
    std::string good;
    {
      std::ifstream in(path, std::ios::binary);
      good.assign(std::istreambuf_iterator<char>(in), {});
    }
    for (int i = 0; i < 8; ++i) {
      std::string bad = good;
      if (i == 0)
        bad.resize(bad.size() / 2);
      else
        bad[random() % bad.size()] ^= static_cast<char>(1 << random() % 8);
      std::ofstream(path, std::ios::binary | std::ios::trunc) << bad;
      const auto checked = check_backup(folder.path, 0, kQuiet);
      REQUIRE_FALSE(checked);
      CHECK(checked.error().message.find(path.filename().string()) != std::string::npos);
      Disk empty;
      CHECK_FALSE(restore(folder.path, 0, named("other", empty), kQuiet));
    }
    // The next backup does not believe what is there.
    if (path.string().find("chunks") != std::string::npos) {
      REQUIRE(backup(named("main", disk), folder.path, kQuiet));
      CHECK(check_backup(folder.path, 0, kQuiet));
    }
    std::ofstream(path, std::ios::binary | std::ios::trunc) << good;
    for (uint64_t extra = 2; fs::remove(folder.path + "/manifests/0000000" + std::to_string(extra)); ++extra) {
    }
  }
  CHECK(check_backup(folder.path, 0, kQuiet));
}

TEST_CASE("old backups are removed with the chunks that only they need, and nothing is when a newer one is damaged") {
  orbit::test::TemporaryFolder folder;
  Disk disk;
  fill_with(disk, 8000);
  for (int i = 0; i < 4; ++i) {
    REQUIRE(backup(named("main", disk), folder.path, kQuiet));
    disk.data["a" + std::to_string(i) + " more"] = "new";
    disk.data.erase(std::prev(disk.data.end()));
  }
  const size_t before = files(folder.path).size();
  const std::string last = folder.path + "/manifests/00000004";
  const std::string text = [&] {
    std::ifstream in(last, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  std::ofstream(last, std::ios::binary | std::ios::trunc) << text.substr(0, 100);
  CHECK_FALSE(prune_backups(folder.path, 2));
  CHECK_FALSE(prune_backups(folder.path, 0));
  CHECK(files(folder.path).size() == before);
  std::ofstream(last, std::ios::binary | std::ios::trunc) << text;
  const auto pruned = prune_backups(folder.path, 2);
  REQUIRE(pruned);
  CHECK(pruned->backups == 2);
  CHECK(pruned->chunks >= 2);
  CHECK(files(folder.path).size() == before - pruned->backups - pruned->chunks);
  CHECK_FALSE(check_backup(folder.path, 2, kQuiet));
  for (const uint64_t number : {3u, 4u}) {
    Disk empty;
    CHECK(check_backup(folder.path, number, kQuiet));
    CHECK(restore(folder.path, number, named("other", empty), kQuiet));
  }
  CHECK(prune_backups(folder.path, 2)->chunks == 0);
  CHECK(backup(named("main", disk), folder.path, kQuiet)->number == 5);
}

TEST_CASE("a manifest that is none is refused with what is wrong") {
  const std::string good = manifest_text({"main", "2026-01-01T00:00:00Z", {{std::string(64, 'a'), 5, 1}}});
  const auto parsed = parse_manifest(good);
  REQUIRE(parsed);
  CHECK(parsed->source == "main");
  CHECK(parsed->chunks == std::vector<BackupChunk>{{std::string(64, 'a'), 5, 1}});
  CHECK_FALSE(parse_manifest(""));
  CHECK_FALSE(parse_manifest("orbit-backup 2\n"));
  for (size_t size = 0; size < good.size(); ++size) CHECK_FALSE(parse_manifest(std::string_view(good).substr(0, size)));
  for (const char* bad : {"", "ORBITCH", "ORBITCH1\x05", "ORBITCH1\x02\x02xxx", "ORBITCH1\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01"})
    CHECK(read_chunk_file(bad, [](std::string_view, std::string_view) {}).has_value() == false);
}
