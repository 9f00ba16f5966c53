// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "net/net_api.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace orbit::kernel {

namespace {

Connection& of(orbit_connection* connection) noexcept { return *static_cast<Connection*>(connection); }
Listener& of(orbit_listener* listener) noexcept { return *static_cast<Listener*>(listener); }

void copy_text(const std::string& text, char* buffer, size_t size) noexcept {
  if (size == 0) return;
  const size_t length = std::min(text.size(), size - 1);
  std::memcpy(buffer, text.data(), length);
  buffer[length] = '\0';
}

orbit_code listen(const orbit_host* host, const orbit_listen_options* options, const orbit_connection_handler* handler,
                  void* self, orbit_listener** listener, orbit_error* error) {
  return at_edge(error, [&]() -> Result<> {
    auto* const net = static_cast<Net*>(const_cast<void*>(host->get_extension(host, kNetExtension)));
    if (net == nullptr) return fail(Code::unimplemented, "this node has no network");
    // What orbit.net/1 had at first; later fields are null in a shorter struct.
    constexpr size_t kHandlerBytesMin = offsetof(orbit_connection_handler, peer_finished);
    if (handler->struct_size < kHandlerBytesMin)
      return fail(Code::invalid_argument, "listen: the handler is shorter than that of orbit.net/1");
    auto how = whole_options(options);
    if (!how) return tl::unexpected<Error>(how.error());
    orbit_connection_handler whole{};
    std::memcpy(&whole, handler, std::min<size_t>(handler->struct_size, sizeof whole));
    auto made = net->listen(*how, whole, self);
    if (!made) return tl::unexpected<Error>(made.error());
    *listener = *made;
    return {};
  });
}

int tls(orbit_connection* connection, orbit_tls_info* out) {
  orbit_tls_info whole{};
  if (!of(connection).tls_info(whole)) return 0;
  whole.struct_size = std::min<uint32_t>(out->struct_size, sizeof whole);
  std::memcpy(out, &whole, whole.struct_size);
  return 1;
}

void write(orbit_connection* connection, const char* data, size_t size) {
  if (size == 0) return;
  std::memcpy(of(connection).reserve(size), data, size);
  of(connection).commit(size);
}

constexpr orbit_net_v1 kNetTable = {
    sizeof(orbit_net_v1),
    0,
    &listen,
    [](orbit_listener* listener) { return of(listener).address().c_str(); },
    [](orbit_listener* listener) { of(listener).stop(); },
    [](orbit_connection* connection, size_t size) { return of(connection).reserve(size); },
    [](orbit_connection* connection, size_t size) { of(connection).commit(size); },
    &write,
    [](orbit_connection* connection) { return of(connection).output_bytes(); },
    [](orbit_connection* connection) { of(connection).pause(); },
    [](orbit_connection* connection) { of(connection).resume(); },
    [](orbit_connection* connection) { of(connection).close(); },
    [](orbit_connection* connection, char* buffer, size_t size) {
      copy_text(of(connection).peer_address(), buffer, size);
    },
    [](orbit_connection* connection, char* buffer, size_t size) {
      copy_text(of(connection).local_address(), buffer, size);
    },
    [](orbit_connection* connection) { return of(connection).id(); },
    [](orbit_connection* connection, uint64_t idle_timeout_ms) { of(connection).set_idle_timeout(idle_timeout_ms); },
    &tls,
};

}  // namespace

Result<orbit_listen_options> whole_options(const orbit_listen_options* options) {
  if (options->struct_size < offsetof(orbit_listen_options, tls))
    return fail(Code::invalid_argument, "listen: the options are shorter than those of orbit.net/1");
  orbit_listen_options out{};
  std::memcpy(&out, options, std::min<size_t>(options->struct_size, sizeof out));
  if (out.tls != nullptr && out.tls->struct_size < sizeof *out.tls)
    return fail(Code::invalid_argument, "listen: the options of TLS are shorter than those of orbit.net/1");
  return out;
}

const orbit_net_v1* net_table() noexcept { return &kNetTable; }

}  // namespace orbit::kernel
