// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "client.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <boost/url/url_view.hpp>

#include "exit_code.hpp"

namespace orbit::ctl {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

std::string encode(std::string_view bytes) {
  return boost::urls::encode({bytes.data(), bytes.size()}, boost::urls::unreserved_chars);
}

Client::Client(ClientOptions options) : options_(std::move(options)) {
  const auto parsed = boost::urls::parse_uri(options_.url);
  if (!parsed || parsed->scheme() != "http" || parsed->host().empty())
    throw Failure(kExitUsage, "the URL '" + options_.url + "' must look like http://127.0.0.1:7080" +
                                  (options_.url.starts_with("https:") ? " (TLS is a proxy's or a tunnel's task)" : ""));
  host_ = parsed->host_address();
  port_ = parsed->has_port() && !parsed->port().empty() ? std::string(parsed->port()) : "80";
  authority_ = std::string(parsed->encoded_host_and_port());
  base_path_ = std::string(parsed->encoded_path());
  while (base_path_.ends_with('/')) base_path_.pop_back();
}

Answer Client::request(std::string_view method, std::string_view path, std::string_view json) const {
  http::request<http::string_body> request;
  request.method_string({method.data(), method.size()});
  request.target(base_path_ + std::string(path));
  request.set(http::field::host, authority_);
  request.set(http::field::user_agent, "orbitctl");
  request.set(http::field::connection, "close");
  if (!options_.token.empty()) request.set(http::field::authorization, "Bearer " + options_.token);
  if (!json.empty()) {
    request.set(http::field::content_type, "application/json");
    request.body() = json;
  }
  request.prepare_payload();

  // Only the asynchronous operations know a timeout; each step runs the loop until it is done.
  asio::io_context loop;
  asio::ip::tcp::resolver resolver(loop);
  beast::tcp_stream stream(loop);
  stream.expires_after(options_.timeout);
  const auto step = [&](const char* what, auto&& start) {
    beast::error_code result;
    start([&result](beast::error_code error, auto&&...) { result = error; });
    loop.restart();
    loop.run();
    if (!result) return;
    if (result == beast::error::timeout)
      throw Failure(kExitUnreachable, "the node at " + options_.url + " gave no answer within " +
                                          std::to_string(options_.timeout.count()) + " ms (--timeout)");
    throw Failure(kExitUnreachable, std::string(what) + " the node at " + options_.url + ": " + result.message());
  };

  beast::error_code resolved;
  const auto endpoints = resolver.resolve(host_, port_, resolved);
  if (resolved) throw Failure(kExitUnreachable, "cannot find the node at " + options_.url + ": " + resolved.message());
  try {
    step("cannot reach", [&](auto done) { stream.async_connect(endpoints, std::move(done)); });
  } catch (const Failure& failure) {
    throw Failure(kExitUnreachable, std::string(failure.what()) +
                                        "; is it running? start it with ./dev run, or name another one with --url");
  }
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kAnswerBytesMax);
  step("cannot send to", [&](auto done) { http::async_write(stream, request, std::move(done)); });
  step("no HTTP answer from", [&](auto done) { http::async_read(stream, buffer, parser, std::move(done)); });
  beast::error_code ignored;
  stream.socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  return {static_cast<int>(parser.get().result_int()), std::move(parser.get().body())};
}

}  // namespace orbit::ctl
