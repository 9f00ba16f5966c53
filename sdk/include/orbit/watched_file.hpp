// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A small file that an operator may replace while the node runs: read at the start, and again when it is another one.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "result.hpp"

namespace orbit {

// Not thread-safe.
class WatchedFile {
 public:
  WatchedFile(std::string path, size_t bytes_max) : path_(std::move(path)), bytes_max_(bytes_max) {}
  const std::string& path() const noexcept { return path_; }

  // Whether it is another one than when it was read last.
  bool changed() const { return stamp() != stamp_; }
  // All of it. Afterwards `changed` is false, also when this has failed: what is wrong is told once.
  Result<std::string> read() {
    stamp_ = stamp();
    std::ifstream in(path_, std::ios::binary);
    if (!in) return fail(Code::not_found, "'" + path_ + "': " + std::strerror(errno));
    std::string out(bytes_max_ + 1, '\0');
    in.read(out.data(), static_cast<std::streamsize>(out.size()));
    if (in.bad()) return fail(Code::unavailable, "'" + path_ + "' cannot be read");
    out.resize(static_cast<size_t>(in.gcount()));
    if (out.size() > bytes_max_)
      return fail(Code::resource_exhausted, "'" + path_ + "' has more than " + std::to_string(bytes_max_) + " bytes");
    return out;
  }

 private:
  struct Stamp {
    uint64_t inode = 0;
    int64_t size = -1;
    int64_t seconds = 0;
    int64_t nanoseconds = 0;
    bool operator==(const Stamp&) const = default;
  };
  Stamp stamp() const {
    struct stat status{};
    if (::stat(path_.c_str(), &status) != 0) return {};
    return {static_cast<uint64_t>(status.st_ino), static_cast<int64_t>(status.st_size),
            static_cast<int64_t>(status.st_mtim.tv_sec), static_cast<int64_t>(status.st_mtim.tv_nsec)};
  }

  std::string path_;
  size_t bytes_max_;
  Stamp stamp_;
};

}  // namespace orbit
