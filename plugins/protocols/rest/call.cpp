// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "call.hpp"

#include <boost/json.hpp>
#include <charconv>
#include <optional>

#include "conditions.hpp"
#include "idempotency.hpp"
#include "json_reader.hpp"
#include "orbit/http/target.hpp"

namespace orbit::rest {

namespace json = boost::json;

namespace {

constexpr std::string_view kTimeoutHeader = "orbit-timeout-ms";

// Lives from the request to the reply of the turn, which comes in any case; the client may have its answer before, at the
// deadline. All on the connection's worker, but for what the kernel asks of the payload.
class Call {
 public:
  Call(Service& service, std::shared_ptr<const Catalog> catalog, http::Request request, http::Responder responder, Route route,
       const Principal& caller)
      : service_(service),
        catalog_(std::move(catalog)),
        request_(std::move(request)),
        responder_(std::move(responder)),
        route_(std::move(route)),
        caller_(caller) {}

  // Owns itself from here on.
  static void start(std::unique_ptr<Call> call, const std::string& peer) {
    Call& self = *call;
    if (auto ready = self.prepare(peer); !ready) return self.respond(problem_of(ready.error(), self.request_.target));
    call.release();
    if (self.idempotency_key_.empty())
      self.send();
    else
      self.begin();
  }

 private:
  Result<> prepare(const std::string& peer);
  Result<> read_request();
  void send();
  void answered(orbit_envelope* reply);
  http::Response response_of(orbit_envelope* reply);
  void begin();
  void send_idempotency(uint32_t method, void (*done)(void* ctx, orbit_envelope* reply));
  void begun(orbit_envelope* reply);
  void arm(uint64_t now_ns);
  void out_of_time();
  void end();

  void respond(http::Response response) {
    if (!responder_) return;
    responder_->answer(std::move(response));
    responder_.reset();
  }

  static const orbit_payload_ops kOps;

  Service& service_;
  std::shared_ptr<const Catalog> catalog_;
  http::Request request_;
  std::optional<http::Responder> responder_;  // empty: the client has its answer
  Route route_;
  Principal caller_;
  std::string binary_;
  Conditions conditions_;
  bool if_match_failed_ = false, if_none_match_failed_ = false;
  uint64_t deadline_ns_ = 0;
  orbit_envelope* envelope_ = nullptr;  // that is on its way
  orbit_timer timer_ = 0;
  std::string idempotency_key_;
  IdempotencyTurn turn_;
  bool* gone_ = nullptr;  // of the send that is under way: set when this object ends
};

const char kCallToken = 0;

const orbit_payload_ops Call::kOps = {
    .struct_size = sizeof(orbit_payload_ops),
    .room_bytes = 1,
    .token = &kCallToken,
    .serialize = [](const void* object, orbit_sink sink) -> orbit_code {
      sink.append(sink.ctx, to_c(std::string_view(static_cast<const Call*>(object)->binary_)));
      return ORBIT_OK;
    },
    .retain = nullptr,
    .destroy = nullptr,
    .condition = [](void* object, uint64_t version) -> int {
      auto& call = *static_cast<Call*>(object);
      call.if_match_failed_ = !call.conditions_.if_match_holds(version);
      // For a method that only reads, the answer decides (304).
      call.if_none_match_failed_ =
          !call.route_.method->wire->read_only() && !call.conditions_.if_none_match_holds(version);
      return call.if_match_failed_ || call.if_none_match_failed_ ? 0 : 1;
    },
};

Result<> Call::prepare(const std::string& peer) {
  const Method& method = *route_.method;
  if (auto read = read_request(); !read) return read;
  if (route_.rule != nullptr) {
    auto key = method.wire->key_in(binary_);
    if (!key) return tl::unexpected<Error>(key.error());
    if (auto good = check_key(route_.type->wire->key_kind, *key); !good) return good;
    route_.key = std::move(*key);
  }
  if (service_.access().enabled()) {
    auto allowed = service_.access().check(caller_, {.type = route_.type->wire->name,
                                                     .key = route_.key,
                                                     .method = method.wire->name(),
                                                     .read_only = method.wire->read_only(),
                                                     .peer = peer.empty() ? nullptr : peer.c_str()});
    if (!allowed) return allowed;
  }
  auto conditions = Conditions::parse(request_);
  if (!conditions) return tl::unexpected<Error>(conditions.error());
  conditions_ = std::move(*conditions);
  uint64_t timeout_ms = service_.options().call_timeout_ms;
  if (const std::string_view text = request_.header(kTimeoutHeader); !text.empty()) {
    uint64_t asked = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), asked);
    if (error != std::errc() || end != text.data() + text.size() || asked == 0 || asked > timeout_ms)
      return fail(Code::invalid_argument, "Orbit-Timeout-Ms must be a number from 1 to call_timeout_ms, " +
                                              std::to_string(timeout_ms) + ", found '" + std::string(text.substr(0, 40)) + "'");
    timeout_ms = asked;
  }
  deadline_ns_ = service_.monotonic_ns() + timeout_ms * 1'000'000;
  if (const std::string_view header = request_.header("idempotency-key"); !header.empty() && !method.wire->read_only()) {
    auto key = read_idempotency_key(header);
    if (!key) return tl::unexpected<Error>(key.error());
    // One caller's keys are nobody else's.
    idempotency_key_ = std::string(caller_.name()) + "\n" + *key;
  }
  return {};
}

// Body, query and path each say some fields; messages on the wire are joined by putting them behind each other.
Result<> Call::read_request() {
  const Method& method = *route_.method;
  const JsonCodec& codec = *route_.type->codec;
  if (!request_.body.empty()) {
    if (route_.rule == nullptr || route_.rule->body == "*") {
      if (auto read = codec.to_binary(*method.input, request_.body, binary_); !read) return read;
    } else {
      // One value and nothing behind it, or the text could bring fields of its own.
      if (JsonReader reader(request_.body, kNestingMax); !reader.skip() || !reader.end())
        return fail(Code::invalid_argument, "the body is no JSON value: " + reader.error());
      const std::string wrapped = "{\"" + route_.rule->body + "\":" + request_.body + "}";
      if (auto read = codec.to_binary(*method.input, wrapped, binary_); !read) return read;
    }
  }
  if (!route_.query.empty()) {
    auto target = http::parse_target("/?" + std::string(route_.query));
    if (!target) return tl::unexpected<Error>(target.error());
    if (!target->query.empty()) {
      if (route_.rule == nullptr ? request_.method == "POST" : route_.rule->body == "*")
        return fail(Code::invalid_argument, "this request takes its fields in the body, not in the query: '" + target->query[0].first + "'");
      auto fields = fields_as_json(*method.input, target->query);
      if (!fields) return tl::unexpected<Error>(fields.error());
      if (auto read = codec.to_binary(*method.input, *fields, binary_); !read) return read;
    }
  }
  if (!route_.variables.empty()) {
    std::vector<std::pair<std::string, std::string>> variables;
    for (const auto& [name, value] : route_.variables) variables.emplace_back(name, value);
    auto fields = fields_as_json(*method.input, variables);
    if (!fields) return tl::unexpected<Error>(fields.error());
    if (auto read = codec.to_binary(*method.input, *fields, binary_); !read) return read;
  }
  return {};
}

void Call::send() {
  const orbit_actors_v1& actors = service_.actors();
  orbit_envelope* envelope = actors.allocate();
  envelope->type = route_.type->wire->type;
  envelope->key = to_c(std::string_view(route_.key));
  envelope->method = route_.method->wire->definition->id;
  envelope->deadline_ns = deadline_ns_;
  envelope->ops = &kOps;
  envelope->payload = this;
  envelope->flags = ORBIT_ENVELOPE_INLINE;
  if (conditions_.any()) envelope->flags |= ORBIT_ENVELOPE_CONDITIONAL;
  envelope->on_reply = [](void* ctx, orbit_envelope* reply) { static_cast<Call*>(ctx)->answered(reply); };
  envelope->reply_ctx = this;
  for (const std::string_view name : {"traceparent", "tracestate"})
    if (const std::string_view value = request_.header(name); !value.empty()) {
      ErrorOut error;  // a trace that is too long is not worth refusing a call
      static_cast<void>(actors.set_context(envelope, to_c(name), to_c(value), &error));
    }
  if (const std::string_view user = caller_.name(); !user.empty()) {
    ErrorOut error;
    if (const orbit_code code = actors.set_context(envelope, to_c(std::string_view("user")), to_c(user), &error); code != ORBIT_OK) {
      actors.free_envelope(envelope);
      respond(http::problem(error.take(code), request_.target));
      return end();
    }
  }
  envelope_ = envelope;
  // Whether this object is still there is told by a flag of its own, because the reply may come inside send.
  bool gone = false;
  gone_ = &gone;
  actors.send(envelope, nullptr);
  if (gone) return;
  gone_ = nullptr;
  arm(service_.monotonic_ns());
  if (responder_)
    responder_->on_gone([this] {
      if (envelope_ != nullptr) service_.actors().cancel(envelope_);
    });
}

void Call::arm(uint64_t now_ns) {
  const uint64_t left_ms = deadline_ns_ > now_ns ? (deadline_ns_ - now_ns) / 1'000'000 : 0;
  timer_ = service_.workers().after(
      service_.host().raw(), left_ms, [](void* ctx) { static_cast<Call*>(ctx)->out_of_time(); }, this);
}

// The client is answered at its deadline, whatever the turn does.
void Call::out_of_time() {
  timer_ = 0;
  respond(http::problem(504, Code::deadline_exceeded,
                        "the call of " + std::string(route_.method->wire->name()) +
                            " was not answered by its deadline; its turn, if it runs, is told so",
                        request_.target));
  if (envelope_ != nullptr) service_.actors().cancel(envelope_);
}

void Call::end() {
  if (timer_ != 0) service_.workers().cancel(service_.host().raw(), timer_);
  if (gone_ != nullptr) *gone_ = true;
  delete this;
}

void Call::answered(orbit_envelope* reply) {
  envelope_ = nullptr;
  const auto code = static_cast<Code>(reply->code);
  http::Response response = response_of(reply);
  service_.actors().free_envelope(reply);
  if (idempotency_key_.empty()) {
    respond(std::move(response));
    return end();
  }
  // What was not carried out may be tried again with the same key.
  const bool not_done = code == Code::unavailable || code == Code::resource_exhausted || if_match_failed_ ||
                        if_none_match_failed_ || code == Code::cancelled;
  turn_.response = std::move(response);
  send_idempotency(not_done ? kIdempotencyForget : kIdempotencyFinish, [](void* ctx, orbit_envelope* finished) {
    auto& call = *static_cast<Call*>(ctx);
    const orbit_code stored = finished->code;
    const std::string message = finished->message != nullptr ? finished->message : "";
    call.service_.actors().free_envelope(finished);
    if (stored == ORBIT_OK)
      call.respond(std::move(call.turn_.response));
    else
      call.respond(http::problem(static_cast<Code>(stored) == Code::resource_exhausted ? 503 : http::status_of(static_cast<Code>(stored)),
                                 static_cast<Code>(stored),
                                 "the call was carried out, but its answer could not be kept for the Idempotency-Key: " + message,
                                 call.request_.target));
    call.end();
  });
}

http::Response Call::response_of(orbit_envelope* reply) {
  if (reply->code != ORBIT_OK) {
    const auto code = static_cast<Code>(reply->code);
    const std::string_view text = reply->message != nullptr ? reply->message : "";
    if (if_match_failed_ || if_none_match_failed_) return http::problem(412, code, text, request_.target);
    return problem_of({code, std::string(text)}, request_.target);
  }
  const uint64_t version = service_.actors().version(reply);
  http::Response response{200, std::string(http::kJson), {}, {}};
  if (version != 0) response.headers.emplace_back("ETag", etag_of(version));
  if (route_.method->wire->read_only() && !conditions_.if_none_match_holds(version)) {
    response.status = 304;
    response.content_type.clear();
    return response;
  }
  const JsonCodec& codec = *route_.type->codec;
  std::string binary;
  if (reply->ops != nullptr) {
    const orbit_sink sink{&binary, [](void* out, orbit_bytes part) { static_cast<std::string*>(out)->append(from_c(part)); }};
    if (reply->ops->serialize(reply->payload, sink) != ORBIT_OK)
      return http::problem(500, Code::internal, "the answer has no protobuf form", request_.target);
  }
  if (auto printed = codec.to_json(*route_.method->output, binary, response.body); !printed)
    return http::problem(printed.error(), request_.target);
  if (route_.rule != nullptr && !route_.rule->response_body.empty()) {
    const auto* field = route_.method->output->descriptor->FindFieldByName(route_.rule->response_body);
    const json::value whole = json::parse(response.body);
    const json::value* part = whole.as_object().if_contains(field->json_name());
    response.body = part != nullptr ? json::serialize(*part) : "null";
  }
  return response;
}

// ---- Idempotency-Key ----------------------------------------------------------------------------------------------

void Call::send_idempotency(uint32_t method, void (*done)(void* ctx, orbit_envelope* reply)) {
  orbit_envelope* envelope = service_.actors().allocate();
  envelope->type = service_.idempotency_type();
  envelope->key = to_c(std::string_view(idempotency_key_));
  envelope->method = method;
  envelope->ops = &kIdempotencyOps;
  envelope->payload = envelope->room;
  *reinterpret_cast<IdempotencyTurn**>(envelope->room) = &turn_;
  envelope->on_reply = done;
  envelope->reply_ctx = this;
  service_.actors().send(envelope, nullptr);
}

void Call::begin() {
  turn_.fingerprint = fingerprint_of(request_.method, request_.target, request_.body);
  turn_.expires_at_ms = service_.workers().unix_ms(service_.host().raw()) + service_.options().idempotency_keep_ms;
  send_idempotency(kIdempotencyBegin, [](void* ctx, orbit_envelope* reply) { static_cast<Call*>(ctx)->begun(reply); });
}

void Call::begun(orbit_envelope* reply) {
  const auto code = static_cast<Code>(reply->code);
  const std::string message = reply->message != nullptr ? reply->message : "";
  service_.actors().free_envelope(reply);
  const auto refuse = [&](int status, Code why, std::string_view detail) {
    respond(http::problem(status, why, detail, request_.target));
    end();
  };
  if (code != Code::ok) return refuse(http::status_of(code), code, "the Idempotency-Key cannot be kept: " + message);
  switch (turn_.begun) {
    case Begun::fresh:
      return send();
    case Begun::replay:
      respond(std::move(turn_.response));
      return end();
    case Begun::at_work:
      return refuse(409, Code::aborted, "a request with this Idempotency-Key is still at work; try again later");
    case Begun::unknown:
      return refuse(409, Code::aborted,
                    "the node ended while a request with this Idempotency-Key was at work: look whether it was carried out, and "
                    "use a new key if not");
    case Begun::mismatch:
      return refuse(422, Code::invalid_argument, "this Idempotency-Key was used for another request");
  }
}

}  // namespace

void call_actor(Service& service, std::shared_ptr<const Catalog> catalog, http::Request request, http::Responder responder,
                Route route, const Principal& caller, const std::string& peer) {
  Call::start(std::make_unique<Call>(service, std::move(catalog), std::move(request), std::move(responder), std::move(route), caller),
              peer);
}

// ---- fields as JSON -----------------------------------------------------------------------------------------------

namespace {

namespace pb = google::protobuf;

// How a query writes a value: text, which JSON wants bare for booleans and for numbers of enums.
Result<json::value> as_json(const pb::FieldDescriptor& field, const std::string& text) {
  if (field.type() == pb::FieldDescriptor::TYPE_BOOL) {
    if (text == "true" || text == "false") return json::value(text == "true");
    return fail(Code::invalid_argument, "field " + field.json_name() + " is true or false, found '" + text.substr(0, 40) + "'");
  }
  if (!http::is_utf8(text)) return fail(Code::invalid_argument, "the value of field " + field.json_name() + " is not UTF-8");
  if (const auto* message = field.message_type();
      message != nullptr && !message->full_name().starts_with("google.protobuf."))
    return fail(Code::invalid_argument, "field " + field.json_name() + " is a message: name a field of it, " + field.json_name() + ".NAME");
  return json::value(text);
}

}  // namespace

Result<std::string> fields_as_json(const MessagePlan& plan, const std::vector<std::pair<std::string, std::string>>& fields) {
  json::object root;
  for (const auto& [name, text] : fields) {
    json::object* object = &root;
    const MessagePlan* message = &plan;
    std::string_view path = name;
    for (;;) {
      const size_t dot = path.find('.');
      const auto found = message->by_name.find(path.substr(0, dot));
      if (found == message->by_name.end())
        return fail(Code::invalid_argument, message->descriptor->full_name() + " has no field '" + std::string(path.substr(0, dot)) + "'");
      const FieldPlan& field = message->fields[found->second];
      const std::string& key = field.descriptor->json_name();
      if (dot == std::string_view::npos) {
        auto value = as_json(*field.descriptor, text);
        if (!value) return tl::unexpected<Error>(value.error());
        if (!field.repeated) {
          if (!object->emplace(key, *value).second)
            return fail(Code::invalid_argument, "field " + name + " is given twice and is no list");
          break;
        }
        json::value& list = (*object)[key];
        if (!list.is_array()) list = json::array();
        list.as_array().push_back(*value);
        break;
      }
      if (field.message == nullptr || field.repeated)
        return fail(Code::invalid_argument, "field " + key + " has no fields of its own that a query could name");
      json::value& inner = (*object)[key];
      if (!inner.is_object()) inner = json::object();
      object = &inner.as_object();
      message = field.message;
      path.remove_prefix(dot + 1);
    }
  }
  return json::serialize(root);
}

// ---- the state ----------------------------------------------------------------------------------------------------

void read_state(Service& service, std::shared_ptr<const Catalog> catalog, http::Request request, http::Responder responder,
                Route route, const Principal& caller, const std::string& peer) {
  const auto refuse = [&](const Error& error) { responder.answer(problem_of(error, request.target)); };
  if (service.access().enabled()) {
    auto allowed = service.access().check(caller, {.type = route.type->wire->name,
                                                   .key = route.key,
                                                   .method = "state",
                                                   .read_only = true,
                                                   .peer = peer.empty() ? nullptr : peer.c_str()});
    if (!allowed) return refuse(allowed.error());
  }
  if (route.type->state == nullptr)
    return refuse({Code::unimplemented, "actor type " + route.type->wire->name + " has no state message"});
  auto conditions = Conditions::parse(request);
  if (!conditions) return refuse(conditions.error());
  struct Reading {
    std::shared_ptr<const Catalog> catalog;
    http::Request request;
    http::Responder responder;
    Route route;
    Conditions conditions;
  };
  auto* reading = new Reading{std::move(catalog), std::move(request), std::move(responder), std::move(route), std::move(*conditions)};
  service.actors().state(
      reading->route.type->wire->type, to_c(std::string_view(reading->route.key)),
      [](void* ctx, orbit_bytes value, uint64_t version, orbit_code code, const char* message) {
        const std::unique_ptr<Reading> r(static_cast<Reading*>(ctx));
        if (code != ORBIT_OK) return r->responder.answer(http::problem({static_cast<Code>(code), message}, r->request.target));
        if (!r->conditions.if_match_holds(version))
          return r->responder.answer(http::problem(412, Code::failed_precondition,
                                                   "the state has version " + std::to_string(version), r->request.target));
        http::Response response{200, std::string(http::kJson), {}, {}};
        response.headers.emplace_back("ETag", etag_of(version));
        if (!r->conditions.if_none_match_holds(version)) {
          response.status = 304;
          response.content_type.clear();
          return r->responder.answer(std::move(response));
        }
        const std::string_view bytes = from_c(value);
        // A zero byte, with which no message begins: the state is made of events.
        if (bytes.starts_with('\0'))
          return r->responder.answer(http::problem({Code::unimplemented, "the state of a journaled type is not stored as one message; "
                                                                         "call a method that tells it"},
                                                   r->request.target));
        if (auto printed = r->route.type->codec->to_json(*r->route.type->state, bytes, response.body); !printed)
          return r->responder.answer(http::problem(printed.error(), r->request.target));
        r->responder.answer(std::move(response));
      },
      reading);
}

}  // namespace orbit::rest
