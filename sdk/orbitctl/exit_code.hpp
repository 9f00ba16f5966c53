// SPDX-License-Identifier: MIT OR BSD-3-Clause
// How orbitctl ends; `orbitctl --help` and docs/admin-api.md tell the same.
#pragma once

#include <stdexcept>
#include <string>

namespace orbit::ctl {

enum ExitCode : int {
  kExitOk = 0,
  kExitRefused = 1,      // the node answered with an error, or a file could not be read or written
  kExitUsage = 2,        // the command line is wrong
  kExitUnreachable = 3,  // no answer from a node
};

// Ends the command: a sentence for standard error, and how to exit.
class Failure : public std::runtime_error {
 public:
  Failure(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

}  // namespace orbit::ctl
