// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "page.hpp"

// page.html, as it lies beside this file (CMakeLists.txt makes this file depend on it).
asm(R"(
  .section .rodata
  orbit_rest_page:
  .incbin "page.html"
  orbit_rest_page_end:
  .byte 0
  .text
)");
extern "C" {
extern const char orbit_rest_page[] __attribute__((visibility("hidden")));
extern const char orbit_rest_page_end[] __attribute__((visibility("hidden")));
}

namespace orbit::rest {

http::Response page() {
  http::Response response{200, "text/html; charset=utf-8", std::string(orbit_rest_page, orbit_rest_page_end), {}};
  // All that it uses is in it or on this node.
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
                                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  return response;
}

}  // namespace orbit::rest
