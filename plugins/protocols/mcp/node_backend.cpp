// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node_backend.hpp"

#include <sys/random.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace orbit::mcp {
namespace {

using Parts = void (*orbit_node_v1::*)(orbit_sink);

struct Document {
  const char* uri;
  const char* name;
  const char* title;
  const char* description;
  const char* action;  // for access control, as the admin API names it
  Parts part;
};

constexpr Document kDocuments[] = {
    {"orbit://node", "node", "Node", "The node: name, version, state, uptime, memory, listeners.", "node.getNode", &orbit_node_v1::node},
    {"orbit://workers", "workers", "Workers", "What each worker thread has and did.", "node.listWorkers", &orbit_node_v1::workers},
    {"orbit://plugins", "plugins", "Plugins", "The plugins of the node and their state.", "node.listPlugins", &orbit_node_v1::plugins},
    {"orbit://modules", "modules", "Modules", "The actor modules, their versions and types.", "modules.listModules", &orbit_node_v1::modules},
    {"orbit://types", "types", "Actor types", "The actor types with their methods.", "actors.listTypes", &orbit_node_v1::types},
};
constexpr const char* kListTemplate = "orbit://actors/{type}";
constexpr const char* kStateTemplate = "orbit://actors/{type}/{key}";
constexpr size_t kListMax = 1000;

const UriTemplate& list_template() {
  static const UriTemplate parsed = UriTemplate::parse(kListTemplate).value();
  return parsed;
}
const UriTemplate& state_template() {
  static const UriTemplate parsed = UriTemplate::parse(kStateTemplate).value();
  return parsed;
}

void append(void* ctx, orbit_bytes part) { static_cast<std::string*>(ctx)->append(part.data, part.size); }

const Principal& principal_of(const Caller& caller) { return static_cast<const NodeCaller&>(caller).principal; }

}  // namespace

// ---- catalogs ------------------------------------------------------------------------------------------------------

Catalogs::Catalogs(Host host, Filter filter)
    : host_(host), descriptors_(host.require<orbit_descriptors_v1>(ORBIT_DESCRIPTORS_V1)), filter_(std::move(filter)) {}

CatalogPtr Catalogs::current() {
  const std::lock_guard lock(mutex_);
  if (catalog_ && catalog_->generation == descriptors_->generation()) return catalog_;
  std::vector<orbit_callable_type> types;
  const uint64_t generation = descriptors_->each(
      [](void* ctx, const orbit_callable_type* type) { static_cast<std::vector<orbit_callable_type>*>(ctx)->push_back(*type); }, &types);
  // The plugin's own.
  std::erase_if(types, [](const orbit_callable_type& type) { return std::string_view(type.definition->name) == "orbit.mcp.v1.Reporter"; });
  catalog_ = build_catalog(generation, types, filter_);
  for (const std::string& complaint : catalog_->complaints) host_.warn(complaint);
  return catalog_;
}

// ---- calls ---------------------------------------------------------------------------------------------------------

struct NodeBackend::Pending {
  NodeBackend* backend;
  uint64_t id;
  std::function<void(Result<std::string>)> done;

  static void answered(void* ctx, orbit_code code, orbit_bytes text) {
    const std::unique_ptr<Pending> pending(static_cast<Pending*>(ctx));
    pending->backend->calls_.erase(pending->id);
    if (code == ORBIT_OK)
      pending->done(std::string(from_c(text)));
    else
      pending->done(fail(static_cast<Code>(code), std::string(from_c(text))));
  }
};

NodeBackend::NodeBackend(Host host, Catalogs& catalogs, const Access& access, Reports& reports, uint32_t worker, uint64_t call_timeout_ms)
    : host_(host),
      catalogs_(catalogs),
      access_(access),
      reports_(reports),
      worker_(worker),
      call_timeout_ms_(call_timeout_ms),
      actors_(*host.require<orbit_actors_v1>(ORBIT_ACTORS_V1)),
      node_(*host.require<orbit_node_v1>(ORBIT_NODE_V1)),
      workers_(*host.require<orbit_workers_v1>(ORBIT_WORKERS_V1)) {}

bool NodeBackend::may(const Caller& caller, const Offer& offer) {
  return access_.may(principal_of(caller), {.type = offer.type, .method = offer.method, .read_only = offer.read_only});
}

bool NodeBackend::permits(const Caller& caller, const Offer& offer) {
  if (may(caller, offer)) return true;
  // There is no key with which it may: any one is refused, and told to the audit log.
  static_cast<void>(access_.check(principal_of(caller), {.type = offer.type, .key = offer.fixed_key, .method = offer.method,
                                                         .read_only = offer.read_only, .peer = caller.peer.c_str()}));
  return false;
}

bool NodeBackend::still(const Caller& caller) { return !access_.enabled() || access_.still(principal_of(caller)).has_value(); }

uint64_t NodeBackend::call(const Caller& caller, const ActorTarget& target, const std::string& request,
                           std::function<void(Result<std::string>)> done) {
  if (auto allowed = access_.check(principal_of(caller), {.type = target.type, .key = target.key, .method = target.method,
                                                          .read_only = target.read_only, .peer = caller.peer.c_str()});
      !allowed) {
    done(tl::unexpected<Error>(allowed.error()));
    return 0;
  }
  const uint64_t id = ++last_call_;
  auto pending = std::make_unique<Pending>(Pending{this, id, std::move(done)});
  calls_[id] = nullptr;
  const orbit_context_entry user{to_c(Bytes("user")), to_c(Bytes(caller.name))};
  const uint64_t deadline_ns = workers_.monotonic_ns(host_.raw()) + call_timeout_ms_ * 1'000'000;
  orbit_envelope* const envelope = actors_.start_json(to_c(target.type), to_c(target.key), to_c(target.method), to_c(Bytes(request)), deadline_ns,
                                                      &user, caller.name.empty() ? 0 : 1, &Pending::answered, pending.release());
  const auto there = calls_.find(id);
  if (there == calls_.end() || envelope == nullptr) return 0;
  there->second = envelope;
  return id;
}

void NodeBackend::cancel(uint64_t call) {
  const auto found = calls_.find(call);
  if (found != calls_.end() && found->second != nullptr) actors_.cancel(found->second);
}

uint32_t NodeBackend::reports_sent(const std::string& token) {
  const auto call = reports_.find(token);
  return call ? call->sent.load(std::memory_order_acquire) : 0;
}

void NodeBackend::cancelled_call(const std::string& token) {
  if (const auto call = reports_.find(token)) call->cancelled = true;
}

// ---- resources -----------------------------------------------------------------------------------------------------

const std::vector<NodeResource>& NodeBackend::node_resources() {
  static const std::vector<NodeResource> all = [] {
    std::vector<NodeResource> out;
    for (const Document& document : kDocuments) out.push_back({document.uri, document.name, document.title, document.description, false});
    out.push_back({kListTemplate, "actors", "Actors of a type", "Keys of stored actors of a type, at most " + std::to_string(kListMax) + ".", true});
    out.push_back({kStateTemplate, "actor", "An actor's state", "The state of one actor and its version.", true});
    return out;
  }();
  return all;
}

Result<> NodeBackend::permits_read(const Caller& caller, const std::string& uri) {
  if (const auto values = state_template().match(uri))
    return access_.check(principal_of(caller), {.type = (*values)[0].second, .key = (*values)[1].second, .method = "state",
                                                .read_only = true, .peer = caller.peer.c_str()});
  if (const auto values = list_template().match(uri)) return check_list(caller, (*values)[0].second);
  for (const Document& document : kDocuments)
    if (uri == document.uri) return access_.check_admin(principal_of(caller), document.action, {}, true, caller.peer.c_str());
  return {};
}

void NodeBackend::read(const CallerPtr& caller, const std::string& uri, std::function<void(Result<std::string>)> done) {
  if (const auto values = state_template().match(uri)) return read_state(caller, (*values)[0].second, (*values)[1].second, std::move(done));
  if (const auto values = list_template().match(uri)) {
    const std::string& type = (*values)[0].second;
    if (!catalogs_.current()->types.contains(type)) return done(fail(Code::not_found, "no actor type '" + type + "'"));
    if (auto allowed = check_list(*caller, type); !allowed)
      return done(tl::unexpected<Error>(allowed.error()));
    return list_keys(type, {}, kListMax, [type, done = std::move(done)](Result<std::vector<std::string>> keys) {
      if (!keys) return done(tl::unexpected<Error>(keys.error()));
      json::array list;
      for (std::string& key : *keys) list.emplace_back(std::move(key));
      const bool more = list.size() > kListMax;
      if (more) list.pop_back();
      done(json::serialize(json::object{{"type", type}, {"keys", std::move(list)}, {"more", more}}));
    });
  }
  for (const Document& document : kDocuments) {
    if (uri != document.uri) continue;
    if (auto allowed = access_.check_admin(principal_of(*caller), document.action, {}, true, caller->peer.c_str()); !allowed)
      return done(tl::unexpected<Error>(allowed.error()));
    std::string text;
    (node_.*document.part)({&text, &append});
    return done(std::move(text));
  }
  done(fail(Code::not_found, "no resource '" + uri.substr(0, 256) + "'"));
}

void NodeBackend::read_state(const CallerPtr& caller, const std::string& type, const std::string& key,
                             std::function<void(Result<std::string>)> done) {
  const CatalogPtr catalog = catalogs_.current();
  const auto found = catalog->types.find(type);
  if (found == catalog->types.end()) return done(fail(Code::not_found, "no actor type '" + type + "'"));
  if (!found->second.state_json) return done(fail(Code::not_found, "actors of type " + type + " have no state that could be shown"));
  if (auto allowed = access_.check(principal_of(*caller), {.type = type, .key = key, .method = "state", .read_only = true, .peer = caller->peer.c_str()});
      !allowed)
    return done(tl::unexpected<Error>(allowed.error()));
  struct Reading {
    CatalogPtr catalog;
    std::string type, key;
    std::function<void(Result<std::string>)> done;
  };
  auto reading = std::make_unique<Reading>(Reading{catalog, type, key, std::move(done)});
  const orbit_type* const handle = actors_.type(type.c_str());
  actors_.state(
      handle, to_c(Bytes(key)),
      [](void* ctx, orbit_bytes value, uint64_t version, orbit_code code, const char* message) {
        const std::unique_ptr<Reading> read(static_cast<Reading*>(ctx));
        if (code != ORBIT_OK) return read->done(fail(static_cast<Code>(code), message != nullptr ? message : "no state"));
        auto text = read->catalog->types.at(read->type).state_json(from_c(value));
        if (!text) return read->done(tl::unexpected<Error>(text.error()));
        json::value state = json::object();
        if (auto parsed = parse_json(*text)) state = std::move(*parsed);
        read->done(json::serialize(json::object{{"type", read->type}, {"key", read->key}, {"version", version}, {"state", std::move(state)}}));
      },
      reading.release());
}

Result<> NodeBackend::check_list(const Caller& caller, const std::string& type) const {
  return access_.check(principal_of(caller), {.type = type, .key = "*", .method = "list", .read_only = true, .peer = caller.peer.c_str()});
}

void NodeBackend::list_keys(const std::string& type, const std::string& prefix, size_t limit,
                            std::function<void(Result<std::vector<std::string>>)> done) {
  struct Listing {
    std::string prefix;
    std::vector<std::string> keys;
    std::function<void(Result<std::vector<std::string>>)> done;
    size_t limit;
  };
  auto listing = std::make_unique<Listing>(Listing{prefix, {}, std::move(done), limit});
  Listing* const raw = listing.release();
  actors_.list(
      actors_.type(type.c_str()), 0, kListMax + 1,
      [](void* ctx, orbit_bytes key, uint64_t) -> int {
        auto* const found = static_cast<Listing*>(ctx);
        if (from_c(key).starts_with(found->prefix)) found->keys.emplace_back(from_c(key));
        return found->keys.size() <= found->limit ? 1 : 0;
      },
      [](void* ctx, uint64_t, orbit_code code, const char* message) {
        const std::unique_ptr<Listing> found(static_cast<Listing*>(ctx));
        if (code != ORBIT_OK) return found->done(fail(static_cast<Code>(code), message != nullptr ? message : "the listing failed"));
        std::sort(found->keys.begin(), found->keys.end());
        // JSON is UTF-8; keys that are not are left out.
        std::erase_if(found->keys, [](const std::string& key) { return !parse_json(json::serialize(json::value(key))); });
        found->done(std::move(found->keys));
      },
      raw);
}

void NodeBackend::complete(const CallerPtr& caller, const std::string& uri, const std::string& variable, const std::string& prefix,
                           const json::object& known, size_t limit, std::function<void(std::vector<std::string>)> done) {
  const bool has_type = uri == kStateTemplate || uri == kListTemplate;
  if (has_type && variable == "type") {
    std::vector<std::string> names;
    const auto sees = [&](const std::string& name) {
      for (const std::string_view method : {"list", "state"})
        if (access_.may(principal_of(*caller), {.type = name, .method = method, .read_only = true})) return true;
      return false;
    };
    for (const auto& [name, type] : catalogs_.current()->types)
      if (name.starts_with(prefix) && names.size() <= limit && sees(name)) names.push_back(name);
    return done(std::move(names));
  }
  const std::string type(string_or_empty(known, "type"));
  if (uri != kStateTemplate || variable != "key" || !catalogs_.current()->types.contains(type) ||
      !check_list(*caller, type))
    return done({});
  list_keys(type, prefix, limit, [done = std::move(done)](Result<std::vector<std::string>> keys) {
    done(keys ? std::move(*keys) : std::vector<std::string>());
  });
}

// ---- time ----------------------------------------------------------------------------------------------------------

struct NodeBackend::Timer {
  NodeBackend* backend;
  uint64_t id;
  orbit_timer timer;
  std::function<void()> function;

  static void fired(void* ctx) {
    const std::unique_ptr<Timer> timer(static_cast<Timer*>(ctx));
    timer->backend->timers_.erase(timer->id);
    timer->function();
  }
};

uint64_t NodeBackend::after(uint64_t delay_ms, std::function<void()> function) {
  const uint64_t id = ++last_timer_;
  auto timer = std::make_unique<Timer>(Timer{this, id, 0, std::move(function)});
  Timer* const raw = timer.release();
  timers_[id] = raw;
  raw->timer = workers_.after(host_.raw(), delay_ms, &Timer::fired, raw);
  return id;
}

void NodeBackend::cancel_timer(uint64_t id) {
  const auto found = timers_.find(id);
  if (found == timers_.end()) return;
  Timer* const timer = found->second;
  timers_.erase(found);
  if (workers_.cancel(host_.raw(), timer->timer) != 0) delete timer;
}

std::string random_token() {
  unsigned char bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) throw std::runtime_error("the system has no random numbers");
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : bytes) out.append({kDigits[byte >> 4], kDigits[byte & 15]});
  return out;
}

}  // namespace orbit::mcp
