// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "plugin/durable_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>

namespace orbit::kernel {
namespace {

struct Fd {
  int value;
  explicit Fd(int fd) : value(fd) {}
  ~Fd() {
    if (value >= 0) ::close(value);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
};

tl::unexpected<Error> system_error(const std::string& path, const char* what) {
  const int reason = errno;
  const Code code = reason == ENOSPC || reason == EDQUOT ? Code::resource_exhausted
                    : reason == ENOENT                   ? Code::not_found
                                                         : Code::unavailable;
  return fail(code, "'" + path + "' cannot be " + what + ": " + std::strerror(reason));
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

Result<> sync_folder(const std::string& folder) {
  const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.value < 0 || ::fsync(fd.value) != 0) return system_error(folder, "synced");
  return {};
}

Result<> replace(const std::string& path, const std::function<Result<>(int)>& fill) {
  const std::string beside = path + ".new";
  {
    const Fd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
    if (fd.value < 0) return system_error(beside, "made");
    Result<> filled = fill(fd.value);
    if (filled && ::fsync(fd.value) != 0) filled = system_error(beside, "synced");
    if (!filled) {
      ::unlink(beside.c_str());
      return filled;
    }
  }
  if (::rename(beside.c_str(), path.c_str()) != 0) return system_error(path, "replaced");
  const auto folder = std::filesystem::path(path).parent_path().string();
  return sync_folder(folder.empty() ? "." : folder);
}

}  // namespace

Result<> write_file_durably(const std::string& path, std::string_view content) {
  return replace(path, [&](int fd) -> Result<> {
    if (!write_all(fd, content)) return system_error(path, "written");
    return {};
  });
}

Result<> copy_file_durably(const std::string& from, const std::string& path) {
  const Fd in(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (in.value < 0) return system_error(from, "read");
  return replace(path, [&](int fd) -> Result<> {
    char buffer[1 << 16];
    for (;;) {
      const ssize_t n = ::read(in.value, buffer, sizeof buffer);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_error(from, "read");
      if (n == 0) return {};
      if (!write_all(fd, {buffer, static_cast<size_t>(n)})) return system_error(path, "written");
    }
  });
}

FolderClaim::~FolderClaim() {
  if (fd_ >= 0) ::close(fd_);
}

Result<> FolderClaim::take(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail(Code::unavailable, "folder '" + folder + "' cannot be made: " + error.message());
  const std::string path = folder + "/lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0) return system_error(path, "opened");
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
    fd_ = fd;
    return {};
  }
  ::close(fd);
  return fail(Code::failed_precondition,
              "folder '" + folder + "' is in use by another node, expected one for each (node.data_dir)");
}

}  // namespace orbit::kernel
