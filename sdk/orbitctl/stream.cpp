// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "stream.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "tls.hpp"

namespace orbit::ctl {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

Endpoint::Endpoint(const ClientOptions& options)
    : url(options.url), ca(options.ca), certificate(options.certificate), key(options.key) {
  Url parsed(options.url, "http://127.0.0.1:7070/mcp");
  tls = parsed.tls;
  host = std::move(parsed.host);
  port = std::move(parsed.port);
  authority = std::move(parsed.authority);
  target = parsed.path.empty() ? "/" : std::move(parsed.path);
}

struct StreamRequest::Impl {
  asio::io_context loop;
  asio::ip::tcp::socket socket{loop};
  std::optional<TlsLayer> tls;
  std::mutex mutex;  // of the socket's being open
  bool closed = false;
  boost::beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
};

StreamRequest::StreamRequest() : impl_(std::make_unique<Impl>()) { impl_->parser.body_limit(boost::none); }
StreamRequest::~StreamRequest() = default;

void StreamRequest::send(const Endpoint& endpoint, std::string_view method, const Headers& headers, std::string_view body,
                         std::chrono::milliseconds connect_timeout) {
  std::string request;
  request.append(method).append(" ").append(endpoint.target).append(" HTTP/1.1\r\nHost: ").append(endpoint.authority);
  request.append("\r\nUser-Agent: orbitctl\r\nConnection: close\r\n");
  for (const auto& [name, value] : headers) request.append(name).append(": ").append(value).append("\r\n");
  if (method == "POST") request.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  request.append("\r\n").append(body);

  const std::string node = "the node at " + endpoint.url;
  asio::ip::tcp::resolver resolver(impl_->loop);
  error_code error;
  const auto addresses = resolver.resolve(endpoint.host, endpoint.port, error);
  if (error) throw std::runtime_error("cannot find " + node + ": " + error.message());
  error = asio::error::timed_out;
  asio::async_connect(impl_->socket, addresses, [&error](error_code result, const auto&) { error = result; });
  impl_->loop.run_for(connect_timeout);
  if (!impl_->loop.stopped()) {
    impl_->socket.close();
    impl_->loop.run();
  }
  if (error) throw std::runtime_error("cannot reach " + node + ": " + error.message());
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->closed) throw std::runtime_error("cancelled");
  }
  if (endpoint.tls) {
    impl_->tls.emplace(TlsFiles{endpoint.ca, endpoint.certificate, endpoint.key}, impl_->socket, endpoint.host);
    impl_->tls->stream().handshake(asio::ssl::stream_base::client, error);
    if (error) throw std::runtime_error("no TLS with " + node + ": " + error.message() + tls_advice(error));
    asio::write(impl_->tls->stream(), asio::buffer(request), error);
    if (!error) http::read_header(impl_->tls->stream(), impl_->buffer, impl_->parser, error);
  } else {
    asio::write(impl_->socket, asio::buffer(request), error);
    if (!error) http::read_header(impl_->socket, impl_->buffer, impl_->parser, error);
  }
  if (error) throw std::runtime_error("no answer from " + node + ": " + error.message());
}

int StreamRequest::status() const noexcept { return static_cast<int>(impl_->parser.get().result_int()); }

std::string StreamRequest::header(std::string_view name) const {
  const auto found = impl_->parser.get().find(boost::beast::string_view(name.data(), name.size()));
  return found == impl_->parser.get().end() ? std::string() : std::string(found->value());
}

std::string StreamRequest::read() {
  char room[16 * 1024];
  while (!impl_->parser.is_done()) {
    auto& body = impl_->parser.get().body();
    body.data = room;
    body.size = sizeof room;
    error_code error;
    if (impl_->tls)
      http::read_some(impl_->tls->stream(), impl_->buffer, impl_->parser, error);
    else
      http::read_some(impl_->socket, impl_->buffer, impl_->parser, error);
    if (error == http::error::need_buffer) error = {};
    const size_t count = sizeof room - body.size;
    if (count != 0) return {room, count};
    if (error) return {};
  }
  return {};
}

void StreamRequest::close() noexcept {
  const std::lock_guard lock(impl_->mutex);
  impl_->closed = true;
  error_code ignored;
  impl_->socket.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
}

}  // namespace orbit::ctl
