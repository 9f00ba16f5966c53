// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The host's orbit.storage_ops/1.
#include <boost/json.hpp>

#include "actor/runtime.hpp"
#include "executor/asio_executor.hpp"
#include "node/backups.hpp"
#include "node/migrations.hpp"
#include "node/node.hpp"
#include "node/storage_jobs.hpp"
#include "orbit/ext/storage_ops.h"

namespace orbit::kernel {
namespace {

void put_text(orbit_sink sink, const std::string& text) { sink.append(sink.ctx, to_c(Bytes(text))); }

// Has the main thread begin something with two names, and answers the last of the list that it then is in.
template <class Start, class List>
void begin_on_main(orbit_bytes raw_one, orbit_bytes raw_other, orbit_node_done done, void* ctx, Start start, List list) {
  Node& node = *this_node();
  const uint32_t worker = node.executor().current();
  const auto answer = [worker, done, ctx](orbit_code code, std::string text) {
    this_node()->runtime()->post(worker, [done, ctx, code, text = std::move(text)] { done(ctx, code, to_c(Bytes(text))); });
  };
  const bool taken = node.submit([=, one = std::string(from_c(raw_one)), other = std::string(from_c(raw_other))] {
    if (this_node()->state() == Node::State::draining) return answer(ORBIT_UNAVAILABLE, "the node is draining");
    const Result<> started = start(one, other);
    if (!started) return answer(static_cast<orbit_code>(started.error().code), started.error().message);
    const boost::json::value all = boost::json::parse(list());
    answer(ORBIT_OK, boost::json::serialize(all.as_array().back()));
  });
  if (!taken) done(ctx, ORBIT_UNAVAILABLE, to_c(Bytes("the node is draining or too many requests wait for its main thread")));
}

void migrate(orbit_bytes from, orbit_bytes to, orbit_node_done done, void* ctx) {
  begin_on_main(
      from, to, done, ctx,
      [](const std::string& one, const std::string& other) { return this_node()->migrations().start(one, other); },
      [] { return this_node()->migrations().migrations_json(); });
}

void save(orbit_bytes storage, orbit_bytes folder, orbit_node_done done, void* ctx) {
  begin_on_main(
      storage, folder, done, ctx,
      [](const std::string& one, const std::string& other) { return this_node()->backups().start(one, other); },
      [] { return this_node()->backups().json(); });
}

void work(orbit_bytes kind, orbit_bytes storage, orbit_bytes path, orbit_node_done done, void* ctx) {
  begin_on_main(
      kind, storage, done, ctx,
      [path = std::string(from_c(path))](const std::string& one, const std::string& other) {
        return this_node()->storage_jobs().start(one, other, path);
      },
      [] { return this_node()->storage_jobs().json(); });
}

constexpr orbit_storage_ops_v1 kStorageOpsTable = {
    .struct_size = sizeof(orbit_storage_ops_v1),
    .reserved = 0,
    .storages = [](orbit_sink sink) { put_text(sink, this_node()->migrations().storages_json()); },
    .migrations = [](orbit_sink sink) { put_text(sink, this_node()->migrations().migrations_json()); },
    .migrate = &migrate,
    .backups = [](orbit_sink sink) { put_text(sink, this_node()->backups().json()); },
    .backup = &save,
    .jobs = [](orbit_sink sink) { put_text(sink, this_node()->storage_jobs().json()); },
    .work = &work,
    .bytes_per_second = [] { return this_node()->maintenance_pace().bytes_per_second(); },
    .set_bytes_per_second = [](uint64_t limit) { this_node()->maintenance_pace().set(limit); },
};

}  // namespace

const void* storage_ops_table() noexcept { return &kStorageOpsTable; }

}  // namespace orbit::kernel
