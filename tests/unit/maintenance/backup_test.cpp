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
  FolderPlace place(folder.path);
  Disk disk;
  fill_with(disk, 30'000);
  const auto before = disk.data;
  const auto first = backup(named("main", disk), place, kQuiet);
  REQUIRE(first);
  CHECK(first->number == 1);
  CHECK(first->entries == 30'000);
  CHECK(first->chunks > 15);
  CHECK(first->new_chunks == first->chunks);
  disk.data["a5 in the middle"] = "new";
  disk.data.erase(disk.data.begin());
  const auto second = backup(named("main", disk), place, kQuiet);
  REQUIRE(second);
  CHECK(second->number == 2);
  CHECK(second->new_chunks <= 3);
  const auto again = backup(named("main", disk), place, kQuiet);
  REQUIRE(again);
  CHECK(again->new_chunks == 0);

  for (const uint64_t number : {1u, 2u, 0u}) {
    Disk empty;
    REQUIRE(check_backup(place, number, kQuiet));
    const auto restored = restore(place, number, named("other", empty), kQuiet);
    REQUIRE(restored);
    CHECK(restored->source == "main");
    CHECK(empty.data == (number == 1 ? before : disk.data));
  }
}

TEST_CASE("a restore is refused where something is, and one that was cut off is begun again") {
  orbit::test::TemporaryFolder folder;
  FolderPlace place(folder.path);
  Disk disk;
  fill_with(disk, 5000);
  REQUIRE(backup(named("main", disk), place, kQuiet));
  Disk full;
  full.data["a"] = "b";
  const auto refused = restore(place, 0, named("other", full), kQuiet);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("not empty") != std::string::npos);
  for (int writes = 0; writes < 4; ++writes) {
    Disk empty;
    empty.fail_after_writes = writes;
    CHECK_FALSE(restore(place, 0, named("other", empty), kQuiet));
    empty.fail_after_writes = -1;
    if (writes > 0) {
      const auto note = read_copy_note(named("other", empty));
      REQUIRE((note && *note));
      CHECK((*note)->stage == CopyStage::copying);  // a node does not start on it
    }
    REQUIRE(restore(place, 0, named("other", empty), kQuiet));
    CHECK(empty.data == disk.data);
  }
}

TEST_CASE("any damage to any file of a backup is found and named") {
  orbit::test::TemporaryFolder folder;
  FolderPlace place(folder.path);
  Disk disk;
  fill_with(disk, 3000);
  REQUIRE(backup(named("main", disk), place, kQuiet));
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
      const auto checked = check_backup(place, 0, kQuiet);
      REQUIRE_FALSE(checked);
      CHECK(checked.error().message.find(path.filename().string()) != std::string::npos);
      Disk empty;
      CHECK_FALSE(restore(place, 0, named("other", empty), kQuiet));
    }
    // The next backup does not believe what is there.
    if (path.string().find("chunks") != std::string::npos) {
      REQUIRE(backup(named("main", disk), place, kQuiet));
      CHECK(check_backup(place, 0, kQuiet));
    }
    std::ofstream(path, std::ios::binary | std::ios::trunc) << good;
    for (uint64_t extra = 2; fs::remove(folder.path + "/manifests/0000000" + std::to_string(extra)); ++extra) {
    }
  }
  CHECK(check_backup(place, 0, kQuiet));
}

TEST_CASE("old backups are removed with the chunks that only they need, and nothing is when a newer one is damaged") {
  orbit::test::TemporaryFolder folder;
  FolderPlace place(folder.path);
  Disk disk;
  fill_with(disk, 8000);
  for (int i = 0; i < 4; ++i) {
    REQUIRE(backup(named("main", disk), place, kQuiet));
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
  CHECK_FALSE(prune_backups(place, 2));
  CHECK_FALSE(prune_backups(place, 0));
  CHECK(files(folder.path).size() == before);
  std::ofstream(last, std::ios::binary | std::ios::trunc) << text;
  const auto pruned = prune_backups(place, 2);
  REQUIRE(pruned);
  CHECK(pruned->backups == 2);
  CHECK(pruned->chunks >= 2);
  CHECK(files(folder.path).size() == before - pruned->backups - pruned->chunks);
  CHECK_FALSE(check_backup(place, 2, kQuiet));
  for (const uint64_t number : {3u, 4u}) {
    Disk empty;
    CHECK(check_backup(place, number, kQuiet));
    CHECK(restore(place, number, named("other", empty), kQuiet));
  }
  CHECK(prune_backups(place, 2)->chunks == 0);
  CHECK(backup(named("main", disk), place, kQuiet)->number == 5);
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

// ---- what a plugin makes of an address -------------------------------------------------------------------------------

namespace {

// A bucket in memory.
struct Bucket {
  std::map<std::string, std::string> objects;
  std::function<void(const std::string& name)> before_read = [](const std::string&) {};

  static Bucket& of(void* self) { return *static_cast<Bucket*>(self); }
  static const orbit_backup_target_v1* table() {
    static constexpr orbit_backup_target_v1 kTable = {
        .struct_size = sizeof(orbit_backup_target_v1),
        .reserved = 0,
        .scheme = [](void*) { return orbit::to_c(orbit::Bytes("test")); },
        .open = [](void* self, orbit_bytes, orbit_backup_place** place, orbit_error*) -> orbit_code {
          *place = static_cast<orbit_backup_place*>(self);
          return ORBIT_OK;
        },
        .close = [](void*, orbit_backup_place*) {},
        .read = [](void* self, orbit_backup_place*, orbit_bytes name, uint64_t, orbit_sink bytes, orbit_error*) -> orbit_code {
          of(self).before_read(std::string(orbit::from_c(name)));
          const auto found = of(self).objects.find(std::string(orbit::from_c(name)));
          if (found == of(self).objects.end()) return ORBIT_NOT_FOUND;
          bytes.append(bytes.ctx, orbit::to_c(orbit::Bytes(found->second)));
          return ORBIT_OK;
        },
        .write = [](void* self, orbit_backup_place*, orbit_bytes name, orbit_bytes bytes, int replace, orbit_error*) -> orbit_code {
          const std::string key(orbit::from_c(name));
          if (replace == 0 && of(self).objects.contains(key)) return ORBIT_ALREADY_EXISTS;
          of(self).objects[key] = orbit::from_c(bytes);
          return ORBIT_OK;
        },
        .list = [](void* self, orbit_backup_place*, orbit_bytes prefix, orbit_visit_object visit, void* ctx, orbit_error*) -> orbit_code {
          for (const auto& [name, bytes] : of(self).objects)
            if (name.starts_with(orbit::from_c(prefix))) visit(ctx, orbit::to_c(orbit::Bytes(name)), bytes.size());
          return ORBIT_OK;
        },
        .remove = [](void* self, orbit_backup_place*, orbit_bytes name, orbit_error*) -> orbit_code {
          of(self).objects.erase(std::string(orbit::from_c(name)));
          return ORBIT_OK;
        },
    };
    return &kTable;
  }
  std::unique_ptr<TargetPlace> place(ClaimTimes times = {}) {
    auto opened = TargetPlace::open(table(), this, "test://bucket/of/a/test", std::move(times));
    REQUIRE(opened);
    return std::move(*opened);
  }
};

}  // namespace

TEST_CASE("backups in a plugin's place are incremental, verified, restored and removed as those in a folder") {
  Bucket bucket;
  const auto place = bucket.place();
  Disk disk;
  fill_with(disk, 10'000);
  const auto before = disk.data;
  REQUIRE(backup(named("main", disk), *place, kQuiet));
  disk.data["a5 in the middle"] = "new";
  const auto second = backup(named("main", disk), *place, kQuiet);
  REQUIRE(second);
  CHECK(second->number == 2);
  CHECK(second->new_chunks <= 2);
  CHECK(!bucket.objects.contains("claim"));
  for (const uint64_t number : {1u, 2u}) {
    Disk empty;
    REQUIRE(restore(*place, number, named("other", empty), kQuiet));
    CHECK(empty.data == (number == 1 ? before : disk.data));
  }
  const auto pruned = prune_backups(*place, 1);
  REQUIRE(pruned);
  CHECK(pruned->backups == 1);
  CHECK(pruned->chunks == second->new_chunks);
  REQUIRE(check_backup(*place, 2, kQuiet));
  auto& chunk = std::prev(bucket.objects.lower_bound("chunkt"))->second;
  chunk[chunk.size() / 2] ^= 1;
  const auto checked = check_backup(*place, 0, kQuiet);
  REQUIRE_FALSE(checked);
  CHECK(checked.error().message.find("'test://bucket/of/a/test/chunks/") != std::string::npos);
}

TEST_CASE("a place that another process writes to is refused while that lives, and taken over when it is dead") {
  Bucket bucket;
  Disk disk;
  fill_with(disk, 2000);
  bucket.objects["claim"] = "1 a.b process 7 on elsewhere\n";
  int pauses = 0;
  ClaimTimes times;
  times.dead_after = std::chrono::seconds(30);
  times.pause = [&](std::chrono::milliseconds) {
    if (++pauses == 5) bucket.objects["claim"] = "2 a.b process 7 on elsewhere\n";
  };
  const auto refused = backup(named("main", disk), *bucket.place(times), kQuiet);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == orbit::Code::failed_precondition);
  CHECK(refused.error().message.find("process 7 on elsewhere") != std::string::npos);
  CHECK(bucket.objects.size() == 1);
  // Says nothing any more.
  CHECK(backup(named("main", disk), *bucket.place(times), kQuiet));
  CHECK(pauses > 30);
  CHECK(!bucket.objects.contains("claim"));
}

TEST_CASE("who lost its claim on a place makes no backup that counts, and removes nothing") {
  Bucket bucket;
  Disk disk;
  fill_with(disk, 5000);
  ClaimTimes times;
  times.renew_every = std::chrono::milliseconds(0);
  const auto place = bucket.place(times);
  REQUIRE(backup(named("main", disk), *place, kQuiet));
  disk.data.erase(disk.data.begin());
  REQUIRE(backup(named("main", disk), *place, kQuiet));
  const auto before = bucket.objects;
  int looks = 2;
  bucket.before_read = [&](const std::string& name) {
    if (name == "claim" && --looks == 0) bucket.objects["claim"] = "1 c.d process 8 on elsewhere\n";
  };
  disk.data.erase(std::prev(disk.data.end()));
  const auto lost = backup(named("main", disk), *place, kQuiet);
  REQUIRE_FALSE(lost);
  CHECK(lost.error().code == orbit::Code::aborted);
  CHECK(bucket.objects.at("claim").find("process 8") != std::string::npos);
  CHECK(!bucket.objects.contains("manifests/00000003"));
  bucket.objects.erase("claim");
  looks = 1;
  const auto pruned = prune_backups(*place, 1);
  REQUIRE_FALSE(pruned);
  CHECK(pruned.error().code == orbit::Code::aborted);
  for (const auto& [name, bytes] : before) CHECK(bucket.objects.contains(name));
}
