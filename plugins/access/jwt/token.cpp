// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "token.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <optional>

namespace orbit::jwt {

namespace {

namespace json = boost::json;

tl::unexpected<Error> refuse(std::string why) { return fail(Code::unauthenticated, std::move(why)); }

std::optional<json::object> parse_part(std::string_view part) {
  std::string text;
  if (!decode_base64url(part, text)) return std::nullopt;
  json::error_code error;
  json::parse_options how;
  how.max_depth = 16;
  json::value value = json::parse(text, error, {}, how);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

std::string_view text_of(const json::value* value) {
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

std::optional<Algorithm> algorithm_of(std::string_view name) {
  if (name == "RS256") return Algorithm::rs256;
  if (name == "PS256") return Algorithm::ps256;
  if (name == "ES256") return Algorithm::es256;
  if (name == "EdDSA") return Algorithm::eddsa;
  return std::nullopt;
}

// NumericDate, RFC 7519 section 2. Nothing: it is there and no number of this century or so.
std::optional<uint64_t> milliseconds_of(const json::value& value) {
  constexpr double kSecondsMax = 1e11;
  if (!value.is_number()) return std::nullopt;
  const double seconds = value.to_number<double>();
  if (!std::isfinite(seconds) || seconds < 0 || seconds > kSecondsMax) return std::nullopt;
  return static_cast<uint64_t>(seconds * 1000);
}

// Whether a claim that is one text or several has one of these.
bool has_one_of(const json::value* claim, const std::vector<std::string>& wanted) {
  const auto is_wanted = [&wanted](std::string_view text) { return std::find(wanted.begin(), wanted.end(), text) != wanted.end(); };
  if (claim == nullptr) return false;
  if (claim->is_string()) return is_wanted(text_of(claim));
  if (!claim->is_array()) return false;
  return std::any_of(claim->get_array().begin(), claim->get_array().end(),
                     [&](const json::value& each) { return each.is_string() && is_wanted(text_of(&each)); });
}

const json::value* follow(const json::object& claims, std::string_view path) {
  // A member may have the whole path as its name: "https://example.com/roles".
  if (const json::value* whole = claims.if_contains(path)) return whole;
  const json::object* at = &claims;
  while (true) {
    const size_t dot = path.find('.');
    const json::value* const value = at->if_contains(path.substr(0, dot));
    if (value == nullptr || dot == std::string_view::npos) return value;
    if (!value->is_object()) return nullptr;
    at = &value->get_object();
    path.remove_prefix(dot + 1);
  }
}

// An array of texts, or one text with spaces between (as OAuth's "scope").
Result<std::vector<std::string>> roles_of(const json::value* claim) {
  std::vector<std::string> out;
  if (claim == nullptr) return out;
  if (claim->is_array()) {
    for (const json::value& each : claim->get_array()) {
      if (!each.is_string()) return refuse("the claim of the roles has something else than texts");
      out.emplace_back(text_of(&each));
    }
  } else if (claim->is_string()) {
    for (std::string_view rest = text_of(claim); !rest.empty();) {
      const size_t space = std::min(rest.find(' '), rest.size());
      if (space != 0) out.emplace_back(rest.substr(0, space));
      rest.remove_prefix(std::min(space + 1, rest.size()));
    }
  } else {
    return refuse("the claim of the roles is neither an array nor a text");
  }
  if (out.size() > kRolesMax) return refuse(std::to_string(out.size()) + " roles, expected at most " + std::to_string(kRolesMax));
  return out;
}

Result<Claims> read_claims(const json::object& claims, const Expected& expected, uint64_t now_ms) {
  Claims out;
  if (const json::value* expiry = claims.if_contains("exp")) {
    const auto at = milliseconds_of(*expiry);
    if (!at) return refuse("exp is no time");
    out.expires_at_ms = *at + expected.leeway_ms;
    if (now_ms >= out.expires_at_ms) return refuse("it has expired");
  } else if (expected.needs_expiry) {
    return refuse("it has no exp");
  }
  if (const json::value* begin = claims.if_contains("nbf")) {
    const auto at = milliseconds_of(*begin);
    if (!at) return refuse("nbf is no time");
    if (now_ms + expected.leeway_ms < *at) return refuse("it is not valid yet");
  }
  if (!expected.issuer.empty() && text_of(claims.if_contains("iss")) != expected.issuer) return refuse("iss is not the expected issuer");
  if (!expected.audiences.empty() && !has_one_of(claims.if_contains("aud"), expected.audiences))
    return refuse("aud has none of the expected audiences");
  out.name = text_of(follow(claims, expected.name_claim));
  if (out.name.empty()) return refuse("the claim " + expected.name_claim + " has no name");
  out.id = text_of(claims.if_contains("jti"));
  auto roles = roles_of(follow(claims, expected.roles_claim));
  if (!roles) return tl::unexpected<Error>(roles.error());
  out.roles = std::move(*roles);
  return out;
}

}  // namespace

bool looks_like_token(std::string_view text) noexcept {
  return std::count(text.begin(), text.end(), '.') == 2 && text.front() != '.' && text.back() != '.';
}

Result<Claims> verify(std::string_view token, const std::vector<Key>& keys, const Expected& expected, uint64_t now_ms) {
  if (token.size() > kTokenBytesMax)
    return refuse("it has " + std::to_string(token.size()) + " bytes, expected at most " + std::to_string(kTokenBytesMax));
  if (!looks_like_token(token)) return refuse("it has not three parts");
  const size_t last = token.rfind('.');
  const std::string_view signed_text = token.substr(0, last);
  const size_t first = signed_text.find('.');
  const auto header = parse_part(signed_text.substr(0, first));
  if (!header) return refuse("its header is no JSON object in base64url");
  if (header->contains("crit")) return refuse("its header has 'crit', and no extension is known");
  const auto algorithm = algorithm_of(text_of(header->if_contains("alg")));
  if (!algorithm) return refuse("its alg is none of RS256, PS256, ES256, EdDSA");
  std::string signature;
  if (!decode_base64url(token.substr(last + 1), signature)) return refuse("its signature is no base64url");
  const json::value* const id = header->if_contains("kid");
  bool found = false;
  bool good = false;
  for (const Key& key : keys) {
    if (!key.fits(*algorithm) || (id != nullptr && text_of(id) != key.id)) continue;
    found = true;
    good = key.verifies(*algorithm, signed_text, signature);
    if (good) break;
  }
  if (!good) return refuse(found ? "its signature is wrong" : "no key of the set fits its kid and alg");
  const auto claims = parse_part(signed_text.substr(first + 1));
  if (!claims) return refuse("its claims are no JSON object in base64url");
  return read_claims(*claims, expected, now_ms);
}

}  // namespace orbit::jwt
