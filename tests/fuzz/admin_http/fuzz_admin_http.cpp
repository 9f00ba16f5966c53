// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A connection of the admin API on any bytes in any split: parser, router, handlers. Input: one byte says how many bytes come
// at a time (0: all), one holds flags (1: the node's answers come late), the rest is what the client sends.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "fake_host.hpp"

using namespace orbit::admin;
using namespace orbit::admin::test;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_output(Client& client) {
  const std::string output = client.take();
  require(output.empty() || output.starts_with("HTTP/1.1 "));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // The document is made once per host, which is slow; nothing else of a host outlives its connections.
  static FakeHost host({.limits = {.header_bytes_max = 1024, .body_bytes_max = 1024}});
  if (size < 2) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t step = data[0] == 0 ? bytes.size() : data[0];
  host.hold_answers = (data[1] & 1u) != 0;
  host.asked.clear();
  {
    Client client(host);
    while (!bytes.empty() && !client.closing()) {
      client.send(bytes.substr(0, step));
      bytes.remove_prefix(std::min(step, bytes.size()));
      while (!host.questions.empty()) {
        check_output(client);
        host.answer(ORBIT_OK, "{}");
        client.pump();
      }
      check_output(client);
      // What a client sends ahead is not the parser's: only an incomplete head or chunk header may wait here.
      require(client.paused() || client.unconsumed() <= 2 * 1024);
    }
    host.advance(40'000);
    check_output(client);
  }
  host.advance(40'000);
  require(host.timers.empty());
  require(host.questions.empty());
  return 0;
}
