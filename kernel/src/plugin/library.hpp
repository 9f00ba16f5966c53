// SPDX-License-Identifier: MIT OR BSD-3-Clause
// From a file to a checked descriptor. Every refusal is one line that names the file, what was found and what was
// expected.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/schema.hpp"
#include "orbit/abi.h"
#include "orbit/result.hpp"

namespace orbit::kernel {

// A plugin's descriptor, checked and copied; `create` and the texts of the options stay in the plugin, which is never
// unmapped.
struct Descriptor {
  std::string file;
  std::string id;
  std::string version;
  std::string doc;
  std::vector<std::string> provides;
  std::vector<std::string> needs;
  Options options;
  uint16_t abi_major = 0;
  uint16_t abi_minor = 0;
  decltype(orbit_plugin_descriptor::create) create = nullptr;
  std::shared_ptr<const void> texts;  // of a probed one: what its options point to
};

// Why a file is not used, in the one form every refusal has: "FILE: TEXT" on one line.
tl::unexpected<Error> refuse(const std::string& file, std::string text);

// Checks what a plugin returned. `file` is used in messages.
Result<Descriptor> read_descriptor(const orbit_plugin_descriptor* raw, const std::string& file);

// Looks at the file without loading it: is it there, a file, and an ELF image?
Result<> inspect_library(const std::string& file);

// Loads into this process, for ever, and reads the descriptor. A corrupt file may kill the process: probe it first.
Result<Descriptor> load_library(const std::string& file);

// Tries a file in a short-lived child process: `executable` (an orbitd) is started with --probe-plugin FILE. Bounded by
// timeout_ms. Returns all of the descriptor but doc, ABI and create.
Result<Descriptor> probe_library(const std::string& file, const std::string& executable, int64_t timeout_ms);

// What such a child does; returns its exit code. Answers on file descriptor kProbeAnswerFd.
inline constexpr int kProbeAnswerFd = 3;
int probe_child(const std::string& file) noexcept;

}  // namespace orbit::kernel
