// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What orbitctl prints and what it copies, without a node.
#include "text.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "client.hpp"
#include "live_commands.hpp"
#include "new_project.hpp"

using namespace orbit::ctl;
namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr Column kColumns[] = {{"NAME", "name"}, {"SIZE", "size", Format::bytes}, {"LIST", "list"}};

std::string table(const char* rows, size_t width) {
  std::ostringstream out;
  print_table(out, kColumns, json::parse(rows).as_array(), width);
  return out.str();
}

struct Folder {
  fs::path path = fs::temp_directory_path() / ("orbitctl-text-" + std::to_string(getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
};

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

std::string read(const fs::path& file) {
  std::stringstream out;
  out << std::ifstream(file).rdbuf();
  return out.str();
}

}  // namespace

TEST_CASE("a table is aligned, numbers to the right, and has no spaces at the end") {
  CHECK(table(R"([{"name":"a","size":2048,"list":["x","y"]},{"name":"ärger","size":5,"list":[]}])", 0) ==
        "NAME      SIZE  LIST\n"
        "a      2.0 KiB  x, y\n"
        "ärger      5 B  -\n");
}

TEST_CASE("lines are cut at the terminal's width, between characters") {
  CHECK(table(R"([{"name":"äöüäöüäöü","size":1,"list":[]}])", 8) == "NAME   …\näöüäöüä…\n");
  CHECK(table(R"([{"name":"a","size":1,"list":[]}])", 200) == table(R"([{"name":"a","size":1,"list":[]}])", 0));
}

TEST_CASE("a key cannot move the cursor") {
  CHECK(printable("plain ä €") == "plain ä €");
  CHECK(printable("\x1b[2J\n\r\t\x7f") == "\\x1b[2J\\x0a\\x0d\\x09\\x7f");
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");
  CHECK(printable("\xc2\x9b"
                  "2J") ==
        "\\xc2\\x9b"
        "2J");
}

TEST_CASE("amounts are short") {
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(1023) == "1023 B");
  CHECK(format_bytes(1536) == "1.5 KiB");
  CHECK(format_bytes(UINT64_MAX) == "16.0 EiB");
  CHECK(format_duration(0) == "0ms");
  CHECK(format_duration(999) == "999ms");
  CHECK(format_duration(59'999) == "59s");
  CHECK(format_duration(61'000) == "1m 1s");
  CHECK(format_duration(3'660'000) == "1h 1m");
  CHECK(format_duration(90'000'000) == "1d 1h");
}

TEST_CASE("JSON is printed with indentation and parses to the same") {
  const char* text = R"({"a":[1,{"b":null}],"c":{},"d":[],"e\n":"x\"y"})";
  std::ostringstream out;
  print_json(out, json::parse(text));
  CHECK(out.str() ==
        "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ],\n  \"c\": {},\n  \"d\": [],\n  \"e\\n\": "
        "\"x\\\"y\"\n}\n");
  CHECK(json::parse(out.str()) == json::parse(text));
}

TEST_CASE("every byte of a key survives a path") {
  CHECK(encode("az-._~09") == "az-._~09");
  CHECK(encode("a/b ?#%+") == "a%2Fb%20%3F%23%25%2B");
  CHECK(encode(std::string_view("\0\xff", 2)) == "%00%FF");
}

TEST_CASE("names of projects have three forms, and only good names are taken") {
  const ProjectName name = project_name("bank_account2");
  CHECK(name.snake == "bank_account2");
  CHECK(name.pascal == "BankAccount2");
  CHECK(name.upper == "BANK_ACCOUNT2");
  for (const char* wrong :
       {"", "Bank", "2bank", "_bank", "bank_", "bank__account", "bank-account", "bank/../x", "b\xc3\xa4nk", "class", "co_await",
        "std", "orbit"})
    CHECK_THROWS_AS(project_name(wrong), Failure);
  CHECK_THROWS_AS(project_name(std::string(65, 'a')), Failure);
}

TEST_CASE("a template is copied with names filled in, in files and in their names, and permissions kept") {
  const Folder folder;
  write(folder.path / "from/src/@name@.cpp", "class @Name@ {}; // @NAME@_H @other@ @name@@name@\n");
  write(folder.path / "from/run", "#!/bin/sh\n");
  fs::permissions(folder.path / "from/run", fs::perms::owner_all);
  const auto files = copy_template(folder.path / "from", folder.path / "into", project_name("my_actor"));
  CHECK(files == std::vector<fs::path>{"run", "src/my_actor.cpp"});
  CHECK(read(folder.path / "into/src/my_actor.cpp") == "class MyActor {}; // MY_ACTOR_H @other@ my_actormy_actor\n");
  CHECK(fs::status(folder.path / "into/run").permissions() == fs::perms::owner_all);
}

TEST_CASE("what is there already is not touched, and a failure leaves nothing behind") {
  const Folder folder;
  write(folder.path / "from/a", "new");
  write(folder.path / "into/a", "mine");
  CHECK_THROWS_AS(copy_template(folder.path / "from", folder.path / "into", project_name("x")), Failure);
  CHECK(read(folder.path / "into/a") == "mine");
  CHECK_THROWS_AS(copy_template(folder.path / "nothing", folder.path / "other", project_name("x")), Failure);
  fs::create_directory(folder.path / "empty");
  CHECK_THROWS_AS(copy_template(folder.path / "empty", folder.path / "other", project_name("x")), Failure);
  size_t left = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder.path)) ++left;
  CHECK(left == 3);
}

TEST_CASE("waits are shown as a tree; what was shown is not shown again, and circles end") {
  json::array nodes;
  for (const char* key : {"x", "a", "b"})
    nodes.push_back(json::object{{"type", "t"}, {"key", key}, {"worker", 0}, {"method", "M"}, {"age_ms", 5},
                                 {"state", "waits"}, {"waits_for", json::array{json::object{{"kind", "call"}}}}});
  const auto edge = [](int from, int to, bool circle) {
    return json::object{{"from", from}, {"to", to}, {"method", "N"}, {"queued", circle}, {"deadlock", circle}};
  };
  const json::object graph{{"nodes", nodes},
                           {"edges", json::array{edge(0, 1, false), edge(1, 2, true), edge(2, 1, true)}},
                           {"deadlocks", 1},
                           {"truncated", false},
                           {"silent_workers", json::array{1}}};
  std::ostringstream out;
  print_waits(out, graph);
  CHECK(out.str() ==
        "t/x M (5ms, worker 0)\n"
        "  -> t/a M (5ms, worker 0)\n"
        "    => N waits in the mailbox, behind t/b M (5ms, worker 0)  DEADLOCK\n"
        "      => N waits in the mailbox, behind t/a M (5ms, worker 0)  DEADLOCK  (see above)\n"
        "1 deadlock: these turns wait for each other until a deadline or a cancellation ends one\n"
        "worker 1 does not answer: orbitctl top shows what it runs\n");
}
