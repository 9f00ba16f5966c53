// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "access/access.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>

namespace orbit::kernel {

namespace {

constexpr size_t kShownMax = 128;  // bytes of a key or name in a message

// On one line, whatever bytes it has.
std::string shown(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : text.substr(0, kShownMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || byte == '\\') {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  if (text.size() > kShownMax) out += "...";
  return out;
}

// The sentences with which callers are refused: the same on every wire.
std::string call_text(const orbit_access_request& request) {
  return "call " + shown(from_c(request.method)) + " of " + shown(from_c(request.type)) + " '" + shown(from_c(request.key)) + "'";
}

std::string refusal_text(const Principal& principal, std::string_view what) {
  std::string out = principal.anonymous() ? std::string("nobody") : "'" + shown(principal.name()) + "'";
  out.append(" may not ").append(what);
  if (principal.anonymous()) out += " without credentials";
  return out;
}

constexpr std::string_view kBadCredentials = "the credentials are wrong or have expired";

bool mechanism_known(const orbit_authenticator_v1& table, const char* mechanism) noexcept {
  for (const char* const* each = table.mechanisms; *each != nullptr; ++each)
    if (std::strcmp(*each, mechanism) == 0) return true;
  return false;
}

// Whether its table reaches as far as a pointer at that offset.
bool authenticator_has(const orbit_authenticator_v1& table, size_t offset) noexcept {
  return table.struct_size >= offset + sizeof(void (*)());
}

}  // namespace

// One question on its way: from the worker that asks to the I/O pool and back.
struct Access::Asked : Job {
  Access& access;
  const std::string wire;
  const std::string mechanism;
  const std::string name;
  std::string secret;
  const std::string peer;
  const orbit_authenticated done;
  void* const ctx;
  const uint32_t worker;
  const Fingerprint fingerprint;
  const Principal* principal = nullptr;  // found; one reference is the answer's
  orbit_code code = ORBIT_UNAUTHENTICATED;
  std::string message{kBadCredentials};
  std::string detail;  // for the audit log
  uint32_t authenticator = Principal::kNoAuthenticator;  // that is asked
  uint64_t generation = 0;                               // of that one, before

  ~Asked() { OPENSSL_cleanse(secret.data(), secret.size()); }

  static void answer(Asked* asked) noexcept {
    const std::unique_ptr<Asked> mine(asked);
    mine->done(mine->ctx, mine->principal, mine->code, to_c(Bytes(mine->message)));
  }
};

Access::Access(AccessOptions options, Executor& executor, Logger& audit)
    : options_(std::move(options)),
      executor_(executor),
      audit_(audit),
      rules_(options_.rules),
      anonymous_(Principal::make_anonymous(options_.anonymous_roles)),
      enabled_(!options_.rules.empty()),
      lockout_(options_.lockout),
      revocations_(options_.revocations_file, options_.revocations_max) {
  if (RAND_bytes(secret_.data(), static_cast<int>(secret_.size())) != 1) {
    std::fprintf(stderr, "orbit: the system has no random numbers\n");
    std::abort();
  }
}

Access::~Access() {
  for (const Known& known : known_) known.principal->release();
  anonymous_->release();
}

// ---- who -----------------------------------------------------------------------------------------------------------

Access::Fingerprint Access::fingerprint(const orbit_credentials& credentials) const {
  std::string text = credentials.mechanism;
  text += '\0';
  text += std::to_string(credentials.name.size);
  text += '\0';
  text += from_c(credentials.name);
  text += from_c(credentials.secret);
  Fingerprint out{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), out.data(), &size);
  OPENSSL_cleanse(text.data(), text.size());
  return out;
}

uint64_t Access::stamp() const {
  uint64_t out = revocations_.epoch();
  for (const Authenticator& each : authenticators_) out = out * 1'000'003 + generation_of(each);
  return out;
}

const Principal* Access::recall(const Fingerprint& of) {
  const uint64_t now_ms = executor_.unix_ms();
  const uint64_t now_stamp = stamp();
  const std::lock_guard lock(mutex_);
  const auto found = by_fingerprint_.find({reinterpret_cast<const char*>(of.data()), of.size()});
  if (found == by_fingerprint_.end()) return nullptr;
  const auto entry = found->second;
  if (now_ms >= entry->until_ms || entry->stamp != now_stamp || entry->principal->expired(now_ms)) {
    by_fingerprint_.erase(found);
    entry->principal->release();
    known_.erase(entry);
    return nullptr;
  }
  known_.splice(known_.begin(), known_, entry);
  entry->principal->retain();
  return entry->principal;
}

void Access::remember(const Fingerprint& of, const Principal& principal, uint64_t at_stamp) {
  if (options_.remember_ms == 0 || options_.remembered_max == 0) return;
  const uint64_t until_ms = executor_.unix_ms() + options_.remember_ms;
  const std::lock_guard lock(mutex_);
  if (by_fingerprint_.contains({reinterpret_cast<const char*>(of.data()), of.size()})) return;  // another thread was faster
  if (known_.size() >= options_.remembered_max) {
    const Known& last = known_.back();
    by_fingerprint_.erase({reinterpret_cast<const char*>(last.of.data()), last.of.size()});
    last.principal->release();
    known_.pop_back();
  }
  principal.retain();
  known_.push_front({of, &principal, until_ms, at_stamp});
  const Known& first = known_.front();
  by_fingerprint_.emplace(std::string_view(reinterpret_cast<const char*>(first.of.data()), first.of.size()), known_.begin());
}

void Access::authenticate(std::string_view wire, const orbit_credentials& credentials, orbit_authenticated done, void* ctx) {
  const auto refuse = [&](orbit_code code, std::string_view message) { done(ctx, nullptr, code, to_c(message)); };
  if (!enabled_) {
    anonymous_->retain();
    return done(ctx, anonymous_, ORBIT_OK, {});
  }
  if (credentials.mechanism == nullptr) return refuse(ORBIT_INVALID_ARGUMENT, "credentials need a mechanism");
  if (credentials.name.size + credentials.secret.size > ORBIT_CREDENTIAL_BYTES_MAX)
    return refuse(ORBIT_INVALID_ARGUMENT, "the credentials have " +
                                              std::to_string(credentials.name.size + credentials.secret.size) +
                                              " bytes, expected at most " + std::to_string(ORBIT_CREDENTIAL_BYTES_MAX));
  const Fingerprint of = fingerprint(credentials);
  if (const Principal* const known = recall(of)) {
    recalled_.fetch_add(1, std::memory_order_relaxed);
    authenticated_.fetch_add(1, std::memory_order_relaxed);
    return done(ctx, known, ORBIT_OK, {});
  }
  const bool somebody = std::any_of(authenticators_.begin(), authenticators_.end(), [&](const Authenticator& each) {
    return mechanism_known(*each.table, credentials.mechanism);
  });
  if (!somebody)
    return refuse(ORBIT_UNAUTHENTICATED,
                  "no authenticator of this node takes credentials of the kind '" + shown(credentials.mechanism) + "'");
  const std::string address = lockout_address(credentials.peer != nullptr ? credentials.peer : "");
  if (const auto verdict = lockout_.verdict(from_c(credentials.name), address, executor_.unix_ms()); verdict.left_ms != 0) {
    locked_.fetch_add(1, std::memory_order_relaxed);
    return refuse(ORBIT_RESOURCE_EXHAUSTED,
                  "too many wrong credentials " +
                      (verdict.by_name ? "of '" + shown(from_c(credentials.name)) + "'" : "from " + shown(address)) +
                      ": none are looked at for " + std::to_string((verdict.left_ms + 999) / 1000) + " s (access.lockout_" +
                      (verdict.by_name ? "name" : "address") + "_failures)");
  }
  if (authenticating_.fetch_add(1, std::memory_order_relaxed) >= options_.authenticating_max) {
    authenticating_.fetch_sub(1, std::memory_order_relaxed);
    return refuse(ORBIT_RESOURCE_EXHAUSTED, "too many callers are being authenticated; the bound is access.authenticating_max = " +
                                                std::to_string(options_.authenticating_max));
  }
  auto* const asked =
      new Asked{{}, *this, std::string(wire), credentials.mechanism, std::string(from_c(credentials.name)),
                std::string(from_c(credentials.secret)), credentials.peer != nullptr ? credentials.peer : "", done, ctx,
                executor_.current(), of};
  const bool taken = executor_.blocking([](void* raw) { static_cast<Asked*>(raw)->access.ask(*static_cast<Asked*>(raw)); }, asked);
  if (taken) return;
  authenticating_.fetch_sub(1, std::memory_order_relaxed);
  asked->code = ORBIT_RESOURCE_EXHAUSTED;
  asked->message = "too much waits for the I/O pool; the bound is limits.io_queue_max";
  Asked::answer(asked);
}

void Access::ask(Asked& asked) noexcept {
  const uint64_t at_stamp = stamp();  // before asking: what changes meanwhile is asked again
  const orbit_credentials credentials{sizeof credentials,           0,
                                      asked.mechanism.c_str(),      to_c(Bytes(asked.name)),
                                      to_c(Bytes(asked.secret)),    asked.peer.c_str()};
  for (const Authenticator& each : authenticators_) {
    if (!mechanism_known(*each.table, asked.mechanism.c_str())) continue;
    asked.authenticator = static_cast<uint32_t>(&each - authenticators_.data());
    asked.generation = generation_of(each);
    ErrorOut error;
    const orbit_code code = each.table->authenticate(
        each.self, &credentials,
        [](void* raw, const orbit_identity* who) {
          auto* const mine = static_cast<Asked*>(raw);
          if (mine->principal != nullptr) return;
          auto made = Principal::make(*who, mine->mechanism, mine->authenticator);
          if (made)
            mine->principal = *made;
          else
            mine->detail = made.error().message;
        },
        &asked, &error);
    if (code == ORBIT_OK && asked.principal != nullptr) {
      asked.code = ORBIT_OK;
      break;
    }
    if (asked.principal != nullptr) std::exchange(asked.principal, nullptr)->release();
    if (code == ORBIT_NOT_FOUND) continue;
    asked.detail = each.instance + ": " + (code == ORBIT_OK ? asked.detail : std::string(error.message));
    if (code != ORBIT_OK && code != ORBIT_UNAUTHENTICATED) {  // not the caller's fault, who may know why
      asked.code = code;
      asked.message = error.message;
    }
    break;
  }
  if (asked.principal != nullptr && asked.principal->expired(executor_.unix_ms())) {
    std::exchange(asked.principal, nullptr)->release();
    asked.code = ORBIT_UNAUTHENTICATED;
    asked.detail = "expired";
  }
  if (asked.principal != nullptr &&
      revocations_.has(asked.principal->name(), asked.principal->credential(), executor_.unix_ms())) {
    std::exchange(asked.principal, nullptr)->release();
    asked.code = ORBIT_UNAUTHENTICATED;
    asked.detail = "revoked";
  }
  if (asked.principal != nullptr) {
    authenticated_.fetch_add(1, std::memory_order_relaxed);
    asked.message.clear();
    asked.principal->set_looked_at(at_stamp, asked.generation);
    try {
      lockout_.succeeded(asked.name, lockout_address(asked.peer), executor_.unix_ms());
      remember(asked.fingerprint, *asked.principal, at_stamp);
    } catch (const std::bad_alloc&) {  // then it is asked again
    }
  } else {
    refused(asked);
  }
  authenticating_.fetch_sub(1, std::memory_order_relaxed);
  if (asked.worker == kNoWorker) return Asked::answer(&asked);
  asked.run = [](Job* job) noexcept { Asked::answer(static_cast<Asked*>(job)); };
  executor_.post(asked.worker, &asked, &asked);
}

void Access::refused(const Asked& asked) noexcept {
  refused_.fetch_add(1, std::memory_order_relaxed);
  const std::string name = shown(asked.name);
  audit_.warn("credentials refused", {{"mechanism", asked.mechanism},
                                      {"name", name},
                                      {"peer", asked.peer},
                                      {"wire", asked.wire},
                                      {"reason", asked.detail.empty() ? std::string_view("unknown or wrong") : asked.detail}});
  if (asked.code != ORBIT_UNAUTHENTICATED) return;
  uint64_t fingerprint = 0;
  std::memcpy(&fingerprint, asked.fingerprint.data(), sizeof fingerprint);
  const std::string address = lockout_address(asked.peer);
  const auto verdict = lockout_.failed(asked.name, address, fingerprint, executor_.unix_ms());
  if (verdict.left_ms == 0) return;
  audit_.warn("credentials locked out", {{verdict.by_name ? "name" : "address", verdict.by_name ? name : address},
                                         {"for_ms", std::to_string(verdict.left_ms)},
                                         {"wire", asked.wire}});
}

// ---- whether it still is who it was ---------------------------------------------------------------------------------

bool Access::look_again(const Principal& principal, uint64_t now_stamp) const {
  if (revocations_.has(principal.name(), principal.credential(), executor_.unix_ms())) return false;
  const Authenticator& known_by = authenticators_[principal.authenticator()];
  const uint64_t its_generation = generation_of(known_by);
  if (its_generation != principal.generation() && authenticator_has(*known_by.table, offsetof(orbit_authenticator_v1, holds)) && known_by.table->holds != nullptr &&
      known_by.table->holds(known_by.self, &principal.identity()) == 0)
    return false;
  principal.set_looked_at(now_stamp, its_generation);
  return true;
}

Access::Standing Access::standing(const Principal& principal) const {
  if (principal.identity().expires_at_ms != 0 && principal.expired(executor_.unix_ms())) return Standing::expired;
  if (principal.authenticator() == Principal::kNoAuthenticator) return Standing::good;
  const uint64_t now_stamp = stamp();
  return principal.looked_at() == now_stamp || look_again(principal, now_stamp) ? Standing::good : Standing::gone;
}

orbit_code Access::refuse_standing(const Principal& principal, Standing standing, orbit_error* error) {
  return to_c(Code::unauthenticated,
              "the credentials of '" + shown(principal.name()) +
                  (standing == Standing::expired ? "' have expired" : "' count no more: they, or that one's roles, were changed or taken away"),
              error);
}

orbit_code Access::still(const Principal& principal, orbit_error* error) const {
  if (!enabled_) return ORBIT_OK;
  const Standing now = standing(principal);
  return now == Standing::good ? ORBIT_OK : refuse_standing(principal, now, error);
}

// ---- what ----------------------------------------------------------------------------------------------------------

orbit_code Access::check(std::string_view wire, const Principal& principal, const orbit_access_request& request,
                         orbit_error* error) {
  if (!enabled_) return ORBIT_OK;
  const Standing now = standing(principal);
  if (now == Standing::good &&
      rules_.may_call(principal, {from_c(request.type), from_c(request.key), from_c(request.method),
                                  (request.flags & ORBIT_ACCESS_READ_ONLY) != 0}))
    return ORBIT_OK;
  return refuse_call(wire, principal, now, request, error);
}

orbit_code Access::refuse_call(std::string_view wire, const Principal& principal, Standing standing,
                               const orbit_access_request& request, orbit_error* error) {
  denied_.fetch_add(1, std::memory_order_relaxed);
  const std::string key = shown(from_c(request.key));
  audit_.warn("denied", {{"principal", principal.name()},
                         {"type", from_c(request.type)},
                         {"key", key},
                         {"method", from_c(request.method)},
                         {"peer", request.peer != nullptr ? request.peer : ""},
                         {"wire", wire},
                         {"reason", standing == Standing::good      ? "no rule allows it"
                                    : standing == Standing::expired ? "expired"
                                                                    : "changed or revoked"}});
  if (standing != Standing::good) return refuse_standing(principal, standing, error);
  return to_c(principal.anonymous() ? Code::unauthenticated : Code::permission_denied,
              refusal_text(principal, call_text(request)), error);
}

bool Access::may(const Principal& principal, const orbit_access_request& request) const {
  if (!enabled_) return true;
  if (standing(principal) != Standing::good) return false;
  return rules_.may_call_some(principal, {from_c(request.type), {}, from_c(request.method),
                                          (request.flags & ORBIT_ACCESS_READ_ONLY) != 0});
}

orbit_code Access::check_admin(std::string_view wire, const Principal& principal, std::string_view action,
                               std::string_view target, bool read_only, std::string_view peer, orbit_error* error) {
  const Standing now = enabled_ ? standing(principal) : Standing::good;
  const bool good = !enabled_ || (now == Standing::good && rules_.may_administer(principal, action, read_only));
  if (good && read_only) return ORBIT_OK;
  const std::string where = shown(target);
  audit_.write(good ? LogLevel::info : LogLevel::warn, good ? "administrative action" : "administrative action denied",
               {{"principal", principal.name()}, {"action", action}, {"target", where}, {"peer", peer}, {"wire", wire}});
  if (good) return ORBIT_OK;
  denied_.fetch_add(1, std::memory_order_relaxed);
  if (now != Standing::good) return refuse_standing(principal, now, error);
  std::string what = "do " + std::string(action);
  if (!where.empty()) what += " on '" + where + "'";
  return to_c(principal.anonymous() ? Code::unauthenticated : Code::permission_denied, refusal_text(principal, what), error);
}

// ---- changes -------------------------------------------------------------------------------------------------------

// Work for the I/O pool, whose end is told on the worker that asked for it.
struct Access::Task : Job {
  std::function<Result<>()> work;
  orbit_access_done done = nullptr;
  void* ctx = nullptr;
  uint32_t worker = kNoWorker;
  Executor* executor = nullptr;
  Result<> result;

  static void answer(Task* task) noexcept {
    const std::unique_ptr<Task> mine(task);
    if (mine->result) return mine->done(mine->ctx, ORBIT_OK, {});
    mine->done(mine->ctx, static_cast<orbit_code>(mine->result.error().code), to_c(Bytes(mine->result.error().message)));
  }
  static void at_work(void* raw) {
    auto* const task = static_cast<Task*>(raw);
    task->result = task->work();
    if (task->worker == kNoWorker) return answer(task);
    task->Job::run = [](Job* job) noexcept { answer(static_cast<Task*>(job)); };
    task->executor->post(task->worker, task, task);
  }
};

void Access::run(std::unique_ptr<Task> task) {
  task->executor = &executor_;
  task->worker = executor_.current();
  if (enabled_ && executor_.blocking(&Task::at_work, task.get())) {
    task.release();
    return;
  }
  task->result = enabled_ ? fail(Code::resource_exhausted, "too much waits for the I/O pool; the bound is limits.io_queue_max")
                          : fail(Code::failed_precondition, "this node has no access control: neither a [[rule]] nor an authenticator");
  Task::answer(task.release());
}

Result<> Access::load() { return enabled_ ? revocations_.load() : Result<>(); }

Result<> Access::reload(bool force) {
  const std::lock_guard lock(reloading_);
  Result<> out;
  for (const Authenticator& each : authenticators_) {
    if (!authenticator_has(*each.table, offsetof(orbit_authenticator_v1, reload)) || each.table->reload == nullptr) continue;
    ErrorOut error;
    const orbit_code code = each.table->reload(each.self, force ? 1 : 0, &error);
    if (code != ORBIT_OK) out = fail(static_cast<Code>(code), each.instance + ": " + error.message);
  }
  return out;
}

void Access::reload(orbit_access_done done, void* ctx) {
  auto task = std::make_unique<Task>();
  task->work = [this] { return reload(true); };
  task->done = done;
  task->ctx = ctx;
  run(std::move(task));
}

void Access::revoke(std::string_view kind, std::string_view value, uint64_t until_ms, orbit_access_done done, void* ctx) {
  auto task = std::make_unique<Task>();
  task->work = [this, kind = std::string(kind), value = std::string(value), until_ms] {
    return revocations_.add(kind, value, until_ms, executor_.unix_ms());
  };
  task->done = done;
  task->ctx = ctx;
  run(std::move(task));
}

void Access::take_back(std::string_view kind, std::string_view value, orbit_access_done done, void* ctx) {
  auto task = std::make_unique<Task>();
  task->work = [this, kind = std::string(kind), value = std::string(value)] {
    return revocations_.take_back(kind, value, executor_.unix_ms());
  };
  task->done = done;
  task->ctx = ctx;
  run(std::move(task));
}

// ---- what is known -------------------------------------------------------------------------------------------------

void Access::users(int (*visit)(void* ctx, const orbit_identity* user), void* ctx) const {
  struct Visit {
    int (*visit)(void* ctx, const orbit_identity* user);
    void* ctx;
    bool more = true;
  } state{visit, ctx};
  for (const Authenticator& each : authenticators_) {
    if (!state.more) return;
    if (each.table->users == nullptr) continue;
    each.table->users(
        each.self,
        [](void* raw, const orbit_identity* user) {
          auto* const mine = static_cast<Visit*>(raw);
          return (mine->more = mine->visit(mine->ctx, user) != 0) ? 1 : 0;
        },
        &state);
  }
}

std::string Access::rules_json(const Principal& principal) const {
  std::string out = "[";
  for (const Rule& rule : rules_.all())
    if (Rules::is_for(rule, principal)) out += (out.size() == 1 ? "" : ",") + rule.json();
  return out + "]";
}

AccessCounters Access::counters() const noexcept {
  return {authenticated_.load(std::memory_order_relaxed), refused_.load(std::memory_order_relaxed),
          denied_.load(std::memory_order_relaxed), recalled_.load(std::memory_order_relaxed), locked_.load(std::memory_order_relaxed)};
}

}  // namespace orbit::kernel
