// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "disk.hpp"

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace orbit::powercut {

namespace {

// Of the kernel's fs/ext4/ext4.h, which has no header for users.
constexpr unsigned long kExt4Shutdown = _IOR('X', 125, uint32_t);
constexpr uint32_t kNoLogFlush = 2;

std::string reason(const std::string& what) { return what + ": " + std::strerror(errno); }

}  // namespace

Disk::Disk(uint64_t bytes) {
  if (::geteuid() != 0) throw CannotRun("only root may mount a file system");
  if (::access("/sbin/mkfs.ext4", X_OK) != 0) throw CannotRun("there is no /sbin/mkfs.ext4 (Debian: e2fsprogs)");
  if (::unshare(CLONE_NEWNS) != 0) throw CannotRun(reason("no mount namespace of its own"));
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    throw CannotRun(reason("mounts cannot be made private"));

  const std::string folder = std::filesystem::temp_directory_path().string();
  std::string image = folder + "/orbit-powercut-image-XXXXXX";
  const int file = ::mkostemp(image.data(), O_CLOEXEC);
  if (file < 0) throw CannotRun(reason("cannot make " + image));
  ::unlink(image.c_str());
  const bool sized = ::ftruncate(file, static_cast<off_t>(bytes)) == 0;
  const int control = sized ? ::open("/dev/loop-control", O_RDWR | O_CLOEXEC) : -1;
  // Another process may take the free device that was found.
  for (int tries = 0; control >= 0 && loop_ < 0 && tries < 20; ++tries) {
    const int number = ::ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) break;
    device_ = "/dev/loop" + std::to_string(number);
    loop_ = ::open(device_.c_str(), O_RDWR | O_CLOEXEC);
    if (loop_ < 0) break;
    loop_config config{};
    config.fd = static_cast<uint32_t>(file);
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (::ioctl(loop_, LOOP_CONFIGURE, &config) == 0) break;
    const int error = errno;
    ::close(loop_);
    loop_ = -1;
    errno = error;
    if (error != EBUSY) break;
  }
  const std::string why = reason("no loop device");
  if (control >= 0) ::close(control);
  ::close(file);
  if (loop_ < 0) throw CannotRun(why);
  path_ = folder + "/orbit-powercut-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) throw CannotRun(reason("cannot make " + path_));
}

Disk::~Disk() {
  if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  if (loop_ >= 0) ::close(loop_);
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove(path_, ignored);
}

void Disk::format() {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/sbin/mkfs.ext4", "mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=1", device_.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0)
    throw CannotRun("mkfs.ext4 failed on " + device_);
}

void Disk::mount() {
  if (::mount(device_.c_str(), path_.c_str(), "ext4", 0, nullptr) != 0)
    throw CannotRun(reason("cannot mount ext4 from " + device_));
  mounted_ = true;
}

void Disk::unmount() {
  // Threads of a process that was just killed may still hold the last file for a moment.
  for (int tries = 0; ::umount2(path_.c_str(), 0) != 0; ++tries) {
    if (errno != EBUSY || tries > 1000) throw std::runtime_error(reason("cannot unmount " + path_));
    ::usleep(1000);
  }
  mounted_ = false;
}

void Disk::cut_power() {
  const int directory = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  uint32_t how = kNoLogFlush;
  const bool cut = directory >= 0 && ::ioctl(directory, kExt4Shutdown, &how) == 0;
  const std::string why = reason("EXT4_IOC_SHUTDOWN");
  if (directory >= 0) ::close(directory);
  if (!cut) throw CannotRun(why);
}

}  // namespace orbit::powercut
