// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A tool, prompt or resource at work: one call of an actor, and, when the actor asks the client something, one more with the
// answers.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "convert.hpp"
#include "engine.hpp"

namespace orbit::mcp {

class ActorCall : public std::enable_shared_from_this<ActorCall> {
 public:
  // uri: of a resource.
  ActorCall(std::shared_ptr<Engine> engine, RpcPtr rpc, CatalogPtr catalog, const Offer& offer, json::object arguments, std::string uri);
  ~ActorCall();

  void start();
  void cancel();
  void report(const Report& report);

 private:
  static constexpr int kRoundsMax = 16;

  bool read_key(json::object& arguments);
  bool read_responses();
  void call();
  void replied(Result<std::string> reply);
  void conclude(Result<std::string> reply);
  void ask_client(const json::object& inputs);
  void ask_in_session(std::vector<Question> questions, std::string state);
  void return_questions(std::vector<Question> questions, std::string_view state);
  void fail_call(const Error& error);
  std::string belongs_to() const;
  void done();

  const std::shared_ptr<Engine> engine_;
  const RpcPtr rpc_;
  const CatalogPtr catalog_;  // keeps offer_
  const Offer& offer_;
  const json::object sent_;   // the arguments as they came
  const std::string uri_;
  json::object request_;      // for the actor, without its context
  std::string key_;
  std::string token_;         // for reports; empty: the method takes none
  json::array responses_;
  std::string state_;         // base64, as protobuf's JSON has bytes
  uint64_t running_ = 0;
  uint32_t reports_handled_ = 0;
  std::optional<Result<std::string>> waiting_reply_;  // until the reports before it have come
  std::shared_ptr<ActorCall> kept_;                   // meanwhile nobody else does
  std::optional<double> last_progress_;
  int rounds_ = 0;
  bool ended_ = false;
};

}  // namespace orbit::mcp
