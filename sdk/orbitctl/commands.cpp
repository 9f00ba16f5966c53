// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "commands.hpp"

#include "new_project.hpp"
#include "node_commands.hpp"

namespace orbit::ctl {

std::span<const Command> commands() {
  static const Command kCommands[] = {
      {"status", "", "the node: version, state, memory, listeners", "", 0, 0, {}, status},
      {"ready",
       "",
       "does the node take work? (exit code 0: yes)",
       "With --wait it asks again until the node is ready or the time is over, also while nothing listens yet.",
       0,
       0,
       {"wait"},
       ready},
      {"workers", "", "the workers and what they own", "", 0, 0, {}, workers},
      {"plugins", "", "the plugins and their state", "", 0, 0, {}, plugins},
      {"config",
       "",
       "the configuration in force, as JSON",
       "Defaults are filled in; secrets show as set or unset only.",
       0,
       0,
       {},
       config},
      {"log",
       "[[LOGGER] LEVEL]",
       "show or set log levels",
       "Without arguments: the levels in force. With LEVEL: sets all loggers. With LOGGER LEVEL: sets one.\n"
       "LEVEL is trace, debug, info, warn or error.",
       0,
       2,
       {},
       log_levels},
      {"metrics", "", "all metrics in Prometheus' text format", "", 0, 0, {}, metrics},
      {"modules", "", "the actor modules, also those that drain or have retired", "", 0, 0, {}, modules},
      {"module load",
       "FILE",
       "load an actor module into the running node, or upgrade it",
       "FILE is a library on the node's machine; a relative path is made absolute here. A module of the same name\n"
       "is upgraded while its clients call.",
       1,
       1,
       {},
       module_load},
      {"module retire",
       "NAME",
       "drain a module's actors and take its types away",
       "The stored state stays.",
       1,
       1,
       {},
       module_retire},
      {"types", "", "the actor types and their methods", "", 0, 0, {}, types},
      {"activations",
       "",
       "the actors in memory",
       "Shows at most --limit of them and tells how to go on.",
       0,
       0,
       {"type", "limit", "cursor"},
       activations},
      {"inspect", "TYPE KEY", "one actor in memory", "", 2, 2, {}, inspect},
      {"call",
       "TYPE KEY METHOD [JSON]",
       "call an actor and print its answer as JSON",
       "JSON is the request message in protobuf's JSON mapping; without it {} is sent.\n"
       "Write -- before a key or a JSON value that begins with a dash.",
       3,
       4,
       {},
       call_actor},
      {"deactivate", "TYPE KEY", "store an actor's state and make it leave memory", "", 2, 2, {}, deactivate},
      {"new actor", "NAME", "a project for an actor module of your own, in ./NAME", "", 1, 1, {}, new_actor},
      {"new plugin",
       "KIND NAME",
       "a project for a plugin of your own, in ./NAME",
       "A wrong KIND gets the list of those that there are.",
       2,
       2,
       {},
       new_plugin},
  };
  return kCommands;
}

}  // namespace orbit::ctl
