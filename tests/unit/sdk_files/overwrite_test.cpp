// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Small writes through a mapping are writes: the same bytes, the same errors, and no signal that ends the process.
#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <orbit/files_posix.hpp>
#include <random>

namespace {

namespace fs = std::filesystem;
using orbit::Bytes;
using orbit::detail::FileWindow;

class Folder {
 public:
  Folder() : path_((fs::temp_directory_path() / "orbit-files-XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make " + path_);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string file() const { return path_ + "/file"; }

 private:
  std::string path_;
};

std::unique_ptr<orbit::File> open_file(const std::string& path) {
  orbit::PosixFileSystem files;
  auto file = files.open(path, orbit::OpenMode::create);
  REQUIRE_MESSAGE(file, file.error().message);
  return std::move(*file);
}

std::string content(const std::string& path) {
  std::string out(fs::file_size(path), '\0');
  const auto got = open_file(path)->read(0, out);
  REQUIRE(got);
  REQUIRE(*got == out.size());
  return out;
}

void fill(orbit::File& file, uint64_t bytes) {
  const std::string zeros(bytes, '\0');
  REQUIRE(file.write(0, Bytes(zeros)));
}

// How a process ends that does `work`.
int status_of(void (*work)(const std::string& path), const std::string& path) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    work(path);
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

}  // namespace

TEST_CASE("pieces of any size anywhere in a file are read back as they were overwritten, by others too") {
  const Folder folder;
  const auto file = open_file(folder.file());
  std::string expected(3 * FileWindow::kBytes + 1234, '\0');
  fill(*file, expected.size());
  std::mt19937_64 random(7);
  for (int i = 0; i < 3000; ++i) {
    const size_t most = i % 10 == 0 ? 2 * FileWindow::kPieceBytesMax : 300;
    std::string piece(1 + random() % most, '\0');
    for (char& c : piece) c = static_cast<char>(random());
    const size_t at = random() % (expected.size() - piece.size() + 1);
    // Between pieces that go through the mapping others are written, and both are seen in the order they came in.
    REQUIRE((i % 7 == 0 ? file->write(at, Bytes(piece)) : file->overwrite(at, piece)));
    expected.replace(at, piece.size(), piece);
  }
  CHECK(content(folder.file()) == expected);
  REQUIRE(file->sync());
  CHECK(content(folder.file()) == expected);
}

TEST_CASE("a piece at and behind the end extends the file, as a write does") {
  const Folder folder;
  const auto file = open_file(folder.file());
  REQUIRE(file->overwrite(0, "in an empty file"));
  REQUIRE(file->overwrite(10, "file that grows"));
  REQUIRE(file->overwrite(25, " on"));
  CHECK(content(folder.file()) ==
        "in an empt"
        "file that grows on");
}

TEST_CASE("a piece where the file was cut off after it had been mapped extends the file again") {
  const Folder folder;
  const auto file = open_file(folder.file());
  fill(*file, 64 << 10);
  REQUIRE(file->overwrite(40'000, "before"));
  // More than once: a signal that was caught is caught again.
  for (const uint64_t at : {50'000, 60'000, 45'000}) {
    CAPTURE(at);
    REQUIRE(file->truncate(4096));
    REQUIRE(file->overwrite(at, "after"));
    const std::string now = content(folder.file());
    CHECK(now.size() == at + 5);
    CHECK(now.substr(at) == "after");
    CHECK(now.find_first_not_of('\0') == at);
  }
}

TEST_CASE("where neither the mapping nor a call can write, the error is the call's, and the next piece is written") {
  const Folder folder;
  const auto file = open_file(folder.file());
  fill(*file, 64 << 10);
  REQUIRE(file->overwrite(40'000, "before"));
  REQUIRE(file->truncate(4096));
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit small{8192, before.rlim_max};
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto refused = file->overwrite(50'000, "after");
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, ignored);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == orbit::Code::resource_exhausted);
  CHECK(refused.error().message.find(folder.file()) != std::string::npos);
  REQUIRE(file->overwrite(100, "later"));
  CHECK(content(folder.file()).substr(100, 5) == "later");
}

TEST_CASE("what was overwritten survives the death of the process that did it") {
  const Folder folder;
  const auto file = open_file(folder.file());
  fill(*file, 8192);
  const int status = status_of(
      [](const std::string& path) {
        orbit::PosixFileSystem files;
        const auto mine = files.open(path, orbit::OpenMode::existing);
        if (mine && (*mine)->overwrite(5000, "still here")) raise(SIGKILL);
      },
      folder.file());
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGKILL);
  CHECK(content(folder.file()).substr(5000, 10) == "still here");
}

TEST_CASE("a bus error that is not ours ends the process as it would have") {
  const Folder folder;
  const auto file = open_file(folder.file());
  fill(*file, 8192);
  const auto by_signal = [&](void (*work)(const std::string&)) {
    const int status = status_of(work, folder.file());
    // A sanitizer that looks at the signal reports it, and ends with a status of its own.
    return WIFSIGNALED(status) ? WTERMSIG(status) == SIGBUS : WEXITSTATUS(status) != 0;
  };
  CHECK(by_signal([](const std::string& path) {
    const auto mine = open_file(path);
    if (!mine->overwrite(100, "one") || !mine->truncate(0)) return;
    const int fd = ::open(path.c_str(), O_RDWR);
    auto* const other = static_cast<volatile char*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    other[5] = 1;
  }));
  CHECK(by_signal([](const std::string& path) {
    if (open_file(path)->overwrite(100, "one")) raise(SIGBUS);
  }));
}
