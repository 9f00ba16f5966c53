// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <condition_variable>
#include <mutex>

#include "core.hpp"

namespace orbit::client::detail {

struct Exchange::Waiting {
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  std::function<void()> function;
};

Exchange::Exchange() : waiting_(std::make_shared<Waiting>()), answer_(std::string()) {}

bool Exchange::done() const {
  const std::lock_guard lock(waiting_->mutex);
  return waiting_->done;
}

void Exchange::wait() const {
  std::unique_lock lock(waiting_->mutex);
  waiting_->ended.wait(lock, [this] { return waiting_->done; });
}

void Exchange::on_done(std::function<void()> function) {
  {
    const std::lock_guard lock(waiting_->mutex);
    if (!waiting_->done) {
      waiting_->function = std::move(function);
      return;
    }
  }
  function();
}

void Exchange::end(Answer<std::string> answer) {
  const std::shared_ptr<Waiting> waiting = waiting_;  // whoever waits may let go of the call at once
  std::function<void()> function;
  {
    const std::lock_guard lock(waiting->mutex);
    answer_ = std::move(answer);
    waiting->done = true;
    function = std::move(waiting->function);
    waiting->ended.notify_all();
  }
  if (function) function();
}

namespace {
class Failed final : public Exchange {
 public:
  explicit Failed(Failure failure) { end(tl::unexpected<Failure>(std::move(failure))); }
  void cancel() override {}
};
}  // namespace

std::shared_ptr<Exchange> failed_exchange(Failure failure) { return std::make_shared<Failed>(std::move(failure)); }

}  // namespace orbit::client::detail
