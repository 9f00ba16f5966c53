// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "target.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace orbit::admin {

namespace urls = boost::urls;

Result<Target> parse_target(std::string_view text) {
  const urls::string_view view(text.data(), text.size());
  const bool origin_form = text.starts_with('/');
  const auto parsed = origin_form ? urls::parse_origin_form(view) : urls::parse_absolute_uri(view);
  if (!parsed)
    return fail(Code::invalid_argument,
                "the request target is no URI: percent-encode every byte that is no letter, digit or one of - . _ ~");
  Target out;
  const auto authority = parsed->encoded_host_and_port();
  if (!origin_form) out.authority.assign(authority.data(), authority.size());
  for (const auto segment : parsed->encoded_segments()) out.segments.push_back(segment.decode());
  const urls::encoding_opts plus_is_space(true);
  for (const auto& parameter : parsed->encoded_params())
    out.query.emplace_back(parameter.key.decode(plus_is_space), parameter.value.decode(plus_is_space));
  return out;
}

}  // namespace orbit::admin
