// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A gRPC connection on any bytes in any split. Input: one byte says how many bytes come at a time (0: all), one holds
// flags (1: HTTP/2's preface comes first, 2: actors answer late, 4: the node stops in the middle), the rest is what the
// client sends.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "fake_wire.hpp"

using namespace orbit::grpc_wire::test;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t step = data[0] == 0 ? bytes.size() : data[0];
  FakeWire wire;
  wire.answers_at_once = (data[1] & 2u) == 0;
  {
    Client client(wire);
    if ((data[1] & 1u) != 0) client.send(kPreface);
    const size_t middle = bytes.size() / 2;
    bool stopping = (data[1] & 4u) == 0;
    while (!bytes.empty() && !client.closing()) {
      client.send(bytes.substr(0, step));
      bytes.remove_prefix(std::min(step, bytes.size()));
      if (!stopping && bytes.size() < middle) {
        stopping = true;
        wire.server().begin_drain();
      }
      wire.run_posted();
      while (wire.calls.size() > 2) wire.answer();
      wire.run_posted();
      client.take();
      require(client.unconsumed() == 0);
    }
    wire.advance(1'000);
    wire.run_posted();
  }
  while (!wire.calls.empty()) wire.answer(orbit::Code::aborted);
  wire.run_posted();
  require(wire.envelopes == 0);
  wire.advance(100'000);
  require(wire.timers.empty());
  return 0;
}
