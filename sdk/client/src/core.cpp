// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "core.hpp"

#include "credentials.hpp"

namespace orbit::client::detail {

namespace {

ClientOptions checked(ClientOptions options) {
  check_options(options);
  return options;
}

}  // namespace

Core::Core(ClientOptions its_options)
    : options(checked(std::move(its_options))),
      pool(options, channel_credentials(options), loop),
      budget(options.retry.per_call, options.retry.per_second, options.retry.saved_max, Loop::Clock::now()),
      keeper(*this),
      random_(std::random_device()()) {}

Answer<> Core::enter(Kind kind, std::function<void()> cancel, uint64_t* id) {
  constexpr const char* kWhat[] = {"calls are under way (calls_max)", "subscriptions are open (subscriptions_max)",
                                   "streams of calls are open (subscriptions_max)"};
  const std::lock_guard lock(mutex_);
  if (closed_) return tl::unexpected(own_failure(Code::cancelled, "the client is closed"));
  const uint32_t most = kind == Kind::call ? options.calls_max : options.subscriptions_max;
  uint32_t& count = live_of_[static_cast<size_t>(kind)];
  if (count >= most)
    return tl::unexpected(own_failure(Code::resource_exhausted, "the client's bound: " + std::to_string(most) + " " +
                                                                    kWhat[static_cast<size_t>(kind)]));
  ++count;
  *id = ++last_id_;
  live_.emplace(*id, Live{kind, std::move(cancel)});
  return {};
}

void Core::leave(uint64_t id) {
  Live left;  // what it captured may hold the last of something
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(id);
  if (found == live_.end()) return;
  left = std::move(found->second);
  --live_of_[static_cast<size_t>(left.kind)];
  live_.erase(found);
  if (live_.empty()) changed_.notify_all();
}

uint64_t Core::under_way() const {
  const std::lock_guard lock(mutex_);
  return live_of_[static_cast<size_t>(Kind::call)];
}

void Core::close(std::chrono::milliseconds grace) {
  std::vector<std::function<void()>> cancels;
  {
    std::unique_lock lock(mutex_);
    closed_ = true;
    changed_.wait_for(lock, grace, [this] { return live_.empty(); });
    for (const auto& [id, live] : live_) cancels.push_back(live.cancel);
  }
  for (const auto& cancel : cancels) cancel();
  cancels.clear();
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return live_.empty(); });
  }
  loop.stop();
}

void Core::describe(grpc::ClientContext* context, const CallOptions& call) const {
  if (!call.traceparent.empty()) context->AddMetadata("traceparent", call.traceparent);
  if (!call.tracestate.empty()) context->AddMetadata("tracestate", call.tracestate);
  if (const std::string& tenant = call.tenant.empty() ? options.tenant : call.tenant; !tenant.empty())
    context->AddMetadata("orbit-tenant", tenant);
  if (const std::string who = call.authorization ? *call.authorization : authorization_of(options.credentials);
      !who.empty())
    context->AddMetadata("authorization", who);
}

double Core::random() {
  const std::lock_guard lock(mutex_);
  return std::uniform_real_distribution<double>(0, 1)(random_);
}

std::string string_of(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  if (buffer.TrySingleSlice(&slice).ok()) return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
  std::vector<grpc::Slice> slices;
  std::string out;
  if (!buffer.Dump(&slices).ok()) return out;
  out.reserve(buffer.Length());
  for (const grpc::Slice& part : slices) out.append(reinterpret_cast<const char*>(part.begin()), part.size());
  return out;
}

grpc::ByteBuffer buffer_of(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

}  // namespace orbit::client::detail
