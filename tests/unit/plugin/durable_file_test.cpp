// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "plugin/durable_file.hpp"
#include "support/temporary_folder.hpp"

using namespace orbit::kernel;
using orbit::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

std::string read(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("a file is replaced as a whole and nothing is left beside it") {
  TemporaryFolder folder;
  const std::string file = folder.path + "/a";
  CHECK(write_file_durably(file, "one"));
  CHECK(write_file_durably(file, std::string(200'000, 'x')));
  CHECK(read(file) == std::string(200'000, 'x'));
  CHECK(copy_file_durably(file, folder.path + "/b"));
  CHECK(read(folder.path + "/b").size() == 200'000);
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 2);
}

TEST_CASE("a failed write keeps the old file and names the new one") {
  TemporaryFolder folder;
  const auto missing = write_file_durably(folder.path + "/no/such", "x");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message.find(folder.path + "/no/such") != std::string::npos);
  CHECK(write_file_durably(folder.path + "/a", "kept"));
  CHECK_FALSE(copy_file_durably(folder.path + "/absent", folder.path + "/a"));
  CHECK(read(folder.path + "/a") == "kept");
}

TEST_CASE("a claim on a folder ends with its holder") {
  TemporaryFolder folder;
  {
    FolderClaim first;
    FolderClaim second;
    CHECK(first.take(folder.path + "/x"));
    CHECK_FALSE(second.take(folder.path + "/x"));
  }
  FolderClaim third;
  CHECK(third.take(folder.path + "/x"));
}
