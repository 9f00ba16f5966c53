// SPDX-License-Identifier: MIT OR BSD-3-Clause
// bench_wires_client unary|stream TARGET IN_FLIGHT SECONDS: calls over one connection, so many in flight all the time,
// for so long after half a second that does not count. Prints calls per second, and the p50 and p99 of a call in
// microseconds. Every answer is looked at.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bench_wires.pb.h"
#include "orbit/v1/actor_service.grpc.pb.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kWarmUp = std::chrono::milliseconds(500);
constexpr const char* kText = "the quick brown fox jumps over..";

// When it counts, and what was counted. One per call in flight, so that no two threads share one.
struct Plan {
  Clock::time_point begin = Clock::now() + kWarmUp;
  Clock::time_point end;
};

struct Lane {
  std::vector<float> micros;
  void count(const Plan& plan, Clock::time_point sent, Clock::time_point now) {
    if (now >= plan.begin && now < plan.end)
      micros.push_back(std::chrono::duration<float, std::micro>(now - sent).count());
  }
};

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "bench_wires_client: %s\n", why.c_str());
  std::_Exit(1);
}

std::string text_message() {
  bench_wires::Text text;
  text.set_text(kText);
  return text.SerializeAsString();
}

class Gate {
 public:
  explicit Gate(size_t count) : left_(count) {}
  void one_less() {
    const std::lock_guard lock(mutex_);
    if (--left_ == 0) none_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  size_t left_;
};

// ---- one call after the other, in each of so many lanes
// --------------------------------------------------------------

class UnaryLane {
 public:
  UnaryLane(grpc::GenericStub& stub, const Plan& plan, Gate& gate, size_t index)
      : stub_(stub), plan_(plan), gate_(gate), key_("k" + std::to_string(index)), wanted_(text_message()) {
    const grpc::Slice slice(wanted_);
    request_ = grpc::ByteBuffer(&slice, 1);
  }

  void start() {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->AddMetadata("orbit-key", key_);
    reply_.Clear();
    sent_ = Clock::now();
    stub_.UnaryCall(context_.get(), "/bench_wires.Echo/Say", grpc::StubOptions(), &request_, &reply_,
                    [this](const grpc::Status& status) { ended(status); });
  }

  Lane lane;

 private:
  void ended(const grpc::Status& status) {
    const Clock::time_point now = Clock::now();
    if (!status.ok()) die("a call failed: " + status.error_message());
    grpc::Slice slice;
    if (!reply_.DumpToSingleSlice(&slice).ok() || slice.size() != wanted_.size() ||
        std::memcmp(slice.begin(), wanted_.data(), wanted_.size()) != 0)
      die("an answer is not what was sent");
    lane.count(plan_, sent_, now);
    if (now >= plan_.end) return gate_.one_less();
    start();
  }

  grpc::GenericStub& stub_;
  const Plan& plan_;
  Gate& gate_;
  const std::string key_;
  const std::string wanted_;
  std::unique_ptr<grpc::ClientContext> context_;
  grpc::ByteBuffer request_, reply_;
  Clock::time_point sent_;
};

std::vector<Lane> run_unary(const std::shared_ptr<grpc::Channel>& channel, const Plan& plan, size_t in_flight) {
  grpc::GenericStub stub(channel);
  Gate gate(in_flight);
  std::vector<std::unique_ptr<UnaryLane>> lanes;
  for (size_t i = 0; i < in_flight; ++i) lanes.push_back(std::make_unique<UnaryLane>(stub, plan, gate, i));
  for (const auto& lane : lanes) lane->start();
  gate.wait();
  std::vector<Lane> out;
  for (const auto& lane : lanes) out.push_back(std::move(lane->lane));
  return out;
}

// ---- so many on one stream
// --------------------------------------------------------------------------------------------

class StreamClient final : public grpc::ClientBidiReactor<orbit::v1::StreamRequest, orbit::v1::StreamReply> {
 public:
  StreamClient(orbit::v1::ActorService::Stub& stub, const Plan& plan, size_t in_flight)
      : plan_(plan), requests_(in_flight), sent_(in_flight) {
    wanted_ = text_message();
    for (size_t i = 0; i < in_flight; ++i) {
      requests_[i].set_id(i);
      auto& call = *requests_[i].mutable_call();
      call.set_type("bench_wires.Echo");
      call.set_key("k" + std::to_string(i));
      call.set_method("Say");
      call.set_payload(wanted_);
      free_.push_back(i);
    }
    stub.async()->InvokeStream(&context_, this);
    StartRead(&reply_);
    {
      const std::lock_guard lock(mutex_);
      write_next();
    }
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    const Clock::time_point now = Clock::now();
    const size_t id = reply_.id();
    if (id >= requests_.size() || reply_.payload() != wanted_)
      die("an answer is not what was sent: " + reply_.ShortDebugString());
    const std::lock_guard lock(mutex_);
    lane.count(plan_, sent_[id], now);
    --running_;
    if (now < plan_.end) {
      free_.push_back(id);
      if (!writing_) write_next();
    } else if (running_ == 0 && !writing_) {
      end_writes();
    }
    StartRead(&reply_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) die("the stream broke");
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (Clock::now() < plan_.end)
      write_next();
    else if (running_ == 0)
      end_writes();
  }
  void OnDone(const grpc::Status& status) override {
    if (!status.ok()) die("the stream failed: " + status.error_message());
    gate_.one_less();
  }
  void wait() { gate_.wait(); }

  Lane lane;

 private:
  void write_next() {
    if (free_.empty()) return;
    const size_t id = free_.front();
    free_.pop_front();
    writing_ = true;
    ++running_;
    sent_[id] = Clock::now();
    grpc::WriteOptions options;
    if (!free_.empty()) options.set_buffer_hint();  // more follows at once
    StartWrite(&requests_[id], options);
  }
  void end_writes() {
    if (!std::exchange(ended_, true)) StartWritesDone();
  }

  const Plan& plan_;
  Gate gate_{1};
  grpc::ClientContext context_;
  std::string wanted_;
  orbit::v1::StreamReply reply_;
  std::mutex mutex_;
  std::vector<orbit::v1::StreamRequest> requests_;
  std::vector<Clock::time_point> sent_;
  std::deque<size_t> free_;
  size_t running_ = 0;
  bool writing_ = false;
  bool ended_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc == 5 ? argv[1] : "";
  if (mode != "unary" && mode != "stream") die("usage: bench_wires_client unary|stream TARGET IN_FLIGHT SECONDS");
  const auto in_flight = static_cast<size_t>(std::atoi(argv[3]));
  const double seconds = std::atof(argv[4]);
  const auto channel = grpc::CreateChannel(argv[2], grpc::InsecureChannelCredentials());
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10)))
    die("nobody answers at " + std::string(argv[2]));
  Plan plan;
  plan.end = plan.begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  std::vector<Lane> lanes;
  if (mode == "unary") {
    lanes = run_unary(channel, plan, in_flight);
  } else {
    orbit::v1::ActorService::Stub stub(channel);
    StreamClient client(stub, plan, in_flight);
    client.wait();
    lanes.push_back(std::move(client.lane));
  }
  std::vector<float> micros;
  for (const Lane& lane : lanes) micros.insert(micros.end(), lane.micros.begin(), lane.micros.end());
  if (micros.empty()) die("not one call was answered in time");
  std::sort(micros.begin(), micros.end());
  std::printf("%.0f %.1f %.1f\n", static_cast<double>(micros.size()) / seconds,
              static_cast<double>(micros[micros.size() / 2]), static_cast<double>(micros[micros.size() * 99 / 100]));
  return 0;
}
