// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "streams.hpp"

#include <charconv>
#include <optional>

#include "orbit/http/target.hpp"

namespace orbit::rest {

namespace {

// A client that is so far behind is let go; it may come back with Last-Event-ID.
constexpr size_t kBehindBytesMax = size_t{4} << 20;

// Where events go to: one of the two kinds of connection.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void event(uint64_t position, const std::string& json) = 0;
  virtual void heartbeat() = 0;
  virtual void end(Code code, const std::string& why) = 0;
  virtual size_t output_bytes() const = 0;
};

// One observer of the kernel's and the client it is for. Held by the connection, and by itself until the kernel has said that it
// will not call again.
class Subscription : public std::enable_shared_from_this<Subscription> {
 public:
  Subscription(Service& service, std::shared_ptr<const Catalog> catalog, std::string stream, std::unique_ptr<Sink> sink,
               Principal caller)
      : service_(service),
        catalog_(std::move(catalog)),
        stream_(std::move(stream)),
        sink_(std::move(sink)),
        caller_(std::move(caller)) {
    if (const size_t slash = stream_.find('/'); slash != std::string::npos)
      message_ = catalog_->message(std::string_view(stream_).substr(0, slash));
  }

  void begin(uint64_t from) {
    open_ = true;
    observing_ = true;
    self_ = shared_from_this();
    const uint64_t lease_ms = lease();
    observer_ = service_.streams().observe(
        to_c(std::string_view(stream_)), from, lease_ms,
        [](void* ctx, const orbit_stream_event* events, size_t count) { static_cast<Subscription*>(ctx)->events(events, count); },
        [](void* ctx, orbit_code code, const char* message) {
          static_cast<Subscription*>(ctx)->ended(static_cast<Code>(code), message != nullptr ? message : "");
        },
        this);
    if (observing_) arm();
  }
  void client_gone() {
    open_ = false;
    stop();
  }

 private:
  // The heartbeat renews it, and may be late.
  uint64_t lease() const { return service_.options().stream_heartbeat_ms * 4; }

  void arm() {
    timer_ = service_.workers().after(
        service_.host().raw(), service_.options().stream_heartbeat_ms,
        [](void* ctx) {
          auto& self = *static_cast<Subscription*>(ctx);
          self.timer_ = 0;
          const auto keep = self.shared_from_this();
          if (!self.is_allowed()) return;
          self.sink_->heartbeat();
          if (self.renew()) self.arm();
        },
        this);
  }
  // Whether the client still is who it was; if not, it is told so and the stream ends.
  bool is_allowed() {
    if (!service_.access().enabled()) return true;
    const auto good = service_.access().still(caller_);
    if (!good) finish(good.error().code, good.error().message);
    return good.has_value();
  }
  bool renew() { return open_ && observing_ && service_.streams().renew(observer_, lease()) != 0; }

  void events(const orbit_stream_event* events, size_t count) {
    const auto keep = shared_from_this();
    if (!open_ || !is_allowed()) return;
    for (size_t i = 0; i < count && open_; ++i) {
      sink_->event(events[i].position, event_json(events[i]));
      if (sink_->output_bytes() <= kBehindBytesMax) continue;
      finish(Code::resource_exhausted, "the client reads too slowly: more than " + std::to_string(kBehindBytesMax) + " bytes wait for it");
    }
  }
  void ended(Code code, const std::string& why) {
    const auto keep = std::move(self_);
    observing_ = false;
    if (open_) finish(code, why);
    stop();
  }
  void finish(Code code, const std::string& why) {
    open_ = false;
    sink_->end(code, why);
    stop();
  }
  void stop() {
    if (timer_ != 0) service_.workers().cancel(service_.host().raw(), std::exchange(timer_, 0));
    if (observing_ && observer_ != 0 && !cancelled_) {
      cancelled_ = true;
      service_.streams().cancel(observer_);
    }
  }

  std::string event_json(const orbit_stream_event& event) const {
    std::string out = "{\"position\":\"" + std::to_string(event.position) + "\",\"timeMs\":\"" + std::to_string(event.time_ms) +
                      "\",\"publisher\":{\"type\":";
    http::append_json_string(out, from_c(event.publisher_type));
    out += ",\"key\":";
    http::append_json_string(out, from_c(event.publisher_key));
    out += "},\"sequence\":\"" + std::to_string(event.sequence) + "\",\"payload\":";
    if (message_.plan == nullptr || !message_.codec->to_json(*message_.plan, from_c(event.payload), out)) {
      out += '"';
      append_base64(out, from_c(event.payload));
      out += '"';
    }
    return out + "}";
  }

  Service& service_;
  std::shared_ptr<const Catalog> catalog_;
  std::string stream_;
  std::unique_ptr<Sink> sink_;
  std::shared_ptr<Subscription> self_;
  const Principal caller_;
  Catalog::Found message_;
  uint64_t observer_ = 0;
  orbit_timer timer_ = 0;
  bool open_ = false;       // the client is there
  bool observing_ = false;  // the kernel may call
  bool cancelled_ = false;
};

class EventSink final : public Sink {
 public:
  explicit EventSink(http::Stream stream) : stream_(std::move(stream)) {}
  void event(uint64_t position, const std::string& json) override {
    out_.clear();
    http::append_event(out_, std::to_string(position), {}, json);
    stream_.write(out_);
  }
  void heartbeat() override { stream_.write(":\n\n"); }
  void end(Code code, const std::string& why) override {
    out_.clear();
    http::append_event(out_, {}, "end", http::problem(code == Code::ok ? 200 : http::status_of(code), code, why, {}).body);
    stream_.write(out_);
    stream_.end();
  }
  size_t output_bytes() const override { return stream_.output_bytes(); }

 private:
  http::Stream stream_;
  std::string out_;
};

class SocketSink final : public Sink {
 public:
  explicit SocketSink(http::WebSocket socket) : socket_(std::move(socket)) {}
  void event(uint64_t, const std::string& json) override { socket_.send(http::Opcode::text, json); }
  void heartbeat() override { socket_.send(http::Opcode::ping, {}); }
  void end(Code code, const std::string& why) override {
    socket_.close(code == Code::resource_exhausted || code == Code::unauthenticated ? http::CloseCode::policy : http::CloseCode::try_again, why);
  }
  size_t output_bytes() const override { return socket_.output_bytes(); }

 private:
  http::WebSocket socket_;
};

// What a client says on it means nothing; it may close it.
struct SocketHandler final : http::WebSocketHandler {
  explicit SocketHandler(std::shared_ptr<Subscription> s) : subscription(std::move(s)) {}
  void message(bool, std::string) override {}
  void closed(http::CloseCode) override { subscription->client_gone(); }
  std::shared_ptr<Subscription> subscription;
};

Result<uint64_t> start_of(const http::Request& request, std::string_view query) {
  const auto number = [](std::string_view text, uint64_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
  };
  uint64_t from = ORBIT_STREAM_NEW;
  auto target = http::parse_target("/?" + std::string(query));
  if (!target) return tl::unexpected<Error>(target.error());
  for (const auto& [name, value] : target->query) {
    if (name != "from") return fail(Code::invalid_argument, "unknown query parameter '" + name + "'; known: from");
    if (value != "new" && !number(value, from))
      return fail(Code::invalid_argument, "'from' must be a position or new, found '" + value.substr(0, 40) + "'");
  }
  if (const std::string_view last = request.header("last-event-id"); !last.empty()) {
    if (!number(last, from) || from == UINT64_MAX)
      return fail(Code::invalid_argument, "Last-Event-ID must be a position, found '" + std::string(last.substr(0, 40)) + "'");
    ++from;
  }
  return from;
}

}  // namespace

void open_stream(Service& service, std::shared_ptr<const Catalog> catalog, http::Request request, http::Responder responder,
                 Route route, const Principal& caller, const std::string& peer) {
  const auto refuse = [&](const Error& error) { responder.answer(problem_of(error, request.target)); };
  auto from = start_of(request, route.query);
  if (!from) return refuse(from.error());
  if (service.access().enabled()) {
    auto allowed = service.access().check(caller, {.type = ORBIT_STREAM_TYPE,
                                                   .key = route.key,
                                                   .method = "observe",
                                                   .read_only = true,
                                                   .peer = peer.empty() ? nullptr : peer.c_str()});
    if (!allowed) return refuse(allowed.error());
  }
  if (http::is_websocket_upgrade(request)) {
    std::shared_ptr<Subscription> subscription;
    const bool there = responder.upgrade(request, [&](http::WebSocket socket) {
      subscription = std::make_shared<Subscription>(service, std::move(catalog), std::move(route.key),
                                                    std::make_unique<SocketSink>(std::move(socket)), caller);
      return std::make_unique<SocketHandler>(subscription);
    });
    if (there) subscription->begin(*from);
    return;
  }
  http::Response head{200, std::string(http::kEventStream), ":\n\n", {}};
  http::Stream stream = responder.stream(std::move(head));
  // Told through a holder, because the stream itself moves into the subscription.
  auto holder = std::make_shared<std::weak_ptr<Subscription>>();
  stream.on_gone([holder] {
    if (const auto subscription = holder->lock()) subscription->client_gone();
  });
  const auto subscription = std::make_shared<Subscription>(service, std::move(catalog), std::move(route.key),
                                                           std::make_unique<EventSink>(std::move(stream)), caller);
  *holder = subscription;
  subscription->begin(*from);
}

}  // namespace orbit::rest
