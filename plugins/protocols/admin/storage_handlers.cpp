// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The routes about storage instances.
#include <algorithm>
#include <array>

#include "handler_parts.hpp"
#include "handlers.hpp"

namespace orbit::admin::handlers {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 4> kWork = {"check", "stats", "compact", "checkpoint"};

// False, and the exchange is answered: this host is older than the table that is asked for.
bool has_jobs(const Services& services, Exchange& exchange) {
  if (services.storage->struct_size >= sizeof(orbit_storage_ops_v1)) return true;
  exchange.fail(Code::unimplemented, "this node's " ORBIT_STORAGE_OPS_V1 " has no such operation");
  return false;
}

const json::string* text_of(const json::object& body, std::string_view member) {
  const auto* const value = body.if_contains(member);
  return value != nullptr && value->is_string() && !value->get_string().empty() ? &value->get_string() : nullptr;
}

std::string pace_json(const Services& services) {
  return json::serialize(json::object{{"bytes_per_second", services.storage->bytes_per_second()}});
}

}  // namespace

void storages(const Services& services, ExchangePtr exchange) {
  exchange->answer(list_response("storages", services.storage->storages));
}

void migrations(const Services& services, ExchangePtr exchange) {
  exchange->answer(list_response("migrations", services.storage->migrations));
}

void migrate(const Services& services, ExchangePtr exchange) {
  const auto body = parse_body(*exchange, {"from", "to"});
  if (!body) return;
  for (const char* member : {"from", "to"}) {
    const auto* name = body->if_contains(member);
    if (name == nullptr || !name->is_string() || name->get_string().empty())
      return exchange->fail(Code::invalid_argument,
                            std::string("'") + member + "' must be the name of a storage instance");
  }
  services.storage->migrate(to_c(view(body->at("from").get_string())), to_c(view(body->at("to").get_string())),
                            done_json, exchange.release());
}

void backups(const Services& services, ExchangePtr exchange) {
  exchange->answer(list_response("backups", services.storage->backups));
}

void backup(const Services& services, ExchangePtr exchange) {
  const auto body = parse_body(*exchange, {"storage", "folder"});
  if (!body) return;
  const auto* storage = body->if_contains("storage");
  if (storage == nullptr || !storage->is_string() || storage->get_string().empty())
    return exchange->fail(Code::invalid_argument, "'storage' must be the name of a storage instance");
  const auto* folder = body->if_contains("folder");
  if (folder == nullptr || !folder->is_string() ||
      (!folder->get_string().starts_with('/') && folder->get_string().find("://") == boost::json::string::npos))
    return exchange->fail(Code::invalid_argument,
                          "'folder' must be an absolute path on the node's machine, or an address SCHEME://...");
  services.storage->backup(to_c(view(storage->get_string())), to_c(view(folder->get_string())), done_json,
                           exchange.release());
}

void storage_jobs(const Services& services, ExchangePtr exchange) {
  if (has_jobs(services, *exchange)) exchange->answer(list_response("jobs", services.storage->jobs));
}

void storage_work(const Services& services, ExchangePtr exchange) {
  const auto body = parse_body(*exchange, {"kind", "storage", "path"});
  if (!body || !has_jobs(services, *exchange)) return;
  const auto* const kind = text_of(*body, "kind");
  if (kind == nullptr || std::find(kWork.begin(), kWork.end(), view(*kind)) == kWork.end())
    return exchange->fail(Code::invalid_argument, "'kind' must be one of check, stats, compact, checkpoint");
  const auto* const storage = text_of(*body, "storage");
  if (storage == nullptr)
    return exchange->fail(Code::invalid_argument, "'storage' must be the name of a storage instance");
  const auto* const path = text_of(*body, "path");
  const bool wants_path = view(*kind) == "checkpoint";
  if (wants_path ? path == nullptr || !path->starts_with('/') : body->contains("path"))
    return exchange->fail(Code::invalid_argument,
                          wants_path ? "'path' must be an absolute path on the node's machine where nothing is"
                                     : "only a checkpoint has a 'path'");
  services.storage->work(to_c(view(*kind)), to_c(view(*storage)), path != nullptr ? to_c(view(*path)) : to_c(Bytes()),
                         done_json, exchange.release());
}

void storage_pace(const Services& services, ExchangePtr exchange) {
  if (has_jobs(services, *exchange)) exchange->answer(http::json_response(200, pace_json(services)));
}

void set_storage_pace(const Services& services, ExchangePtr exchange) {
  const auto body = parse_body(*exchange, {"bytes_per_second"});
  if (!body || !has_jobs(services, *exchange)) return;
  const auto* const limit = body->if_contains("bytes_per_second");
  if (limit == nullptr || !limit->is_int64() || limit->get_int64() < 0)
    return exchange->fail(Code::invalid_argument, "'bytes_per_second' must be a whole number; 0: no limit");
  services.storage->set_bytes_per_second(static_cast<uint64_t>(limit->get_int64()));
  exchange->answer(http::json_response(200, pace_json(services)));
}

}  // namespace orbit::admin::handlers
