// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "plugin/bounded_call.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace orbit::kernel {

struct BoundedCaller::Helper {
  std::mutex mutex;
  std::condition_variable changed;
  std::function<void()> function;
  bool busy = false;
  bool quit = false;
  std::thread thread;

  static void run(const std::shared_ptr<Helper>& self) {
    std::unique_lock lock(self->mutex);
    for (;;) {
      self->changed.wait(lock, [&] { return self->busy || self->quit; });
      if (!self->busy) return;
      const auto function = std::move(self->function);
      lock.unlock();
      function();
      lock.lock();
      self->busy = false;
      self->changed.notify_all();
    }
  }
};

BoundedCaller::~BoundedCaller() {
  if (!helper_) return;
  {
    const std::lock_guard lock(helper_->mutex);
    helper_->quit = true;
    helper_->changed.notify_all();
  }
  helper_->thread.join();
}

bool BoundedCaller::call(std::chrono::milliseconds timeout, std::function<void()> function) {
  if (!helper_) {
    helper_ = std::make_shared<Helper>();
    helper_->thread = std::thread([helper = helper_] { Helper::run(helper); });
  }
  std::unique_lock lock(helper_->mutex);
  helper_->function = std::move(function);
  helper_->busy = true;
  helper_->changed.notify_all();
  if (helper_->changed.wait_for(lock, timeout, [&] { return !helper_->busy; })) return true;
  helper_->quit = true;  // should it come back after all
  helper_->thread.detach();
  lock.unlock();
  abandoned_.push_back(std::exchange(helper_, nullptr));
  return false;
}

size_t BoundedCaller::abandoned() const {
  for (const std::shared_ptr<Helper>& helper : abandoned_) const std::lock_guard seen(helper->mutex);
  return abandoned_.size();
}

}  // namespace orbit::kernel
