// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node/migrations.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "actor/runtime.hpp"

namespace orbit::kernel {

namespace {

namespace json = boost::json;

constexpr size_t kRememberedMax = 16;
constexpr std::array<std::string_view, 4> kStageNames{"copying", "verifying", "done", "failed"};

json::object described(const OnlineMigration::Status& status, std::string_view stage) {
  return {{"from", status.from},
          {"to", status.to},
          {"stage", stage},
          {"entries", status.entries},
          {"bytes", status.bytes},
          {"written_bytes", status.written_bytes},
          {"mirrored_operations", status.mirrored},
          {"error", status.error}};
}

}  // namespace

Migrations::Migrations(Executor& executor, Runtime& runtime, std::vector<Engine> all, Pace& pace, Logger& logger)
    : executor_(executor), runtime_(runtime), pace_(pace), logger_(logger) {
  for (const Engine& engine : all) add(engine);
}

void Migrations::add(const Engine& engine) {
  const auto noted = read_copy_note(engine);
  const std::lock_guard lock(mutex_);
  all_.push_back(engine);
  if (!noted || !*noted || (*noted)->stage == CopyStage::adopted) return;
  OnlineMigration::Status status;
  status.from = (*noted)->from;
  status.to = engine.name;
  logger_.warn("a migration did not end", {{"from", status.from}, {"to", status.to}});
  interrupted_.push_back(std::move(status));
}

std::vector<Engine> Migrations::all() const {
  const std::lock_guard lock(mutex_);
  return all_;
}

Result<> Migrations::start(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  for (const auto& migration : begun_)
    if (migration->running())
      return fail(Code::failed_precondition, "a migration from '" + migration->status().from + "' to '" +
                                                 migration->status().to + "' is running; one at a time");
  Store* source = nullptr;
  for (const auto& store : runtime_.stores()) {
    if (store->name() == from) source = store.get();
    if (store->name() == to)
      return fail(Code::failed_precondition, "the storage '" + to + "' is in use; the target of a migration must be empty");
  }
  const auto target = std::find_if(all_.begin(), all_.end(), [&to](const Engine& engine) { return engine.name == to; });
  if (source == nullptr || target == all_.end())
    return fail(Code::not_found, source == nullptr ? "no storage in use has the name '" + from + "'"
                                                   : "no storage of the node has the name '" + to + "'");
  auto migration = std::make_unique<OnlineMigration>(executor_, source->committer, *target, ChunkLimits{}, &pace_);
  if (auto started = migration->start(); !started) return started;
  logger_.info("migration begins", {{"from", from}, {"to", to}});
  std::erase_if(interrupted_, [&](const OnlineMigration::Status& one) { return one.to == to; });
  if (begun_.size() == kRememberedMax) begun_.erase(begun_.begin());
  begun_.push_back(std::move(migration));
  return {};
}

void Migrations::stop() {
  const std::lock_guard lock(mutex_);
  for (const auto& migration : begun_) migration->stop();
}

std::string Migrations::storages_json() const {
  json::array out;
  for (const Engine& engine : all()) {
    const Store* user = nullptr;
    for (const auto& store : runtime_.stores())
      if (store->name() == engine.name) user = store.get();
    const bool writable = user == nullptr || user->committer.writable();
    out.push_back(json::object{{"name", engine.name},
                               {"used", user != nullptr},
                               {"writable", writable},
                               {"error", writable ? std::string() : user->committer.reason()},
                               {"size_bytes", engine.table->size_bytes(engine.self)}});
  }
  return json::serialize(out);
}

std::string Migrations::migrations_json() const {
  const std::lock_guard lock(mutex_);
  json::array out;
  for (const OnlineMigration::Status& status : interrupted_) out.push_back(described(status, "interrupted"));
  for (const auto& migration : begun_) {
    const OnlineMigration::Status status = migration->status();
    out.push_back(described(status, kStageNames[static_cast<size_t>(status.stage)]));
  }
  return json::serialize(out);
}

}  // namespace orbit::kernel
