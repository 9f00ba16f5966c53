// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "client.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <chrono>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "exit_code.hpp"
#include "tls.hpp"

namespace orbit::ctl {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

std::string encode(std::string_view bytes) {
  return boost::urls::encode({bytes.data(), bytes.size()}, boost::urls::unreserved_chars);
}

Client::Client(ClientOptions options) : options_(std::move(options)) {
  Url url(options_.url, "http://127.0.0.1:7080");
  tls_ = url.tls;
  host_ = std::move(url.host);
  port_ = std::move(url.port);
  authority_ = std::move(url.authority);
  base_path_ = std::move(url.path);
  while (base_path_.ends_with('/')) base_path_.pop_back();
}

namespace {

// One connection whose operations share one deadline. Only asynchronous operations know a timeout; each runs the loop until
// it is done or the time is over.
class Connection {
 public:
  explicit Connection(std::chrono::milliseconds timeout)
      : deadline_(std::chrono::steady_clock::now() + timeout), socket_(loop_) {}

  asio::io_context& loop() noexcept { return loop_; }

  void connect(const asio::ip::tcp::endpoint& endpoint, error_code& error) {
    error_code ignored;
    socket_.close(ignored);
    error = run([&](auto done) { socket_.async_connect(endpoint, std::move(done)); });
  }

  void handshake(const TlsFiles& files, const std::string& host, error_code& error) {
    tls_.emplace(files, socket_, host);
    error = run([&](auto done) { tls_->stream().async_handshake(asio::ssl::stream_base::client, std::move(done)); });
  }

  void write(std::string_view bytes, error_code& error) {
    while (!bytes.empty()) {
      size_t written = 0;
      const auto buffer = asio::buffer(bytes.data(), bytes.size());
      error = run(
          [&](auto done) {
            tls_ ? tls_->stream().async_write_some(buffer, std::move(done)) : socket_.async_write_some(buffer, std::move(done));
          },
          &written);
      if (error) return;
      bytes.remove_prefix(written);
    }
  }

  size_t read(std::span<char> buffer, error_code& error) {
    size_t count = 0;
    const auto room = asio::buffer(buffer.data(), buffer.size());
    error = run(
        [&](auto done) {
          tls_ ? tls_->stream().async_read_some(room, std::move(done)) : socket_.async_read_some(room, std::move(done));
        },
        &count);
    return count;
  }

 private:
  template <class Start>
  error_code run(Start&& start, size_t* count = nullptr) {
    error_code result = asio::error::timed_out;
    start([&result, count](error_code error, size_t transferred = 0) {
      result = error;
      if (count != nullptr) *count = transferred;
    });
    loop_.restart();
    loop_.run_until(deadline_);
    if (!loop_.stopped()) {
      // Its handler refers to this function's locals, and must have run before they go.
      error_code ignored;
      socket_.close(ignored);
      loop_.run();
      return asio::error::timed_out;
    }
    return result;
  }

  const std::chrono::steady_clock::time_point deadline_;
  asio::io_context loop_;
  asio::ip::tcp::socket socket_;
  std::optional<TlsLayer> tls_;
};

}  // namespace

Answer Client::request(std::string_view method, std::string_view path, std::string_view json) const {
  std::string request;
  request.append(method).append(" ").append(base_path_).append(path).append(" HTTP/1.1\r\nHost: ").append(authority_);
  request.append("\r\nUser-Agent: orbitctl\r\nConnection: close\r\n");
  if (!options_.token.empty()) request.append("Authorization: Bearer ").append(options_.token).append("\r\n");
  if (!json.empty()) request.append("Content-Type: application/json\r\n");
  if (!json.empty() || (method != "GET" && method != "HEAD" && method != "DELETE"))
    request.append("Content-Length: ").append(std::to_string(json.size())).append("\r\n");
  request.append("\r\n").append(json);

  Connection connection(options_.timeout);
  const auto check = [&](std::string_view what, const error_code& error, std::string_view advice = {}) {
    if (!error) return;
    if (error == asio::error::timed_out)
      throw Failure(kExitUnreachable, "the node at " + options_.url + " gave no answer within " +
                                          std::to_string(options_.timeout.count()) + " ms (--timeout)");
    throw Failure(kExitUnreachable,
                  std::string(what) + " the node at " + options_.url + ": " + error.message() + std::string(advice));
  };

  error_code error;
  asio::ip::tcp::resolver resolver(connection.loop());
  const auto endpoints = resolver.resolve(host_, port_, error);
  check("cannot find", error);
  error = asio::error::host_not_found;
  for (const auto& endpoint : endpoints) {
    connection.connect(endpoint.endpoint(), error);
    if (!error) break;
  }
  check("cannot reach", error, "; is it running? start it with ./dev run, or name another one with --url");
  if (tls_) {
    connection.handshake({options_.ca, options_.certificate, options_.key}, host_, error);
    check("no TLS with", error, tls_advice(error));
  }
  connection.write(request, error);
  check("cannot send to", error);

  http::response_parser<http::string_body> parser;
  parser.body_limit(kAnswerBytesMax);
  parser.eager(true);
  std::string received;
  std::vector<char> buffer(64 * 1024);
  while (!parser.is_done()) {
    const size_t count = connection.read(buffer, error);
    if (error == asio::error::eof) {
      // The end of the connection ends a body of unknown length, and cuts off any other.
      if (parser.got_some()) parser.put_eof(error);
      else error = http::error::end_of_stream;
      check("no HTTP answer from", error);
      break;
    }
    check("no HTTP answer from", error);
    received.append(buffer.data(), count);
    while (!received.empty() && !parser.is_done()) {
      const size_t used = parser.put(asio::buffer(received), error);
      received.erase(0, used);
      if (error == http::error::need_more) {
        error = {};
        break;
      }
      check("no HTTP answer from", error);
      if (used == 0) break;
    }
  }
  return {static_cast<int>(parser.get().result_int()), std::move(parser.get().body())};
}

}  // namespace orbit::ctl
