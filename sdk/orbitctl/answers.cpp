// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "answers.hpp"

#include "text.hpp"

namespace orbit::ctl {

namespace json = boost::json;

namespace {

// What to do about it, where the node cannot know.
std::string advice(int status) {
  if (status == 401) return " (give it with --token or ORBIT_TOKEN)";
  return {};
}

}  // namespace

json::value parse(const Client& client, const std::string& text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  if (error)
    throw Failure(kExitUnreachable, "what answers at " + client.url() + " is no Orbit node: its answer is no JSON");
  return value;
}

std::string request(const Invocation& call, const char* method, const std::string& path, std::string_view body) {
  const Client client(call.client);
  Answer answer = client.request(method, path, body);
  if (answer.ok()) return std::move(answer.body);
  json::error_code error;
  const json::value problem = json::parse(answer.body, error);
  const auto* detail = !error && problem.is_object() ? problem.get_object().if_contains("detail") : nullptr;
  const auto* code = !error && problem.is_object() ? problem.get_object().if_contains("code") : nullptr;
  if (detail == nullptr || !detail->is_string() || code == nullptr || !code->is_string())
    throw Failure(kExitUnreachable, "what answers at " + client.url() + " is no Orbit node: HTTP status " +
                                        std::to_string(answer.status) + " without a problem document");
  if (call.json) call.out << answer.body << '\n';
  if (const auto* errors = problem.get_object().if_contains("errors");
      errors != nullptr && errors->is_array() && errors->get_array().size() > 1) {
    std::string text =
        std::to_string(errors->get_array().size()) + " mistakes [" + printable(view(code->get_string())) + "]";
    for (const json::value& one : errors->get_array())
      text += "\n  " + (one.is_string() ? printable(view(one.get_string())) : "");
    throw Failure(kExitRefused, text);
  }
  throw Failure(kExitRefused, printable(view(detail->get_string())) + " [" + printable(view(code->get_string())) + "]" +
                                  advice(answer.status));
}

json::value request_json(const Invocation& call, const char* method, const std::string& path,
                         std::string_view body) {
  return parse(Client(call.client), request(call, method, path, body));
}

ExitCode show_list(const Invocation& call, const char* path, const char* member, std::span<const Column> columns) {
  const std::string text = request(call, "GET", path);
  if (call.json) {
    call.out << text << '\n';
    return kExitOk;
  }
  const json::value value = parse(Client(call.client), text);
  const json::array& rows = value.at(member).as_array();
  if (rows.empty())
    call.out << "no " << member << '\n';
  else
    print_table(call.out, columns, rows, terminal_width());
  return kExitOk;
}

}  // namespace orbit::ctl
