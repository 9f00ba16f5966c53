// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "crash_writer.hpp"

#include <cstdlib>

namespace orbit::fault {
namespace {

constexpr size_t kStepsMax = 200'000;
constexpr size_t kPipelineMax = 8;
constexpr size_t kOfEachKind = 6;
constexpr size_t kSharedKeys = 3;

std::string shared_key(size_t i) { return "shared:" + std::to_string(i); }

// The first error in a reply or, of an EXEC, in the replies that it holds.
const Reply* error_in(const Reply& reply) {
  if (reply.is_error()) return &reply;
  for (const Reply& one : reply.list)
    if (one.is_error()) return &one;
  return nullptr;
}

// Tells the writer and its number, so that a value can be held against the one it has to be.
std::string shared_value(const std::string& writer, uint64_t n) { return writer + "-" + content("shared:" + writer, n); }

}  // namespace

CrashWriter::CrashWriter(int id, uint64_t seed) : id_(std::to_string(id)), random_(seed) {
  const auto key = [this](const char* what, size_t i) { return std::string(what) + ":" + id_ + ":" + std::to_string(i); };
  for (size_t i = 0; i < kOfEachKind; ++i) {
    subjects_.push_back(Subject({{Kind::string, key("string", i)}}));
    subjects_.push_back(Subject({{Kind::counter, key("counter", i)}}));
    subjects_.push_back(Subject({{Kind::hash, key("hash", i)}}));
    subjects_.push_back(Subject({{Kind::list, key("list", i)}}));
    subjects_.push_back(Subject({{Kind::set, key("set", i)}}));
    subjects_.push_back(Subject({{Kind::sorted_set, key("zset", i)}}));
    subjects_.push_back(Subject({{Kind::string, key("pair", 2 * i)}, {Kind::string, key("pair", 2 * i + 1)}}));
    subjects_.push_back(Subject({{Kind::hash, key("mixed-hash", i)}, {Kind::list, key("mixed-list", i)},
                                 {Kind::sorted_set, key("mixed-zset", i)}, {Kind::counter, key("mixed-counter", i)}}));
  }
}

void CrashWriter::run(RespClient& client) {
  try {
    for (size_t steps = 0; steps < kStepsMax;) {
      std::vector<Step> pipeline;
      for (size_t left = 1 + random_() % kPipelineMax; left > 0; --left, ++steps) pipeline.push_back(step(client));
      client.flush();
      for (const Step& one : pipeline) {
        for (size_t i = 0; i < one.replies; ++i) {
          const Reply reply = client.read();
          const bool refused = one.replies > 1 && i + 1 == one.replies && reply.kind == Reply::Kind::none;
          const Reply* error = error_in(reply);
          if (error == nullptr && !refused) continue;
          error_ = refused ? "an EXEC without WATCH was refused" : error->text;
          return;
        }
        if (one.subject != nullptr) one.subject->acknowledge();
        ++acknowledged_;
      }
    }
  } catch (const ConnectionLost&) {
  }
}

CrashWriter::Step CrashWriter::step(RespClient& client) {
  const size_t choice = random_() % (subjects_.size() + 2);
  if (choice < subjects_.size()) return {&subjects_[choice], subjects_[choice].send(client)};
  Command command{"MSET"};
  const std::string value = shared_value(id_, ++shared_);
  for (size_t i = 0; i < kSharedKeys; ++i) command.insert(command.end(), {shared_key(i), value});
  client.add(command);
  return {nullptr, 1};
}

void CrashWriter::verify(RespClient& client, bool may_lose, std::vector<std::string>& wrong) {
  for (Subject& subject : subjects_) subject.verify(client, may_lose, wrong);
}

uint64_t CrashWriter::kept() const {
  uint64_t sum = 0;
  for (const Subject& subject : subjects_) sum += subject.kept();
  return sum;
}

void verify_shared_keys(RespClient& client, std::vector<std::string>& wrong) {
  Command command{"MGET"};
  for (size_t i = 0; i < kSharedKeys; ++i) command.push_back(shared_key(i));
  const Reply shared = client.call(command);
  if (shared.list.size() != kSharedKeys) {
    wrong.push_back("MGET of the shared keys: " + shared.text);
    return;
  }
  const Reply& first = shared.list[0];
  for (const Reply& one : shared.list)
    if (one.kind != first.kind || one.text != first.text) wrong.push_back("the shared keys are torn");
  if (first.kind == Reply::Kind::none) return;
  const size_t dash = first.text.find('-');
  const std::string writer = first.text.substr(0, dash);
  const uint64_t n = dash == std::string::npos ? 0 : std::strtoull(first.text.c_str() + dash + 1, nullptr, 10);
  if (first.text != shared_value(writer, n)) wrong.push_back("the shared keys have bytes that nobody wrote");
}

}  // namespace orbit::fault
