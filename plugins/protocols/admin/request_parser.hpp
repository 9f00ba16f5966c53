// SPDX-License-Identifier: MIT OR BSD-3-Clause
// HTTP/1.0 and 1.1 requests from bytes (RFC 9112), through Boost.Beast, which only the .cpp sees. Knows no sockets.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http.hpp"

namespace orbit::admin {

// What is wrong with the bytes: the status to answer with, and a sentence. The connection cannot go on after it.
struct ParseFailure {
  int status = 400;
  std::string detail;
};

// Takes one request after the other. Not thread-safe; owned by its connection.
class RequestParser {
 public:
  enum class Stage {
    head,      // waits for (the rest of) a head
    body,      // the head is known, the body is not complete
    complete,  // take() gives the request
    failed,    // failure() says why
  };

  explicit RequestParser(HttpLimits limits);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Returns how many bytes it consumed; the caller offers the rest again, with more behind it. Stops at the end of a
  // head, so that the caller can judge it before the body comes, and at the end of a request.
  size_t feed(std::string_view data);

  Stage stage() const noexcept { return stage_; }
  // The request without its body; from stage `body` on.
  const Request& head() const noexcept { return request_; }
  const ParseFailure& failure() const noexcept { return failure_; }
  // The complete request; the parser is ready for the next one afterwards.
  Request take();

 private:
  struct Beast;
  void begin();
  void read_head();
  void fail(int status, std::string detail);

  HttpLimits limits_;
  Stage stage_ = Stage::head;
  bool begun_ = false;  // the parser has seen bytes of the current request
  Request request_;
  ParseFailure failure_;
  std::unique_ptr<Beast> beast_;
};

}  // namespace orbit::admin
