// SPDX-License-Identifier: MIT OR BSD-3-Clause
// bench_net_ping [port] [workers] [spin_us]: answers PING, inline and as an array, until standard input ends. compare.sh
// runs it against redis-server.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "executor/asio_executor.hpp"
#include "net/net_api.hpp"
#include "net/socket_net.hpp"

namespace {

using namespace orbit::kernel;

// The size of the first whole request, or 0. redis-benchmark sends "PING\r\n" and "*1\r\n$4\r\nPING\r\n"; anything else is
// answered as one line of an inline request, with an error.
size_t request_size(std::string_view data) {
  constexpr std::string_view kArray = "*1\r\n$4\r\nPING\r\n";
  if (data.front() == '*') return data.size() >= kArray.size() ? kArray.size() : 0;
  const size_t end = data.find("\r\n");
  return end == std::string_view::npos ? 0 : end + 2;
}

size_t received(void* context, const char* bytes, size_t size) {
  auto* const connection = static_cast<orbit_connection*>(context);
  std::string_view data(bytes, size);
  while (!data.empty()) {
    const size_t request = request_size(data);
    if (request == 0) break;
    const bool ping = data.substr(0, request).find("PING") != std::string_view::npos;
    const std::string_view answer = ping ? "+PONG\r\n" : "-ERR this server knows PING only\r\n";
    net_table()->write(connection, answer.data(), answer.size());
    data.remove_prefix(request);
  }
  return size - data.size();
}

}  // namespace

int main(int argc, char** argv) {
  AsioExecutorOptions options;
  const std::string address = "127.0.0.1:" + std::string(argc > 1 ? argv[1] : "0");
  options.workers = argc > 2 ? static_cast<uint32_t>(std::atoi(argv[2])) : 1;
  options.spin_us = argc > 3 ? static_cast<uint32_t>(std::atoi(argv[3])) : 0;
  AsioExecutor executor(options);
  SocketNet net(executor, {});
  const orbit_connection_handler handler{
      sizeof(orbit_connection_handler), 0, [](void*, orbit_connection* connection) -> void* { return connection; },
      &received, nullptr, [](void*, orbit_code) {}, nullptr};
  orbit_listen_options listen{};
  listen.struct_size = sizeof listen;
  listen.address = address.c_str();
  const auto listener = net.listen(listen, handler, nullptr);
  if (!listener) {
    std::fprintf(stderr, "%s\n", listener.error().message.c_str());
    return 1;
  }
  executor.start();
  std::printf("%s\n", (*listener)->address().c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  net.stop();
  executor.stop();
  return 0;
}
