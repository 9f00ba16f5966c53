// SPDX-License-Identifier: MIT OR BSD-3-Clause
// HTTP/1.0 and 1.1 requests from bytes (RFC 9112). Strict where leniency lets two programs read one message differently
// (request smuggling): CRLF line ends only, no folded lines, one Content-Length, "chunked" alone. Knows no sockets.
#pragma once

#include <string>
#include <string_view>

#include "message.hpp"

namespace orbit::http {

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

  explicit RequestParser(Limits limits) : limits_(limits) {}
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
  enum class Part { counted, chunk_line, chunk_data, chunk_end, trailer };

  size_t feed_head(std::string_view data);
  size_t feed_body(std::string_view data);
  size_t feed_chunk_line(std::string_view data);
  size_t feed_trailer(std::string_view data);
  bool read_head(std::string_view head);
  bool read_request_line(std::string_view line);
  bool read_field(std::string_view line);
  bool read_framing();
  bool fail(int status, std::string detail);
  bool fail_request_line();
  bool fail_head();

  Limits limits_;
  Stage stage_ = Stage::head;
  Part part_ = Part::counted;
  size_t scanned_ = 0;       // of an incomplete head or line: bytes in which no end was found
  uint64_t left_ = 0;        // of the body or of the current chunk
  size_t trailer_bytes_ = 0;
  Request request_;
  ParseFailure failure_;
};

}  // namespace orbit::http
