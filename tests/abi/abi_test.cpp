// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <elf.h>
#include <algorithm>
#include <cstring>
#include <filesystem>

#include "host_fixture.hpp"
#include "old_plugin.h"

using namespace orbit::kernel;
using namespace orbit::test;
namespace fs = std::filesystem;

TEST_CASE("an intact plugin runs and stops") {
  Host host(entry("thing", "test.broken", kBroken + "intact.so"));
  CHECK(host.run().empty());
  CHECK(host.host->status()[0].state == "running");
  CHECK(host.host->stop({}));
  CHECK(host.host->status()[0].state == "stopped");
  CHECK(host.host->destroy());
}

TEST_CASE("a plugin built against the frozen ABI 1.0 is configured, started and called by today's kernel") {
  Host host(entry("old", "test.old", kOld, "[plugin.config]\ntext = \"hello\"\n"));
  CHECK(host.run().empty());
  const auto provided = host.host->provided_by("old", OLD_PLUGIN_V1);
  REQUIRE(provided);
  const auto* table = static_cast<const old_plugin_v1*>(provided->table);
  CHECK(table->size_bytes(provided->self) == 7);
  CHECK(std::string(table->text(provided->self)) == "hello");
  CHECK(table->started(provided->self) == 1);
  CHECK(host.metrics.render().find("orbit_old_created_total 1\n") != std::string::npos);
  CHECK(host.host->stop({}));
  CHECK(table->started(provided->self) == 0);
  CHECK(host.host->destroy());
  host.log->close();
  check_parts(read(host.folder.path + "/log"), {"old: old plugin created text=hello"});
}

TEST_CASE("a plugin of a newer minor with a longer descriptor works") {
  Host host(entry("thing", "test.broken", kBroken + "newer_minor.so"));
  CHECK(host.run().empty());
  CHECK(host.host->status()[0].state == "running");
  CHECK(host.host->stop({}));
  CHECK(host.host->destroy());
}

TEST_CASE("a library without the symbol is refused") {
  check_parts(refusal_of(kBroken + "no_symbol.so"), {"no_symbol.so", "found no symbol 'orbit_plugin'", "expected"});
}

TEST_CASE("another ABI major is refused") {
  check_parts(refusal_of(kBroken + "wrong_major.so"), {"wrong_major.so", "found ABI major 9", "expected 1"});
}

TEST_CASE("a descriptor that is too short is refused") {
  check_parts(refusal_of(kBroken + "short_struct.so"),
              {"short_struct.so", "found a descriptor of 64 bytes", "expected at least 72"});
}

TEST_CASE("a null descriptor is refused") {
  check_parts(refusal_of(kBroken + "null_descriptor.so"),
              {"null_descriptor.so", "returned null", "expected a descriptor"});
}

TEST_CASE("a schema whose default breaks its own bounds is refused") {
  check_parts(refusal_of(kBroken + "bad_default.so"),
              {"bad_default.so", "option 'count'", "expected 0 to 10", "found 1000"});
}

TEST_CASE("a need that nobody meets is refused") {
  check_parts(refusal_of(kBroken + "missing_needs.so"),
              {"missing_needs.so", "needs 'orbit.teleport/1'", "expected it from the node", "orbit.log/1"});
}

TEST_CASE("a plugin that does not have what it says it provides is refused") {
  check_parts(refusal_of(kBroken + "false_provides.so"),
              {"false_provides.so", "provides 'test.thing/1'", "returned null", "expected a table"});
}

TEST_CASE("a create that fails is refused with its own message") {
  check_parts(refusal_of(kBroken + "create_fails.so"),
              {"create_fails.so", "`create` failed", "UNAVAILABLE", "the disk is on fire"});
}

TEST_CASE("a create that throws is refused and the node lives") {
  check_parts(refusal_of(kBroken + "create_throws.so"),
              {"create_throws.so", "`create` threw", "thrown across the edge", "expected"});
}

TEST_CASE("a create that gives no instance is refused") {
  check_parts(refusal_of(kBroken + "create_gives_nothing.so"),
              {"create_gives_nothing.so", "no instance", "expected one"});
}

TEST_CASE("a create that hangs is given up after plugin_create_timeout_ms") {
  check_parts(refusal_of(kBroken + "create_hangs.so"),
              {"create_hangs.so", "`create` did not return", "plugin_create_timeout_ms (2000 ms)"});
}

TEST_CASE("a start that fails is refused with its own message") {
  check_parts(refusal_of(kBroken + "start_fails.so"), {"start_fails.so", "`start` failed", "the port is taken"});
}

TEST_CASE("a stop that hangs is given up after stop_timeout_ms and the others are stopped") {
  Host host(entry("first", "test.old", kOld, "[plugin.config]\ntext = \"x\"\n") +
            entry("hangs", "test.broken", kBroken + "stop_hangs.so"));
  CHECK(host.run().empty());
  CHECK_FALSE(host.host->stop({}));
  check_parts(host.host->refusals().at(0), {"stop_hangs.so", "`stop` did not return", "stop_timeout_ms (500 ms)"});
  CHECK(host.host->status()[0].state == "stopped");
  CHECK(host.host->caller().abandoned() == 1);
  CHECK(host.host->destroy());
}

TEST_CASE("a library that kills its process is found out in another process") {
  check_parts(refusal_of(kBroken + "entry_crashes.so"), {"entry_crashes.so", "expected an intact ELF shared library"});
}

TEST_CASE("a library that hangs when it is tried is given up after probe_timeout_ms") {
  check_parts(refusal_of(kBroken + "entry_hangs.so", 1000), {"entry_hangs.so", "probe_timeout_ms (1000)"});
}

TEST_CASE("a truncated library is refused, wherever it is cut") {
  TemporaryFolder folder;
  const std::string file = folder.path + "/truncated.so";
  const std::string whole = read(kBroken + "intact.so");
  // What lies behind the last segment (debug information) is not loaded and not missed.
  Elf64_Ehdr header;
  std::memcpy(&header, whole.data(), sizeof header);
  size_t loaded = 0;
  for (size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, whole.data() + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type == PT_LOAD && segment.p_filesz != 0) loaded = std::max<size_t>(loaded, segment.p_offset);
  }
  REQUIRE(loaded > 1000);
  for (const size_t size : {size_t{1}, size_t{4}, size_t{63}, size_t{64}, size_t{1000}, loaded / 2, loaded}) {
    fs::remove(file);
    write(file, std::string_view(whole).substr(0, size));
    CAPTURE(size);
    check_parts(refusal_of(file), {file, "expected"});
  }
}

TEST_CASE("a library with a corrupt program header is refused, whichever bit is wrong") {
  TemporaryFolder folder;
  const std::string file = folder.path + "/corrupt.so";
  const std::string whole = read(kBroken + "intact.so");
  // Some flips do no harm (an alignment, an unused flag); none may hurt this process.
  size_t refused = 0;
  constexpr size_t kElfHeaderBytes = 64;
  for (size_t at = kElfHeaderBytes; at < kElfHeaderBytes + 4 * 56; at += 7) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
    fs::remove(file);
    write(file, bytes);
    const auto probed = probe_library(file, ORBITD, 60'000);
    if (!probed) {
      ++refused;
      CHECK(probed.error().message.find(file) == 0);
      CHECK(probed.error().message.find('\n') == std::string::npos);
    }
  }
  CHECK(refused > 0);
}

TEST_CASE("what is no library at all is refused with what was found") {
  TemporaryFolder folder;
  write(folder.path + "/empty.so", "");
  write(folder.path + "/text.so", "this is no library");
  fs::create_directory(folder.path + "/folder.so");
  fs::create_symlink(folder.path + "/gone", folder.path + "/dangling.so");
  check_parts(refusal_of(folder.path + "/empty.so"),
              {"empty.so", "found an empty file", "expected an ELF shared library"});
  check_parts(refusal_of(folder.path + "/text.so"), {"text.so", "does not begin as an ELF image", "expected"});
  check_parts(refusal_of(folder.path + "/folder.so"), {"folder.so", "found a directory", "expected"});
  check_parts(refusal_of(folder.path + "/dangling.so"),
              {"dangling.so", "symbolic link to '" + folder.path + "/gone'", "expected"});
  check_parts(refusal_of(folder.path + "/absent.so"), {"absent.so", "found nothing", "expected"});
}

TEST_CASE("a file with another id than the configuration says is refused") {
  Host host(entry("thing", "test.other", kBroken + "intact.so"));
  check_parts(host.run().at(0), {"intact.so", "found the plugin id 'test.broken'", "expected 'test.other'"});
}

TEST_CASE("one id in two files is refused, in two entries and in the search paths") {
  Host two(entry("a", "test.broken", kBroken + "intact.so") + entry("b", "test.broken", kBroken + "newer_minor.so"));
  check_parts(two.run().at(0), {"plugin 'b'", "newer_minor.so", "intact.so", "expected one file for one id"});
  TemporaryFolder folder;
  fs::copy(kBroken + "intact.so", folder.path + "/one.so");
  fs::copy(kBroken + "intact.so", folder.path + "/two.so");
  Host searched(entry("thing", "test.broken", ""), {folder.path});
  check_parts(searched.run().at(0), {"one.so", "two.so", "expected one file"});
}

TEST_CASE("one file serves several instances") {
  Host host(entry("a", "test.broken", kBroken + "intact.so") + entry("b", "test.broken", kBroken + "intact.so"));
  CHECK(host.run().empty());
  CHECK(host.host->status().size() == 2);
  CHECK(host.host->stop({}));
  CHECK(host.host->destroy());
}

TEST_CASE("a plugin without path is found by its id; when it is not, the message says what was searched") {
  TemporaryFolder folder;
  fs::copy(kOld, folder.path + "/any_name.so");
  write(folder.path + "/junk.so", "junk");
  Host found(entry("old", "test.old", "", "[plugin.config]\ntext = \"x\"\n"), {folder.path});
  CHECK(found.run().empty());
  CHECK(found.host->status()[0].file == folder.path + "/any_name.so");
  CHECK(found.host->stop({}));
  CHECK(found.host->destroy());
  Host missing(entry("old", "test.odl", ""), {folder.path, "/nonexistent/plugins"});
  check_parts(missing.run().at(0),
              {"test.odl", "searched " + folder.path + " (2 libraries)",
               "/nonexistent/plugins (No such file or directory)", "did you mean 'test.old'?", "junk.so"});
}

TEST_CASE("a broken plugin that is not required leaves the others running") {
  Host host(entry("bad", "test.broken", kBroken + "create_throws.so", "required = false\n") +
            entry("good", "test.old", kOld, "[plugin.config]\ntext = \"x\"\n"));
  CHECK(host.run().empty());
  CHECK(host.host->status()[0].state == "failed");
  CHECK(host.host->status()[1].state == "running");
  CHECK(host.host->stop({}));
  CHECK(host.host->destroy());
}
