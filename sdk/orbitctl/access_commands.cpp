// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "access_commands.hpp"

#include <ostream>

#include "answers.hpp"

namespace orbit::ctl {

namespace {

// "user" or "token", and which.
std::string path_of(const Invocation& call) {
  const std::string& kind = call.arguments[0];
  if (kind != "user" && kind != "token") throw Failure(kExitUsage, "expected user or token, found '" + kind + "'");
  return "/v1/access/revocations/" + kind + "/" + encode(call.arguments[1]);
}

}  // namespace

ExitCode access_list(const Invocation& call) {
  constexpr Column kColumns[] = {{"KIND", "kind"}, {"VALUE", "value"}, {"UNTIL (MS)", "until_ms"}};
  return show_list(call, "/v1/access/revocations", "revocations", kColumns);
}

ExitCode access_revoke(const Invocation& call) {
  request(call, "PUT", path_of(call));
  if (!call.json) call.out << call.arguments[0] << " '" << printable(call.arguments[1]) << "' is let in no more\n";
  return kExitOk;
}

ExitCode access_restore(const Invocation& call) {
  request(call, "DELETE", path_of(call));
  if (!call.json) call.out << call.arguments[0] << " '" << printable(call.arguments[1]) << "' may come in again\n";
  return kExitOk;
}

ExitCode access_reload(const Invocation& call) {
  request(call, "POST", "/v1/access/reload");
  if (!call.json) call.out << "users, tokens and keys were read again\n";
  return kExitOk;
}

}  // namespace orbit::ctl
