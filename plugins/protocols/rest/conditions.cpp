// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "conditions.hpp"

#include <algorithm>
#include <charconv>

namespace orbit::rest {

namespace {

// Tags that are none of ours match nothing, and are no error: they may come from another version of the node.
Result<> read_tags(std::string_view name, std::string_view list, std::vector<uint64_t>& versions, bool& any, bool weak_allowed) {
  const auto wrong = [&] {
    return fail(Code::invalid_argument, std::string(name) + " must be * or a list of entity tags such as \"17\", found '" +
                                            std::string(list.substr(0, 60)) + "'");
  };
  std::string_view rest = list;
  const auto skip_space = [&] {
    while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
  };
  skip_space();
  if (rest == "*") return any = true, Result<>();
  for (;;) {
    skip_space();
    const bool weak = rest.starts_with("W/");
    if (weak) rest.remove_prefix(2);
    if (!rest.starts_with('"')) return wrong();
    const size_t end = rest.find('"', 1);
    if (end == std::string_view::npos) return wrong();
    const std::string_view tag = rest.substr(1, end - 1);
    uint64_t version = 0;
    const auto [number_end, error] = std::from_chars(tag.data(), tag.data() + tag.size(), version);
    // If-Match compares strongly (RFC 9110 section 13.1.1): a weak tag never matches.
    if (error == std::errc() && number_end == tag.data() + tag.size() && (weak_allowed || !weak)) versions.push_back(version);
    rest.remove_prefix(end + 1);
    skip_space();
    if (rest.empty()) return {};
    if (rest.front() != ',') return wrong();
    rest.remove_prefix(1);
  }
}

}  // namespace

std::string etag_of(uint64_t version) { return "\"" + std::to_string(version) + "\""; }

Result<Conditions> Conditions::parse(const http::Request& request) {
  Conditions out;
  for (const http::HeaderField& field : request.headers) {
    Result<> read;
    if (http::equal_ignoring_case(field.name, "if-match")) {
      out.if_match_ = true;
      read = read_tags("If-Match", field.value, out.match_, out.match_any_, false);
    } else if (http::equal_ignoring_case(field.name, "if-none-match")) {
      out.if_none_match_ = true;
      read = read_tags("If-None-Match", field.value, out.none_match_, out.none_match_any_, true);
    }
    if (!read) return tl::unexpected<Error>(read.error());
  }
  return out;
}

bool Conditions::contains(const std::vector<uint64_t>& versions, bool any, uint64_t version) noexcept {
  return (any && version != 0) || std::find(versions.begin(), versions.end(), version) != versions.end();
}

}  // namespace orbit::rest
