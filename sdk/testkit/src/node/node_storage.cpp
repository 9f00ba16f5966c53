// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "orbit/testkit/node_storage.hpp"

#include <utility>

#include "node_storage_impl.hpp"

namespace orbit::testkit {

namespace {

constexpr size_t kUnsyncedMax =
    100'000;  // batches; then the oldest half counts as synced, as caches are written back in time

}  // namespace

void NodeStorage::Impl::apply(const Batch& batch, Map& to) {
  for (const Op& op : batch) {
    if (op.kind == ORBIT_WRITE_PUT)
      to.insert_or_assign(op.key, op.value);
    else if (op.kind == ORBIT_WRITE_DELETE)
      to.erase(op.key);
    else
      to.erase(to.lower_bound(op.key), op.value.empty() ? to.end() : to.lower_bound(op.value));
  }
}

void NodeStorage::Impl::sync_all() {
  for (const Batch& batch : unsynced) apply(batch, durable);
  unsynced.clear();
  ++syncs;
}

void NodeStorage::Impl::lose_power(Unsynced what) {
  size_t kept = 0;
  if (what == Unsynced::kept) kept = unsynced.size();
  if (what == Unsynced::seeded) kept = random.below(unsynced.size() + 1);
  for (size_t i = 0; i < kept; ++i) apply(unsynced[i], durable);
  unsynced.clear();
  data = durable;
}

void NodeStorage::Impl::set_executor(kernel::SimExecutor* now) {
  executor = now;
  if (executor != nullptr) executor->set_io_delay(delay_ns);
}

orbit_code NodeStorage::Impl::refuse_write(orbit_error* error) {
  if (full) return to_c(Code::resource_exhausted, "no space left on device (injected)", error);
  if (writes_to_fail == 0) return ORBIT_OK;
  --writes_to_fail;
  return to_c(write_error, error);
}

orbit_code NodeStorage::Impl::refuse_read(orbit_error* error) {
  if (reads_to_fail == 0) return ORBIT_OK;
  --reads_to_fail;
  return to_c(read_error, error);
}

const orbit_storage_v1 NodeStorage::Impl::kTable = {
    .struct_size = sizeof(orbit_storage_v1),
    .reserved = 0,
    .get = [](void* self, orbit_snapshot*, orbit_bytes key, orbit_sink value, orbit_error* error) -> orbit_code {
      auto& it = *static_cast<Impl*>(self);
      if (const orbit_code refused = it.refuse_read(error); refused != ORBIT_OK) return refused;
      const auto found = it.data.find(from_c(key));
      if (found == it.data.end()) return ORBIT_NOT_FOUND;
      value.append(value.ctx, to_c(found->second));
      return ORBIT_OK;
    },
    .multi_get = [](void* self, orbit_snapshot*, const orbit_bytes* keys, size_t count, orbit_visit_value visit,
                    void* ctx, orbit_error* error) -> orbit_code {
      auto& it = *static_cast<Impl*>(self);
      if (const orbit_code refused = it.refuse_read(error); refused != ORBIT_OK) return refused;
      for (size_t i = 0; i < count; ++i) {
        const auto found = it.data.find(from_c(keys[i]));
        visit(ctx, i, found != it.data.end(), found != it.data.end() ? to_c(found->second) : orbit_bytes{nullptr, 0});
      }
      return ORBIT_OK;
    },
    .scan = [](void* self, orbit_snapshot*, orbit_bytes from, orbit_bytes to, int reverse, orbit_visit_entry visit,
               void* ctx, orbit_error* error) -> orbit_code {
      auto& it = *static_cast<Impl*>(self);
      if (const orbit_code refused = it.refuse_read(error); refused != ORBIT_OK) return refused;
      auto at = it.data.lower_bound(from_c(from));
      auto end = to.size == 0 ? it.data.end() : it.data.lower_bound(from_c(to));
      if (to.size != 0 && from_c(to) <= from_c(from)) return ORBIT_OK;
      while (at != end) {
        const auto& [key, value] = reverse != 0 ? *--end : *at++;
        if (visit(ctx, to_c(key), to_c(value)) == 0) break;
      }
      return ORBIT_OK;
    },
    .write = [](void* self, const orbit_write_op* ops, size_t count, int sync, orbit_error* error) -> orbit_code {
      auto& it = *static_cast<Impl*>(self);
      if (const orbit_code refused = it.refuse_write(error); refused != ORBIT_OK) return refused;
      Batch batch;
      for (size_t i = 0; i < count; ++i)
        batch.push_back({ops[i].kind, std::string(from_c(ops[i].key)), std::string(from_c(ops[i].value))});
      apply(batch, it.data);
      it.unsynced.push_back(std::move(batch));
      ++it.writes;
      if (sync != 0) {
        it.sync_all();
      } else if (it.unsynced.size() > kUnsyncedMax) {
        const auto half = it.unsynced.begin() + kUnsyncedMax / 2;
        for (auto old = it.unsynced.begin(); old != half; ++old) apply(*old, it.durable);
        it.unsynced.erase(it.unsynced.begin(), half);
      }
      return ORBIT_OK;
    },
    .sync = [](void* self, orbit_error* error) -> orbit_code {
      auto& it = *static_cast<Impl*>(self);
      if (const orbit_code refused = it.refuse_write(error); refused != ORBIT_OK) return refused;
      it.sync_all();
      return ORBIT_OK;
    },
    .recover = [](void* self, orbit_error* error) -> orbit_code {
      const auto& it = *static_cast<Impl*>(self);
      return it.full ? to_c(Code::resource_exhausted, "no space left on device (injected)", error) : ORBIT_OK;
    },
    .size_bytes = [](void* self) -> uint64_t {
      uint64_t bytes = 0;
      for (const auto& [key, value] : static_cast<Impl*>(self)->data) bytes += key.size() + value.size();
      return bytes;
    },
};

const orbit_storage_cached_v1 NodeStorage::Impl::kCached = {
    .struct_size = sizeof(orbit_storage_cached_v1),
    .reserved = 0,
    .get = [](void* self, orbit_bytes key, orbit_sink value, orbit_error*) -> orbit_code {
      auto& it = *static_cast<Impl*>(self);
      if (it.reads_to_fail != 0 || it.delay_ns != 0 || it.random.below(2) == 0) return ORBIT_UNAVAILABLE;
      const auto found = it.data.find(from_c(key));
      if (found == it.data.end()) return ORBIT_NOT_FOUND;
      value.append(value.ctx, to_c(found->second));
      return ORBIT_OK;
    },
};

NodeStorage::NodeStorage() = default;
NodeStorage::~NodeStorage() = default;

void NodeStorage::fail_next_writes(uint64_t count, Error error) {
  impl_->writes_to_fail = count;
  impl_->write_error = std::move(error);
}
void NodeStorage::fail_next_reads(uint64_t count, Error error) {
  impl_->reads_to_fail = count;
  impl_->read_error = std::move(error);
}
void NodeStorage::set_full(bool full) { impl_->full = full; }
void NodeStorage::set_delay(std::chrono::milliseconds delay) {
  impl_->delay_ns = static_cast<uint64_t>(std::chrono::nanoseconds(delay).count());
  impl_->set_executor(impl_->executor);
}
uint64_t NodeStorage::writes() const noexcept { return impl_->writes; }
uint64_t NodeStorage::syncs() const noexcept { return impl_->syncs; }
size_t NodeStorage::unsynced() const noexcept { return impl_->unsynced.size(); }
size_t NodeStorage::entries() const noexcept { return impl_->data.size(); }

}  // namespace orbit::testkit
