// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The file interface (files.hpp) on the operating system's files.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "file_window.hpp"
#include "files.hpp"

namespace orbit {

namespace detail {

inline tl::unexpected<Error> file_error(int error, const std::string& what, const std::string& path) {
  const auto code = [&] {
    switch (error) {
      case ENOENT: return Code::not_found;
      case EEXIST: return Code::already_exists;
      case EACCES:
      case EPERM:
      case EROFS: return Code::permission_denied;
      case ENOSPC:
      case EDQUOT:
      case EFBIG:
      case EMFILE:
      case ENFILE: return Code::resource_exhausted;
      case EIO: return Code::data_loss;
      default: return Code::unavailable;
    }
  }();
  return fail(code, what + " " + path + ": " + std::generic_category().message(error));
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) noexcept : fd_(fd), path_(std::move(path)) {}
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  ~PosixFile() override { ::close(fd_); }

  Result<size_t> read(uint64_t offset, std::span<char> into) override {
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return file_error(errno, "cannot read", path_);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }
  Result<> write(uint64_t offset, std::span<const Bytes> parts) override {
    std::array<iovec, 256> io;
    while (!parts.empty()) {
      const size_t count = std::min(parts.size(), io.size());
      for (size_t i = 0; i < count; ++i) io[i] = {const_cast<char*>(parts[i].data()), parts[i].size()};
      std::span<iovec> left(io.data(), count);
      while (!left.empty()) {
        const ssize_t put = left.size() == 1
                                ? ::pwrite(fd_, left[0].iov_base, left[0].iov_len, static_cast<off_t>(offset))
                                : ::pwritev(fd_, left.data(), static_cast<int>(left.size()), static_cast<off_t>(offset));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return file_error(errno, "cannot write", path_);
        offset += static_cast<uint64_t>(put);
        auto done = static_cast<size_t>(put);
        while (!left.empty() && done >= left[0].iov_len) {
          done -= left[0].iov_len;
          left = left.subspan(1);
        }
        if (left.empty()) break;
        if (put == 0) return file_error(ENOSPC, "cannot write", path_);
        left[0].iov_base = static_cast<char*>(left[0].iov_base) + done;
        left[0].iov_len -= done;
      }
      parts = parts.subspan(count);
    }
    return {};
  }
  using File::write;
  Result<> overwrite(uint64_t offset, Bytes data) override {
    if (window_.write(fd_, offset, data)) return {};
    return write(offset, data);
  }
  Result<> sync() override {
    if (::fdatasync(fd_) != 0) return file_error(errno, "cannot sync", path_);
    return {};
  }
  Result<> allocate(uint64_t offset, uint64_t length) override {
    int error = 0;
    do {
      error = ::posix_fallocate(fd_, static_cast<off_t>(offset), static_cast<off_t>(length));
    } while (error == EINTR);
    if (error != 0) return file_error(error, "cannot extend", path_);
    return {};
  }
  Result<> truncate(uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return file_error(errno, "cannot truncate", path_);
    return {};
  }
  Result<uint64_t> size() override {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return file_error(errno, "cannot look at", path_);
    return static_cast<uint64_t>(info.st_size);
  }
  void will_need(uint64_t offset, uint64_t length) override {
    ::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(length), POSIX_FADV_WILLNEED);
  }

 private:
  const int fd_;
  const std::string path_;
  FileWindow window_;
};

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(int fd) noexcept : fd_(fd) {}
  PosixFileLock(const PosixFileLock&) = delete;
  PosixFileLock& operator=(const PosixFileLock&) = delete;
  ~PosixFileLock() override { ::close(fd_); }

 private:
  const int fd_;
};

}  // namespace detail

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    int flags = O_RDWR | O_CLOEXEC;
    if (mode != OpenMode::existing) flags |= O_CREAT;
    if (mode == OpenMode::exclusive) flags |= O_EXCL;
    const int fd = ::open(path.c_str(), flags, 0644);
    if (fd < 0) return detail::file_error(errno, "cannot open", path);
    return std::make_unique<detail::PosixFile>(fd, path);
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return detail::file_error(errno, "cannot open", path);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      const int error = errno;
      ::close(fd);
      if (error == EWOULDBLOCK) return fail(Code::failed_precondition, path + " is in use by another process or engine");
      return detail::file_error(error, "cannot lock", path);
    }
    return std::make_unique<detail::PosixFileLock>(fd);
  }
  Result<bool> exists(const std::string& path) override {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return detail::file_error(errno, "cannot look at", path);
  }
  Result<> remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return detail::file_error(errno, "cannot remove", path);
    return {};
  }
  Result<> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return detail::file_error(errno, "cannot rename", from);
    return {};
  }
  Result<> link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) != 0) return detail::file_error(errno, "cannot link", from);
    return {};
  }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error))
      names.push_back(it->path().filename().string());
    if (error) return detail::file_error(error.value(), "cannot list", directory);
    std::sort(names.begin(), names.end());
    return names;
  }
  Result<> make_directories(const std::string& directory) override {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) return detail::file_error(error.value(), "cannot create", directory);
    return {};
  }
  Result<> sync_directory(const std::string& directory) override {
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return detail::file_error(errno, "cannot open", directory);
    const int error = ::fsync(fd) == 0 ? 0 : errno;
    ::close(fd);
    if (error != 0) return detail::file_error(error, "cannot sync", directory);
    return {};
  }
};

}  // namespace orbit
