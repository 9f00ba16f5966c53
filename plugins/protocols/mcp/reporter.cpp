// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "reporter.hpp"

#include <array>
#include <utility>

#include "orbit/actor.hpp"
#include "orbit/v1/mcp.orbit.hpp"

namespace orbit::mcp {
namespace {

Reports* all_reports = nullptr;

class ReporterActor final : public v1::ReporterBase<ReporterActor> {
 public:
  v1::Reported progress(const v1::ProgressReport& request) {
    return told({.is_progress = true, .progress = request.progress(), .total = request.total(), .message = request.message()});
  }
  v1::Reported log(const v1::LogReport& request) {
    return told({.level = static_cast<int>(request.level()), .logger = request.logger(), .text = request.text(), .data_json = request.data_json()});
  }

 private:
  v1::Reported told(Report report) {
    v1::Reported reply;
    reply.set_cancelled(!all_reports->report(std::string(key()), std::move(report)));
    return reply;
  }
};

}  // namespace

void Reports::open(const std::string& token, uint32_t worker) {
  const std::lock_guard lock(mutex_);
  calls_.emplace(token, std::make_shared<Call>(worker));
}

void Reports::close(const std::string& token) {
  const std::lock_guard lock(mutex_);
  calls_.erase(token);
}

std::shared_ptr<Reports::Call> Reports::find(const std::string& token) const {
  const std::lock_guard lock(mutex_);
  const auto found = calls_.find(token);
  return found == calls_.end() ? nullptr : found->second;
}

bool Reports::report(const std::string& token, Report report) {
  const std::shared_ptr<Call> call = find(token);
  if (!call || call->cancelled.load(std::memory_order_relaxed)) return false;
  // Before it is on its way: who has the actor's answer must know that it comes.
  call->sent.fetch_add(1, std::memory_order_release);
  deliver(call->worker, token, std::move(report));
  return true;
}

const void* reporter_types() noexcept {
  static const std::array<const orbit_actor_type*, 1> types = {detail::actor_type<ReporterActor>()};
  static const orbit_actor_types_v1 table = {sizeof(orbit_actor_types_v1), 1, types.data()};
  return &table;
}

Result<> connect_reporter(const orbit_host* host, Reports* reports) {
  all_reports = reports;
  return connect_module(host);
}

}  // namespace orbit::mcp
