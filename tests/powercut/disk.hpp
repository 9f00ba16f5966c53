// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A disk that can lose power: ext4 on a loop device in a mount namespace of this process. When the process ends, in
// whatever way, the kernel takes mount, loop device and image away.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace orbit::powercut {

// This machine does not let the test be run, and why.
struct CannotRun : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Disk {
 public:
  explicit Disk(uint64_t bytes);  // CannotRun
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  ~Disk();

  // A new, empty file system. It must not be mounted.
  void format();
  void mount();
  void unmount();
  // Nothing reaches the device any more, and what the file system's journal has not committed is gone
  // (EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH). Whoever has files open gets EIO from now on.
  void cut_power();
  const std::string& path() const noexcept { return path_; }  // where it is mounted

 private:
  std::string path_;
  std::string device_;
  int loop_ = -1;
  bool mounted_ = false;
};

}  // namespace orbit::powercut
