// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "observe/log.hpp"
#include "plugin/context.hpp"
#include "support/temporary_folder.hpp"

using namespace orbit::kernel;
using orbit::test::TemporaryFolder;

namespace {

// Opens a log, lets `use` write, and returns the lines.
template <class Use>
std::vector<std::string> lines_of(LogOptions options, Use use) {
  TemporaryFolder folder;
  options.file = folder.path + "/log";
  auto log = Log::open(options);
  REQUIRE(log);
  use(**log);
  log->reset();
  std::vector<std::string> out;
  std::ifstream in(options.file);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

}  // namespace

TEST_CASE("a line of text has time, level, logger, message and fields, and is one line") {
  const auto lines = lines_of({}, [](Log& log) {
    log.logger("net").info("first\nsecond",
                           {{"address", "127.0.0.1:1"}, {"reason", "it \"broke\"\n\x01"}, {"empty", ""}});
  });
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].size() > 25);
  CHECK(lines[0].find(
            "Z info  net: first\\nsecond address=127.0.0.1:1 reason=\"it \\\"broke\\\"\\n\\u0001\" empty=\"\"") == 23);
}

TEST_CASE("a line of JSON is one JSON object with the same") {
  LogOptions options;
  options.json = true;
  const auto lines = lines_of(options, [](Log& log) { log.logger("a\"b").warn("say \"hi\"\n", {{"k", "\\"}}); });
  REQUIRE(lines.size() == 1);
  const auto object = boost::json::parse(lines[0]).as_object();
  CHECK(object.at("level").as_string() == "warn");
  CHECK(object.at("logger").as_string() == "a\"b");
  CHECK(object.at("message").as_string() == "say \"hi\"\n");
  CHECK(object.at("k").as_string() == "\\");
  CHECK(object.at("time").as_string().size() == 27);
}

TEST_CASE("each logger has a level of its own, which can be changed while it runs") {
  LogOptions options;
  options.level = LogLevel::warn;
  options.levels = {{"net", LogLevel::debug}};
  const auto lines = lines_of(options, [](Log& log) {
    log.logger("net").debug("1");
    log.logger("node").info("not written");
    log.logger("node").warn("2");
    CHECK(log.set_level("node", LogLevel::error));
    log.logger("node").warn("not written");
    CHECK(log.set_level("", LogLevel::trace));
    log.logger("node").debug("3");
    log.logger("new").debug("4");
    const auto unknown = log.set_level("nobody", LogLevel::info);
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == orbit::Code::not_found);
    CHECK(unknown.error().message == "no logger 'nobody'; there are net, new, node");
    CHECK(log.levels().size() == 3);
  });
  REQUIRE(lines.size() == 4);
  for (size_t i = 0; i < lines.size(); ++i) CHECK(lines[i].back() == static_cast<char>('1' + i));
}

TEST_CASE("a plugin logs under its instance's name through orbit.log/1") {
  const auto lines = lines_of({}, [](Log& log) {
    Metrics metrics;
    const ExtensionRegistry extensions;
    const orbit_host* host = PluginContext::make("mine", log.logger("mine"), metrics, extensions);
    const auto* table = log_table();
    CHECK(table->enabled(host, ORBIT_LOG_INFO) == 1);
    CHECK(table->enabled(host, ORBIT_LOG_DEBUG) == 0);
    const orbit_log_field field{"k", {"v", 1}};
    table->write(host, ORBIT_LOG_ERROR, {"hello", 5}, &field, 1);
    table->write(host, ORBIT_LOG_DEBUG, {"not written", 11}, nullptr, 0);
  });
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].ends_with("error mine: hello k=v"));
}

TEST_CASE("a full queue drops the oldest lines and counts them, and the newest is written") {
  LogOptions options;
  options.queue_max = 16;
  uint64_t dropped = 0;
  constexpr int kLines = 200'000;
  const auto lines = lines_of(options, [&](Log& log) {
    Logger& logger = log.logger("busy");
    for (int i = 0; i < kLines; ++i) logger.info(std::to_string(i));
    dropped = log.dropped_total();
  });
  CHECK(lines.size() + dropped == kLines);
  CHECK(lines.back().ends_with(" " + std::to_string(kLines - 1)));
}

TEST_CASE("a log file that has its size is kept as FILE.1, as many as are wanted, and a new one goes on; no line is lost or cut") {
  TemporaryFolder folder;
  LogOptions options;
  options.file = folder.path + "/log";
  options.file_bytes_max = 1000;
  options.files_kept = 2;
  const auto write = [&options](int from, int to) {
    auto log = Log::open(options);
    REQUIRE(log);
    for (int i = from; i < to; ++i) (*log)->logger("l").info("line", {{"number", std::to_string(i)}});
  };
  write(100, 150);
  write(150, 200);  // the size of the file that is there counts
  int next = 200;
  for (const char* name : {"/log", "/log.1", "/log.2"}) {
    CHECK(std::filesystem::file_size(folder.path + name) <= 1000);
    std::ifstream in(folder.path + name);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    REQUIRE_FALSE(lines.empty());
    for (auto line = lines.rbegin(); line != lines.rend(); ++line)
      CHECK(line->ends_with("number=" + std::to_string(--next)));
  }
  CHECK(next < 175);
  CHECK_FALSE(std::filesystem::exists(folder.path + "/log.3"));
  CHECK_FALSE(std::filesystem::exists(folder.path + "/log.new"));
}

TEST_CASE("a log file that cannot be put aside goes on, and the failure is counted") {
  TemporaryFolder folder;
  LogOptions options;
  options.file = folder.path + "/log";
  options.file_bytes_max = 1000;
  std::filesystem::create_directories(folder.path + "/log.1/taken");
  auto log = Log::open(options);
  REQUIRE(log);
  for (int i = 0; i < 50; ++i) (*log)->logger("l").info("line", {{"number", std::to_string(i)}});
  (*log)->close();
  CHECK((*log)->write_errors_total() > 0);
  std::ifstream in(options.file);
  int lines = 0;
  for (std::string line; std::getline(in, line);) CHECK(line.ends_with("number=" + std::to_string(lines++)));
  CHECK(lines == 50);
}

TEST_CASE("a log file that cannot be opened is an error that names it") {
  LogOptions options;
  options.file = "/nonexistent/folder/log";
  const auto log = Log::open(options);
  REQUIRE_FALSE(log);
  CHECK(log.error().message.find("/nonexistent/folder/log") != std::string::npos);
}
