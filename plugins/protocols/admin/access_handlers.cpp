// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What changes who gets in.
#include <charconv>

#include "handlers.hpp"

namespace orbit::admin::handlers {

namespace {

void done_access(void* ctx, orbit_code code, orbit_bytes message) {
  const ExchangePtr exchange(static_cast<Exchange*>(ctx));
  if (code == ORBIT_OK)
    exchange->answer({204, {}, {}, {}});
  else
    exchange->fail(static_cast<Code>(code), from_c(message));
}

}  // namespace

void revocations(const Services& services, ExchangePtr exchange) {
  std::string text;
  services.access->revocations(services.host, {&text, [](void* out, orbit_bytes part) {
                                                 static_cast<std::string*>(out)->append(from_c(part));
                                               }});
  exchange->answer(http::json_response(200, http::valid_utf8(text)));
}

void revoke(const Services& services, ExchangePtr exchange) {
  uint64_t until_ms = 0;
  const std::string_view text = exchange->query("until_ms", "0");
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), until_ms);
  if (error != std::errc() || end != text.data() + text.size())
    return exchange->fail(Code::invalid_argument, "'until_ms' must be a Unix time in milliseconds, or 0");
  const std::string kind = exchange->path(0), value = exchange->path(1);
  services.access->revoke(services.host, kind.c_str(), to_c(Bytes(value)), until_ms, done_access, exchange.release());
}

void take_back(const Services& services, ExchangePtr exchange) {
  const std::string kind = exchange->path(0), value = exchange->path(1);
  services.access->take_back(services.host, kind.c_str(), to_c(Bytes(value)), done_access, exchange.release());
}

void reload_access(const Services& services, ExchangePtr exchange) {
  services.access->reload(services.host, done_access, exchange.release());
}

}  // namespace orbit::admin::handlers
