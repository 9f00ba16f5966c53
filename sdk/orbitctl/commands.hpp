// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The commands, said once: parsing, help and the docs' list come from this table.
#pragma once

#include <boost/program_options/variables_map.hpp>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "client.hpp"
#include "exit_code.hpp"

namespace orbit::ctl {

// What a command gets.
struct Invocation {
  std::vector<std::string> arguments;  // behind the command's name
  const boost::program_options::variables_map& options;
  ClientOptions client;
  bool json;  // print the node's JSON as it is
  std::ostream& out;
};

struct Command {
  const char* name;       // "module load"
  const char* arguments;  // "FILE", for the help
  const char* summary;
  const char* doc;  // more, for `orbitctl COMMAND --help`; may be empty
  size_t arguments_min;
  size_t arguments_max;
  std::vector<const char*> options;  // its own, beside the global ones
  ExitCode (*run)(const Invocation&);
};

std::span<const Command> commands();

}  // namespace orbit::ctl
