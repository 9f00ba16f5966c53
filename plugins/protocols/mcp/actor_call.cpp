// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor_call.hpp"

#include <cmath>
#include <utility>

namespace orbit::mcp {
namespace {

RpcError rpc_error_of(const Error& error) {
  const bool arguments = error.code == Code::invalid_argument || error.code == Code::out_of_range;
  return {arguments ? kInvalidParams : kInternalError, error.message, json::object{{"code", to_json(code_name(error.code))}}};
}

bool has_capability(const json::object& capabilities, const Question& question) {
  const json::object* const found = find_object(capabilities, question.capability);
  if (found == nullptr) return false;
  // A client that says nothing of modes has forms.
  if (question.capability == "elicitation" && string_or_empty(question.params, "mode") == "url") return found->contains("url");
  return true;
}

}  // namespace

ActorCall::ActorCall(std::shared_ptr<Engine> engine, RpcPtr rpc, CatalogPtr catalog, const Offer& offer, json::object arguments,
                     std::string uri)
    : engine_(std::move(engine)),
      rpc_(std::move(rpc)),
      catalog_(std::move(catalog)),
      offer_(offer),
      sent_(std::move(arguments)),
      uri_(std::move(uri)),
      request_(sent_) {}

ActorCall::~ActorCall() { done(); }

void ActorCall::start() {
  if (!read_key(request_) || (rpc_->stateless() && !read_responses())) return;
  if (!offer_.context_field.empty()) {
    // It is the wire's to say.
    request_.erase(to_json(offer_.context_field));
    request_.erase(to_json(offer_.context_alias));
    token_ = engine_->backend().token();
    engine_->backend().open_call(token_);
    engine_->enter_call(token_, weak_from_this());
  }
  if (rpc_->session) {
    rpc_->session->calls[json::serialize(rpc_->id)] = weak_from_this();
  } else {
    // Without a session, a client that is gone has cancelled.
    rpc_->outlet->on_closed([call = weak_from_this()] {
      if (const auto alive = call.lock()) alive->cancel();
    });
  }
  call();
}

bool ActorCall::read_key(json::object& arguments) {
  if (offer_.has_fixed_key) {
    key_ = offer_.fixed_key;
    return true;
  }
  const json::value* const value = find(arguments, offer_.key_argument);
  const auto refuse = [this](const std::string& what) {
    fail_call({Code::invalid_argument, "the argument '" + offer_.key_argument + "' " + what});
    return false;
  };
  if (value == nullptr) return refuse("is missing: the key of the " + offer_.type);
  if (const json::string* const text = value->if_string())
    key_ = from_json(*text);
  else if (value->is_int64())
    key_ = std::to_string(value->get_int64());
  else if (value->is_uint64())
    key_ = std::to_string(value->get_uint64());
  else
    return refuse("must be a string; found " + std::string(kind_name(*value)));
  if (key_.empty()) return refuse("is empty: the key of the " + offer_.type);
  if (!offer_.key_is_field) arguments.erase(to_json(offer_.key_argument));
  return true;
}

std::string ActorCall::belongs_to() const {
  std::string out = rpc_->caller->name;
  for (const std::string& part : {rpc_->method, offer_.name, uri_, canonical(sent_)}) out.append(1, '\0').append(part);
  return out;
}

bool ActorCall::read_responses() {
  const auto refuse = [this](std::string what) {
    rpc_->error({kInvalidParams, std::move(what), nullptr});
    ended_ = true;
    return false;
  };
  if (const json::value* state = find(rpc_->params, "requestState")) {
    if (!state->is_string()) return refuse("'requestState' must be a string");
    auto opened = engine_->seal().open(from_json(state->get_string()), belongs_to(), engine_->backend().unix_ms());
    if (!opened) return refuse(opened.error().message);
    state_ = std::move(*opened);
  }
  const json::value* const responses = find(rpc_->params, "inputResponses");
  if (responses == nullptr) return true;
  if (!responses->is_object()) return refuse("'inputResponses' must be an object; found " + std::string(kind_name(*responses)));
  for (const auto& [id, response] : responses->get_object()) {
    if (const std::string wrong = wrong_response(response); !wrong.empty())
      return refuse("inputResponses['" + std::string(id) + "'] " + wrong);
    responses_.push_back(input_response(id, response.get_object()));
  }
  return true;
}

void ActorCall::call() {
  json::object request = request_;
  if (!offer_.context_field.empty()) {
    const json::object& can = rpc_->client.capabilities;
    request[to_json(offer_.context_field)] = json::object{{"call", token_},
                                                          {"protocolVersion", to_json(version_name(rpc_->revision))},
                                                          {"clientName", rpc_->client.name},
                                                          {"clientVersion", rpc_->client.version},
                                                          {"wantsProgress", rpc_->progress_token.has_value()},
                                                          {"sampling", find_object(can, "sampling") != nullptr},
                                                          {"elicitation", find_object(can, "elicitation") != nullptr},
                                                          {"roots", find_object(can, "roots") != nullptr},
                                                          {"responses", responses_},
                                                          {"state", state_},
                                                          {"uri", uri_}};
  }
  const uint64_t running = engine_->backend().call(*rpc_->caller, {offer_.type, key_, offer_.method, offer_.read_only}, json::serialize(request),
                                                   [self = shared_from_this()](Result<std::string> reply) {
                                                     self->running_ = 0;
                                                     self->replied(std::move(reply));
                                                   });
  // It may be done already, and another round under way.
  if (running != 0 && !ended_) running_ = running;
}

void ActorCall::cancel() {
  if (ended_) return;
  if (!token_.empty()) engine_->backend().cancelled_call(token_);
  if (const uint64_t running = std::exchange(running_, 0); running != 0) {
    const auto self = shared_from_this();
    ended_ = true;
    engine_->backend().cancel(running);
  }
  ended_ = true;
  const auto self = std::exchange(kept_, nullptr);
  rpc_->channel->abandon();
  done();
}

void ActorCall::report(const Report& report) {
  ++reports_handled_;
  if (!ended_) {
    if (report.is_progress) {
      if (rpc_->progress_token && std::isfinite(report.progress) && (!last_progress_ || report.progress > *last_progress_)) {
        last_progress_ = report.progress;
        json::object params{{"progressToken", *rpc_->progress_token}, {"progress", report.progress}};
        if (report.total > 0) params["total"] = report.total;
        if (!report.message.empty()) params["message"] = report.message;
        rpc_->channel->send(make_notification("notifications/progress", std::move(params)));
      }
    } else if (rpc_->log_level && report.level >= *rpc_->log_level) {
      json::object params{{"level", to_json(log_level_name(report.level))}};
      if (!report.logger.empty()) params["logger"] = report.logger;
      json::value data = to_json(report.text);
      if (!report.data_json.empty())
        if (auto parsed = parse_json(report.data_json)) data = std::move(*parsed);
      params["data"] = std::move(data);
      rpc_->channel->send(make_notification("notifications/message", std::move(params)));
    }
  }
  if (waiting_reply_ && engine_->backend().reports_sent(token_) <= reports_handled_) {
    const auto self = std::exchange(kept_, nullptr);
    auto reply = std::exchange(waiting_reply_, std::nullopt);
    if (!ended_) conclude(std::move(*reply));
  }
}

void ActorCall::replied(Result<std::string> reply) {
  if (ended_) return;
  // What was reported before the answer comes before it, though it may take another way between workers.
  if (!token_.empty() && engine_->backend().reports_sent(token_) > reports_handled_) {
    waiting_reply_ = std::move(reply);
    kept_ = shared_from_this();
  } else {
    conclude(std::move(reply));
  }
}

void ActorCall::conclude(Result<std::string> reply) {
  if (!reply) return fail_call(reply.error());
  auto parsed = parse_json(reply->empty() ? std::string_view("{}") : std::string_view(*reply));
  if (!parsed || !parsed->is_object()) return fail_call({Code::internal, "the actor's reply is no JSON object"});
  json::object& object = parsed->get_object();
  if (offer_.reply != ReplyKind::message)
    if (const json::object* inputs = find_object(object, "inputs")) return ask_client(*inputs);

  Result<json::object> result;
  switch (offer_.reply) {
    case ReplyKind::tool: result = tool_result(object); break;
    case ReplyKind::prompt: result = prompt_result(object); break;
    case ReplyKind::resource: result = resource_result(object, uri_); break;
    case ReplyKind::message:
      if (uri_.empty())
        result = message_tool_result(*reply, std::move(object), offer_.has_output_schema);
      else
        result = json::object{{"contents", json::array{json::object{{"uri", uri_}, {"mimeType", offer_.mime_type}, {"text", *reply}}}}};
      break;
  }
  if (!result) return fail_call(result.error());
  if (offer_.reply == ReplyKind::resource && !offer_.mime_type.empty())
    for (json::value& each : (*result)["contents"].get_array())
      if (!each.get_object().contains("mimeType")) each.get_object()["mimeType"] = offer_.mime_type;
  if (!uri_.empty() && rpc_->stateless()) {
    (*result)["ttlMs"] = 0;
    (*result)["cacheScope"] = "private";
  }
  ended_ = true;
  rpc_->result(std::move(*result));
  done();
}

void ActorCall::ask_client(const json::object& inputs) {
  auto questions = questions_of(inputs, engine_->backend().token());
  if (!questions) return fail_call(questions.error());
  const std::string_view state = string_or_empty(inputs, "state");
  if (questions->empty() && state.empty())
    return fail_call({Code::internal, "the actor's reply has inputs with neither a request nor a state"});
  json::object missing;
  for (const Question& question : *questions)
    if (!has_capability(rpc_->client.capabilities, question)) missing[question.capability] = json::object();
  if (!missing.empty()) {
    ended_ = true;
    const std::string names = json::serialize(missing);
    rpc_->error({rpc_->stateless() ? kMissingCapability : kInvalidParams,
                 "this needs a client with the capabilities " + names, json::object{{"requiredCapabilities", missing}}});
    return done();
  }
  if (rpc_->stateless())
    return_questions(std::move(*questions), state);
  else
    ask_in_session(std::move(*questions), std::string(state));
}

void ActorCall::return_questions(std::vector<Question> questions, std::string_view state) {
  json::object result{{"resultType", "input_required"}};
  if (!questions.empty()) {
    json::object requests;
    for (Question& question : questions) {
      question.params.erase("elicitationId");  // not in this revision
      requests[question.id] = json::object{{"method", question.method}, {"params", std::move(question.params)}};
    }
    result["inputRequests"] = std::move(requests);
  }
  if (!state.empty())
    result["requestState"] =
        engine_->seal().close(state, belongs_to(), engine_->backend().unix_ms() + engine_->settings().state_ttl_ms);
  ended_ = true;
  rpc_->result(std::move(result));
  done();
}

// Revisions with sessions have no results that ask: the client is asked by requests of ours, and the actor is called again as a
// client without session would do it.
void ActorCall::ask_in_session(std::vector<Question> questions, std::string state) {
  if (++rounds_ > kRoundsMax)
    return fail_call({Code::resource_exhausted, "the actor has asked the client " + std::to_string(kRoundsMax) + " times in one call"});
  struct Round {
    size_t open;
    json::array responses;
    std::optional<Error> error;
  };
  auto round = std::make_shared<Round>(Round{questions.size(), {}, {}});
  state_ = std::move(state);
  if (questions.empty()) {
    responses_ = {};
    return call();
  }
  const uint64_t deadline_ms = engine_->backend().now_ms() + engine_->settings().ask_timeout_ms;
  for (Question& question : questions)
    rpc_->session->ask(*rpc_->channel, question.method, std::move(question.params), deadline_ms,
                       [self = shared_from_this(), round, id = question.id](Result<json::object> result) {
                         if (self->ended_) return;
                         if (!result) {
                           if (!round->error) round->error = result.error();
                         } else if (const std::string wrong = wrong_response(*result); !wrong.empty()) {
                           if (!round->error) round->error = Error{Code::invalid_argument, "the client's answer to '" + id + "' " + wrong};
                         } else {
                           round->responses.push_back(input_response(id, *result));
                         }
                         if (--round->open != 0) return;
                         if (round->error) return self->fail_call(*round->error);
                         self->responses_ = std::move(round->responses);
                         self->call();
                       });
}

void ActorCall::fail_call(const Error& error) {
  ended_ = true;
  if (rpc_->method == "tools/call")
    rpc_->result(failed_tool_result(error.code, error.message));
  else if (!uri_.empty() && error.code == Code::not_found)
    rpc_->error({rpc_->stateless() ? kInvalidParams : kResourceNotFound, error.message, json::object{{"uri", uri_}}});
  else
    rpc_->error(rpc_error_of(error));
  done();
}

void ActorCall::done() {
  if (!token_.empty()) {
    engine_->backend().close_call(token_);
    engine_->leave_call(token_);
    token_.clear();
  }
  if (!rpc_->session) return rpc_->outlet->on_closed(nullptr);
  const auto found = rpc_->session->calls.find(json::serialize(rpc_->id));
  if (found != rpc_->session->calls.end()) {
    const auto there = found->second.lock();
    if (!there || there.get() == this) rpc_->session->calls.erase(found);
  }
}

}  // namespace orbit::mcp
