// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What the engine needs of a node and of a connection; tests give it their own. All of one worker.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catalog.hpp"
#include "json.hpp"
#include "orbit/result.hpp"

namespace orbit::mcp {

// Who asks.
struct Caller {
  virtual ~Caller() = default;
  std::string name;  // empty: anonymous
  std::string peer;  // "127.0.0.1:49152"
};
using CallerPtr = std::shared_ptr<const Caller>;

struct Answer {
  int status = 200;
  std::string content_type;  // empty: no body
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

// Where what answers one HTTP request goes: answer(), or begin(), write() any number of times, end(). Does nothing when the
// client is gone.
class Outlet {
 public:
  virtual ~Outlet() = default;
  virtual void answer(Answer answer) = 0;
  // 200 with a body of type text/event-stream.
  virtual void begin(const std::vector<std::pair<std::string, std::string>>& headers) = 0;
  virtual void write(std::string bytes) = 0;
  virtual void end() = 0;
  // Called once when the client goes away before the end; replaces what was set before.
  virtual void on_closed(std::function<void()> closed) = 0;
};
using OutletPtr = std::shared_ptr<Outlet>;

struct ActorTarget {
  std::string_view type;
  std::string_view key;
  std::string_view method;
  bool read_only = false;
};

// A resource of the node itself, or a template of such.
struct NodeResource {
  std::string uri;  // with variables: a template
  std::string name;
  std::string title;
  std::string description;
  bool is_template = false;
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual CatalogPtr catalog() = 0;
  // Whether the caller may see and call it at all; for listings.
  virtual bool may(const Caller& caller, const Offer& offer) = 0;
  // As may, but a no is a refusal, which is audited: for what a client asks for by name.
  virtual bool permits(const Caller& caller, const Offer& offer) = 0;
  // Whether it may read a URI that begins with "orbit:". Audited as well.
  virtual Result<> permits_read(const Caller& caller, const std::string& uri) = 0;
  // Whether it may still be taken for who it was: for sessions and streams, which go on.
  virtual bool still(const Caller& caller) = 0;
  // Whether listings are the same for every caller.
  virtual bool lists_are_public() = 0;
  // One call of an actor: its answer is JSON, or an error. done is called once, perhaps inside this. Returns what cancel takes, 0
  // when done was called already.
  virtual uint64_t call(const Caller& caller, const ActorTarget& target, const std::string& request,
                        std::function<void(Result<std::string>)> done) = 0;
  virtual void cancel(uint64_t call) = 0;

  virtual const std::vector<NodeResource>& node_resources() = 0;
  // Of a URI that begins with "orbit:"; the answer is JSON text.
  virtual void read(const CallerPtr& caller, const std::string& uri, std::function<void(Result<std::string>)> done) = 0;
  // Values for a variable of one of the templates that begin with `prefix`; at most `limit` and one more.
  virtual void complete(const CallerPtr& caller, const std::string& uri, const std::string& variable, const std::string& prefix,
                        const json::object& known, size_t limit, std::function<void(std::vector<std::string>)> done) = 0;

  // From now on reports for this call come to Engine::report; until close_call.
  virtual void open_call(const std::string& token) = 0;
  // Reports that are on their way to Engine::report.
  virtual uint32_t reports_sent(const std::string& token) = 0;
  virtual void cancelled_call(const std::string& token) = 0;
  virtual void close_call(const std::string& token) = 0;

  virtual uint64_t now_ms() = 0;   // monotonic
  virtual uint64_t unix_ms() = 0;
  virtual uint64_t after(uint64_t delay_ms, std::function<void()> function) = 0;
  virtual void cancel_timer(uint64_t timer) = 0;
  // 128 bits that nobody can guess, in hexadecimal.
  virtual std::string token() = 0;
  virtual void complain(const std::string& what) = 0;
};

}  // namespace orbit::mcp
