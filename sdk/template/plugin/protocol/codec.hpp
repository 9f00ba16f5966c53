#pragma once

#include <cstddef>
#include <string_view>

namespace @name@ {

// CALL type key method json; the parts are borrowed.
struct CallRequest {
  std::string_view type;
  std::string_view key;
  std::string_view method;
  std::string_view json;  // the rest of the line; may be empty
};

// What a codec acts on: a connection and a node, or a test.
class Peer {
 public:
  virtual void write(std::string_view bytes) = 0;
  // Whether so much waits to be sent that the codec should take no more.
  virtual bool output_is_full() = 0;
  // Begins a call. Codec::answer follows exactly once, now or later, unless the connection closes.
  virtual void call(const CallRequest& request) = 0;
  // Closes when what was written is sent.
  virtual void close() = 0;

 protected:
  ~Peer() = default;
};

// The protocol itself; knows neither sockets nor Orbit. A request is a line, so is an answer, in the same order:
//
//   PING                        PONG
//   CALL type key method json   OK json
//   anything else               ERR CODE message
//
// A line ends with \n or \r\n. Empty lines are skipped. One call is under way at a time; what comes meanwhile waits.
class Codec {
 public:
  Codec(Peer& peer, size_t line_bytes_max) : peer_(peer), line_bytes_max_(line_bytes_max) {}

  // Takes whole lines and returns how many bytes those are. The rest must come again, with more behind it: when more was
  // received, after an answer, or when output was sent.
  size_t received(std::string_view data);
  // The answer of the call that is under way.
  void answer(std::string_view json);
  // The same when it failed: a code such as NOT_FOUND, and why.
  void answer_error(std::string_view code, std::string_view message);

  bool waiting() const { return waiting_; }

 private:
  void run(std::string_view line);
  void call(std::string_view arguments);
  void error(std::string_view code, std::string_view message);
  void write_line(std::string_view line);
  size_t refuse_long_line(size_t size);

  Peer& peer_;
  const size_t line_bytes_max_;  // without the line's end
  size_t searched_ = 0;          // bytes at the front of the next data that have no line end
  bool waiting_ = false;
  bool closing_ = false;
};

}  // namespace @name@
