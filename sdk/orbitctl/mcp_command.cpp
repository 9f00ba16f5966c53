// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "mcp_command.hpp"

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "stream.hpp"

namespace orbit::ctl {
namespace {

namespace json = boost::json;

constexpr size_t kAtWorkMax = 256;
constexpr size_t kLineBytesMax = 16 * 1024 * 1024;
constexpr const char* kVersionKey = "io.modelcontextprotocol/protocolVersion";

// The data of the events of a text/event-stream, one call each.
class EventReader {
 public:
  template <class F>
  void feed(std::string_view bytes, F&& event) {
    for (const char c : bytes) {
      if (c == '\r') continue;
      if (c != '\n') {
        line_.push_back(c);
        continue;
      }
      if (line_.empty()) {
        if (!data_.empty()) event(std::exchange(data_, {}));
      } else if (line_.starts_with("data:")) {
        data_.append(std::string_view(line_).substr(line_.starts_with("data: ") ? 6 : 5));
      } else if (line_.starts_with("id:")) {
        id_ = line_.substr(line_.starts_with("id: ") ? 4 : 3);
      }
      line_.clear();
    }
  }
  const std::string& last_id() const noexcept { return id_; }

 private:
  std::string line_;
  std::string data_;
  std::string id_;
};

std::string header_value(std::string_view text) {
  const bool plain = !text.empty() && text.front() != ' ' && text.back() != ' ' && !text.starts_with("=?base64?") &&
                     std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  if (plain) return std::string(text);
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out = "=?base64?";
  for (size_t i = 0; i < text.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = (bits << 8) | (i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out.push_back(i + k <= text.size() ? kDigits[(bits >> (18 - 6 * k)) & 63] : '=');
  }
  return out + "?=";
}

class Bridge {
 public:
  Bridge(Endpoint endpoint, ClientOptions options) : endpoint_(std::move(endpoint)), options_(std::move(options)) {}

  void take(const std::string& line) {
    boost::system::error_code error;
    json::value message = json::parse(line, error);
    if (error || !message.is_object()) return fail(nullptr, -32700, "the line is no JSON object: " + error.message());
    auto work = std::make_shared<Work>();
    work->body = line;
    const json::object& object = message.get_object();
    if (const json::value* id = object.if_contains("id")) work->id = *id;
    if (const json::value* method = object.if_contains("method"); method != nullptr && method->is_string()) work->method = method->get_string();
    work->is_request = !work->method.empty() && object.contains("id");
    const json::value* const params = object.if_contains("params");
    if (params != nullptr && params->is_object()) {
      const json::object& given = params->get_object();
      if (const json::value* meta = given.if_contains("_meta"); meta != nullptr && meta->is_object())
        if (const json::value* version = meta->get_object().if_contains(kVersionKey); version != nullptr && version->is_string())
          work->version = version->get_string();
      if (const json::value* name = given.if_contains(work->method == "resources/read" ? "uri" : "name"); name != nullptr && name->is_string())
        work->name = name->get_string();
      if (const json::value* uri = given.if_contains("uri"); uri != nullptr && uri->is_string()) work->uri = uri->get_string();
      // Without a session, what cancels a request is closing its connection.
      if (work->method == "notifications/cancelled")
        if (const json::value* id = given.if_contains("requestId"); id != nullptr && cancel(*id)) return;
    }
    if (work->method == "initialize") return run(work);
    // In their order, and done before the next line: answers to questions, notifications.
    if (!work->is_request) {
      run(work);
      if (work->method == "notifications/initialized") listen();
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      if (at_work_.size() < kAtWorkMax) {
        at_work_.emplace(work.get(), work);
        std::thread([this, work] {
          run(work);
          const std::lock_guard done(mutex_);
          at_work_.erase(work.get());
          idle_.notify_all();
        }).detach();
        return;
      }
    }
    fail(work->id, -32603, "orbitctl has " + std::to_string(kAtWorkMax) + " requests at work: wait for one");
  }

  // The input has ended: what is at work may finish, but for what never does.
  void finish() {
    std::unique_lock lock(mutex_);
    for (const auto& [key, work] : at_work_)
      if (work->method == "subscriptions/listen") work->close();
    idle_.wait_for(lock, options_.timeout, [this] { return at_work_.empty(); });
    ending_ = true;
    idle_.notify_all();
    for (const auto& [key, work] : at_work_) work->close();
    if (listening_) listening_->close();
    idle_.wait(lock, [this] { return at_work_.empty() && !listening_; });
    const std::string session = session_;
    lock.unlock();
    if (session.empty()) return;
    try {
      StreamRequest http;
      http.send(endpoint_, "DELETE", headers({}), {}, options_.timeout);
    } catch (const std::exception&) {
      // The node ends it by itself.
    }
  }

 private:
  struct Work {
    std::string body;
    json::value id;
    std::string method;
    std::string version;  // of a request without session
    std::string name;
    std::string uri;
    bool is_request = false;
    std::atomic<bool> cancelled{false};

    // A request on its way; another one when the first was for a session that had ended.
    std::shared_ptr<StreamRequest> begin() {
      const std::lock_guard lock(mutex);
      http = std::make_shared<StreamRequest>();
      if (closed) http->close();
      return http;
    }
    void close() {
      const std::lock_guard lock(mutex);
      closed = true;
      if (http) http->close();
    }

   private:
    std::mutex mutex;
    std::shared_ptr<StreamRequest> http;
    bool closed = false;
  };

  StreamRequest::Headers headers(const std::string& version, std::string* session = nullptr) {
    const std::lock_guard lock(mutex_);
    if (session != nullptr) *session = session_;
    StreamRequest::Headers out{{"Content-Type", "application/json"}, {"Accept", "application/json, text/event-stream"}};
    if (!options_.token.empty()) out.emplace_back("Authorization", "Bearer " + options_.token);
    if (!version.empty()) {
      out.emplace_back("MCP-Protocol-Version", version);
    } else if (!session_.empty()) {
      out.emplace_back("Mcp-Session-Id", session_);
      out.emplace_back("MCP-Protocol-Version", session_version_);
    }
    return out;
  }

  bool cancel(const json::value& id) {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, work] : at_work_)
      if (!work->version.empty() && work->id == id) {
        work->cancelled = true;
        work->close();
        return true;
      }
    return false;
  }

  void run(const std::shared_ptr<Work>& work) {
    try {
      std::string session;
      std::shared_ptr<StreamRequest> http = post(*work, session);
      // A session ends when nothing was asked in it for long, when the node is started again, or its caller has changed.
      if (http->status() == 404 && !session.empty() && work->method != "initialize" && renew(session)) http = post(*work, session);
      if (http->header("Content-Type").starts_with("text/event-stream")) {
        EventReader events;
        bool answered = false;
        for (std::string bytes = http->read(); !bytes.empty(); bytes = http->read())
          events.feed(bytes, [&](const std::string& data) {
            answered = answered || is_answer(data);
            print(data);
          });
        if (!answered && work->is_request && !work->cancelled && !ending_ && work->method != "subscriptions/listen" && !work->version.empty())
          fail(work->id, -32603, "the node ended the answer before its end");
        return;
      }
      std::string body = all_of(*http);
      if (body.empty()) return;
      answer(work, *http, std::move(body));
    } catch (const std::exception& error) {
      if (work->is_request && !work->cancelled && !ending_) fail(work->id, -32603, error.what());
    }
  }

  std::shared_ptr<StreamRequest> post(Work& work, std::string& session) {
    StreamRequest::Headers sent = headers(work.version, &session);
    if (!work.version.empty()) {
      session.clear();
      sent.emplace_back("Mcp-Method", header_value(work.method));
      if (work.method == "tools/call" || work.method == "prompts/get" || work.method == "resources/read")
        sent.emplace_back("Mcp-Name", header_value(work.name));
    }
    if (work.method == "initialize") without_session(sent);
    std::shared_ptr<StreamRequest> http = work.begin();
    http->send(endpoint_, "POST", sent, work.body, options_.timeout);
    if (http->status() < 300) remember(work);
    return http;
  }

  static void without_session(StreamRequest::Headers& sent) {
    std::erase_if(sent, [](const auto& each) { return each.first.starts_with("M"); });
  }

  static std::string all_of(StreamRequest& http) {
    std::string body;
    for (std::string bytes = http.read(); !bytes.empty(); bytes = http.read()) body += bytes;
    return body;
  }

  // What a session has to be told again when another one takes its place.
  void remember(const Work& work) {
    const std::lock_guard lock(mutex_);
    if (work.method == "initialize") initialize_ = work.body;
    if (work.method == "logging/setLevel") level_ = work.body;
    if (work.method == "resources/subscribe") subscriptions_[work.uri] = work.body;
    if (work.method == "resources/unsubscribe") subscriptions_.erase(work.uri);
  }

  // Begins another session as the client began the one that has ended. False: the node does not let it.
  bool renew(const std::string& ended) {
    const std::lock_guard once(renewing_);
    std::vector<std::string> again;
    std::string initialize;
    {
      const std::lock_guard lock(mutex_);
      if (session_ != ended) return !session_.empty();  // somebody else was faster
      if (initialize_.empty() || ending_) return false;
      initialize = initialize_;
      again.emplace_back(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
      if (!level_.empty()) again.push_back(level_);
      for (const auto& [uri, body] : subscriptions_) again.push_back(body);
    }
    StreamRequest http;
    StreamRequest::Headers sent = headers({});
    without_session(sent);
    http.send(endpoint_, "POST", sent, initialize, options_.timeout);
    const std::string body = all_of(http);
    boost::system::error_code error;
    const json::value message = json::parse(body, error);
    if (http.status() != 200 || error || !message.is_object()) return false;
    begin_session(http, message.get_object());
    for (const std::string& each : again) {
      StreamRequest more;
      more.send(endpoint_, "POST", headers({}), each, options_.timeout);
      static_cast<void>(all_of(more));  // the client had its answer
    }
    return true;
  }

  void begin_session(StreamRequest& http, const json::object& answer) {
    const json::value* const result = answer.if_contains("result");
    if (result == nullptr || !result->is_object()) return;
    const std::lock_guard lock(mutex_);
    session_ = http.header("Mcp-Session-Id");
    if (const json::value* version = result->get_object().if_contains("protocolVersion"); version != nullptr && version->is_string())
      session_version_ = version->get_string();
  }

  static bool is_answer(const std::string& text) {
    boost::system::error_code error;
    const json::value message = json::parse(text, error);
    return !error && message.is_object() && !message.get_object().contains("method");
  }

  void answer(const std::shared_ptr<Work>& work, StreamRequest& http, std::string body) {
    boost::system::error_code error;
    json::value message = json::parse(body, error);
    if (error || !message.is_object()) {
      if (work->is_request) fail(work->id, -32603, "the node answered with HTTP status " + std::to_string(http.status()));
      return;
    }
    json::object& object = message.get_object();
    if (work->method == "initialize") begin_session(http, object);
    // A refusal that does not know what it refuses, such as of a session that has ended.
    if (!object.contains("id") && object.contains("error")) {
      if (!work->is_request) return;
      object["id"] = work->id;
    }
    print(json::serialize(object));
  }

  // Messages of the node that belong to no request; goes on where it was when the connection is lost.
  void listen() {
    const std::lock_guard lock(mutex_);
    if (session_.empty() || listening_) return;
    listening_ = std::make_shared<StreamRequest>();
    std::thread([this] {
      EventReader events;
      for (;;) {
        try {
          std::shared_ptr<StreamRequest> http;
          {
            const std::lock_guard inner(mutex_);
            if (ending_) break;
            http = listening_ = std::make_shared<StreamRequest>();
          }
          std::string session;
          StreamRequest::Headers sent = headers({}, &session);
          if (!events.last_id().empty()) sent.emplace_back("Last-Event-ID", events.last_id());
          http->send(endpoint_, "GET", sent, {}, options_.timeout);
          if (http->status() == 404 && renew(session)) {
            events = EventReader();
            continue;
          }
          if (http->status() != 200) break;
          for (std::string bytes = http->read(); !bytes.empty(); bytes = http->read())
            events.feed(bytes, [this](const std::string& data) { print(data); });
        } catch (const std::exception&) {
          // Tried again.
        }
        std::unique_lock inner(mutex_);
        if (idle_.wait_for(inner, std::chrono::seconds(1), [this] { return ending_.load(); })) break;
      }
      const std::lock_guard done(mutex_);
      listening_ = nullptr;
      idle_.notify_all();
    }).detach();
  }

  void fail(const json::value& id, int code, const std::string& message) {
    json::object out{{"jsonrpc", "2.0"}};
    if (!id.is_null()) out["id"] = id;
    out["error"] = json::object{{"code", code}, {"message", message}};
    print(json::serialize(out));
  }

  void print(const std::string& line) {
    const std::lock_guard lock(output_);
    std::cout << line << '\n' << std::flush;
  }

  const Endpoint endpoint_;
  const ClientOptions options_;
  std::mutex output_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::map<Work*, std::shared_ptr<Work>> at_work_;
  std::shared_ptr<StreamRequest> listening_;
  std::string session_;
  std::string session_version_;
  std::string initialize_;  // what began the session
  std::string level_;       // the last logging/setLevel
  std::map<std::string, std::string> subscriptions_;  // requests, by URI
  std::mutex renewing_;     // before mutex_
  std::atomic<bool> ending_{false};
};

}  // namespace

ExitCode mcp(const Invocation& call) {
  const char* const environment = std::getenv("ORBIT_MCP_URL");
  std::string url = environment != nullptr && *environment != '\0' ? environment : "http://127.0.0.1:7070/mcp";
  if (call.options.count("url") != 0) url = call.options["url"].as<std::string>();
  ClientOptions options = call.client;
  options.url = url;
  Bridge bridge(Endpoint(options), options);
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.size() > kLineBytesMax) throw Failure(kExitRefused, "a message of more than " + std::to_string(kLineBytesMax) + " bytes");
    if (!line.empty()) bridge.take(line);
  }
  bridge.finish();
  return kExitOk;
}

}  // namespace orbit::ctl
