// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "console.hpp"

// console.html, as it lies beside this file (CMakeLists.txt makes this file depend on it).
asm(R"(
  .section .rodata
  orbit_admin_console:
  .incbin "console.html"
  orbit_admin_console_end:
  .byte 0
  .text
)");
extern "C" {
extern const char orbit_admin_console[] __attribute__((visibility("hidden")));
extern const char orbit_admin_console_end[] __attribute__((visibility("hidden")));
}

namespace orbit::admin {

http::Response console_page() {
  http::Response response{200, "text/html", std::string(orbit_admin_console, orbit_admin_console_end), {}};
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
                                "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
  return response;
}

}  // namespace orbit::admin
