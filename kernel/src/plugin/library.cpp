// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "plugin/library.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/dll/shared_library.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <mutex>

namespace orbit::kernel {
namespace {

constexpr const char* kExpected = "expected an ELF shared library for this machine";

}  // namespace

tl::unexpected<Error> refuse(const std::string& file, std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return fail(Code::failed_precondition, file + ": " + text);
}

Result<> inspect_library(const std::string& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) {
    char target[4096];
    const int reason = errno;
    const ssize_t n = ::readlink(file.c_str(), target, sizeof target);
    if (n > 0)
      return refuse(file, "found a symbolic link to '" + std::string(target, static_cast<size_t>(n)) +
                              "', which leads to nothing (" + std::strerror(reason) + "), " + kExpected);
    return refuse(file, "found nothing (" + std::string(std::strerror(reason)) + "), " + kExpected);
  }
  if (S_ISDIR(status.st_mode)) return refuse(file, std::string("found a directory, ") + kExpected);
  if (!S_ISREG(status.st_mode)) return refuse(file, std::string("found no regular file, ") + kExpected);
  if (status.st_size == 0) return refuse(file, std::string("found an empty file, ") + kExpected);
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return refuse(file, "found a file that cannot be read (" + std::string(std::strerror(errno)) + "), " + kExpected);
  char magic[4] = {};
  const ssize_t n = ::read(fd, magic, sizeof magic);
  ::close(fd);
  if (n != sizeof magic || std::memcmp(magic, "\177ELF", 4) != 0)
    return refuse(file, std::string("found a file that does not begin as an ELF image, ") + kExpected);
  return {};
}

Result<Descriptor> load_library(const std::string& file) {
  if (auto good = inspect_library(file); !good) return tl::unexpected(good.error());
  static std::mutex mutex;
  static auto* loaded = new std::deque<boost::dll::shared_library>();  // never unmapped: see docs/plugin-contract.md
  orbit_plugin_entry entry = nullptr;
  try {
    namespace dll = boost::dll;
    dll::shared_library library(dll::fs::path(file).is_absolute() ? dll::fs::path(file) : dll::fs::absolute(file),
                                dll::load_mode::rtld_now | dll::load_mode::rtld_local);
    if (!library.has(ORBIT_PLUGIN_SYMBOL))
      return refuse(file,
                    "found no symbol '" ORBIT_PLUGIN_SYMBOL "', expected the function that returns the descriptor");
    entry = &library.get<const orbit_plugin_descriptor*(void)>(ORBIT_PLUGIN_SYMBOL);
    const std::lock_guard lock(mutex);
    loaded->push_back(std::move(library));
  } catch (const std::exception& error) {
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return refuse(file, "found a file that the dynamic linker refuses (" + text + "), " + kExpected);
  }
  try {
    return read_descriptor(entry(), file);
  } catch (...) {
    return refuse(file, "'" ORBIT_PLUGIN_SYMBOL "' threw an exception, expected a descriptor");
  }
}

}  // namespace orbit::kernel
