// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Commands over all keys of a database: SCAN, KEYS, RANDOMKEY, DBSIZE, SAVE, BGSAVE. A database is an actor type; its
// keys are listed in the order of their hashes, and a SCAN cursor is the hash to go on from, without its low bits: some
// clients keep cursors in doubles, which are exact to 53 bits.
#include <algorithm>
#include <charconv>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "exec.hpp"
#include "glob.hpp"
#include "multi_key.hpp"
#include "numbers.hpp"
#include "orbit/result.hpp"
#include "session.hpp"
#include "uncommitted.hpp"
#include "words.hpp"

namespace orbit::resp {
namespace {

constexpr size_t kScanCountMax = 10'000;
constexpr size_t kListStep = 4096;
constexpr unsigned kCursorBits = 53;
constexpr unsigned kCursorShift = 64 - kCursorBits;

// One SCAN, KEYS or RANDOMKEY: lists a part, filters it, perhaps lists on.
class Listing {
 public:
  enum class What : uint8_t { kScan, kKeys, kRandomKey };

  Listing(Session& session, What what, std::string pattern)
      : session_(session), what_(what), pattern_(std::move(pattern)) {
    everything_ = glob_is_all(pattern_);
    bytes_max_ = session.settings().output_bytes_max;
    database_ = session.database_type(session.database());
    slot_ = session.begin_operation();
  }
  void filter_type(std::string type) { type_ = std::move(type); }
  void list(uint64_t from_hash, size_t limit) {
    from_hash_ = from_hash;
    limit_ = limit;
    list_keys(session_, database_, from_hash, limit, &visit, &listed, this);
  }

 private:
  // [io]
  static int visit(void* ctx, orbit_bytes key, uint64_t hash) {
    auto& self = *static_cast<Listing*>(ctx);
    try {
      return self.note(key, hash);
    } catch (const std::exception&) {
      self.out_of_memory_ = true;
      return 0;
    }
  }
  int note(orbit_bytes key, uint64_t hash) {
    const std::string_view name(key.data, key.size);
    if (!everything_ && !glob_match(pattern_, name)) return 1;
    bytes_ += name.size() + 16;
    if (bytes_ > bytes_max_) return 0;
    keys_.emplace_back(name);
    if (what_ == What::kScan) hashes_.push_back(hash);
    return 1;
  }

  static void listed(void* ctx, uint64_t next_hash, orbit_code code, const char* message) {
    auto* const self = static_cast<Listing*>(ctx);
    try {
      if (self->out_of_memory_) throw std::bad_alloc();
      self->continue_with(next_hash, code, message);
    } catch (const std::exception&) {
      self->session_.lacks(self->slot_);
      self->end();
    }
  }

  void continue_with(uint64_t next_hash, orbit_code code, const char* message);
  bool end_at_cursor();
  void reply_now();
  void end() {
    Session& session = session_;
    Slot* const slot = slot_;
    delete this;
    session.finish(slot);
  }

  friend class TypeCall;

  Session& session_;
  const What what_;
  const std::string pattern_;
  std::string type_;  // empty: any
  bool everything_ = false;
  bool wrapped_ = false;
  bool out_of_memory_ = false;
  uint64_t bytes_ = 0;
  uint64_t bytes_max_ = 0;
  uint64_t from_hash_ = 0;
  uint64_t next_hash_ = 0;
  size_t limit_ = 0;
  const orbit_type* database_ = nullptr;
  Slot* slot_ = nullptr;
  std::vector<std::string> keys_;
  std::vector<uint64_t> hashes_;  // of keys_, for SCAN
};

// Opens listed keys to see their types; keeps those of the wanted one.
class TypeCall final : public HoldCall {
 public:
  explicit TypeCall(Listing& listing) : listing_(listing) {
    for (std::string& key : listing.keys_) {
      if (const Value* held = open_held(key)) {
        if (is_wanted(*held)) kept_.push_back(std::move(key));
      } else {
        refs_.push_back({listing.database_, to_c(std::string_view(key))});
      }
    }
  }
  void start() { begin(listing_.session_.worker(), nullptr, nullptr, listing_.session_.worker().deadline_ns()); }

 private:
  // Of an EXEC that runs, which nobody else can open.
  const Value* open_held(std::string_view key) const {
    Exec* const exec = listing_.session_.exec();
    return exec != nullptr ? exec->open(listing_.database_, key) : nullptr;
  }
  bool is_wanted(const Value& value) const { return type_name(value.type()) == listing_.type_; }

  void use(KeyActor* const* actors) override {
    for (size_t i = 0; i < refs_.size(); ++i) {
      if (actors[i]->expire_if_due(worker_->now_ms())) changed_[i] = 1;
      if (is_wanted(actors[i]->value)) kept_.emplace_back(from_c(refs_[i].key));
    }
  }
  void failed(orbit_code, const char*) override { refused_ = true; }
  bool writes() const override { return false; }
  void ended() override {
    Listing& listing = listing_;
    if (refused_) kept_.clear();  // the cursor goes on; nothing that was not looked at is told
    listing.keys_ = std::move(kept_);
    delete this;
    listing.reply_now();
  }

  Listing& listing_;
  std::vector<std::string> kept_;
  bool refused_ = false;
};

// Ends the page where a cursor can say, so that no key comes twice. False: no cursor lies within the page.
bool Listing::end_at_cursor() {
  if (next_hash_ == 0) return true;
  next_hash_ = next_hash_ >> kCursorShift << kCursorShift;
  if (next_hash_ <= from_hash_) return false;
  while (!hashes_.empty() && hashes_.back() >= next_hash_) {
    hashes_.pop_back();
    keys_.pop_back();
  }
  return true;
}

void Listing::continue_with(uint64_t next_hash, orbit_code code, const char* message) {
  Reply reply(slot_->out, session_.protocol());
  if (code != ORBIT_OK) {
    write_error(reply, false, code, message != nullptr ? message : "");
    return end();
  }
  if (bytes_ > bytes_max_) {
    reply.error("ERR the matching keys do not fit into output_bytes_max = " + std::to_string(bytes_max_) + " bytes");
    return end();
  }
  next_hash_ = next_hash;
  if (what_ == What::kScan && !end_at_cursor()) {
    keys_.clear();
    hashes_.clear();
    bytes_ = 0;
    return list(from_hash_, limit_ * 2);
  }
  if (what_ == What::kKeys && next_hash != 0) return list(next_hash, kListStep);
  if (what_ == What::kRandomKey && keys_.empty()) {
    // The EXEC that runs may have removed what is stored there.
    if (next_hash != 0) return list(next_hash, limit_ * 2);
    if (!std::exchange(wrapped_, true)) return list(0, 1);
  }
  if (!type_.empty() && !keys_.empty()) return (new TypeCall(*this))->start();
  reply_now();
}

void Listing::reply_now() {
  Reply reply(slot_->out, session_.protocol());
  if (what_ == What::kRandomKey) {
    if (keys_.empty()) {
      reply.null();
    } else {
      reply.bulk(keys_[session_.worker().random() % keys_.size()]);
    }
    return end();
  }
  if (what_ == What::kScan) {
    reply.array(2);
    reply.bulk(std::to_string(next_hash_ >> kCursorShift));
  }
  reply.array(keys_.size());
  for (const auto& key : keys_) reply.bulk(key);
  end();
}

bool parse_scan_cursor(std::string_view text, uint64_t& out) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
  return code == std::errc() && end == text.data() + text.size() && out >> kCursorBits == 0;
}

struct ScanRequest {
  uint64_t cursor = 0;
  std::string pattern = "*";
  std::string type;
  size_t count = 10;
};

// Null, or the error.
const char* read_scan(Args args, ScanRequest& request) {
  if (!parse_scan_cursor(args[1], request.cursor)) return "ERR invalid cursor";
  for (size_t i = 2; i < args.size(); i += 2) {
    if (i + 1 == args.size()) return "ERR syntax error";
    if (equal_ignoring_case(args[i], "match")) {
      request.pattern = args[i + 1];
    } else if (equal_ignoring_case(args[i], "type")) {
      request.type = lower(args[i + 1]);
    } else if (equal_ignoring_case(args[i], "count")) {
      int64_t count = 0;
      if (!parse_integer(args[i + 1], count)) return "ERR value is not an integer or out of range";
      if (count < 1) return "ERR syntax error";
      request.count = std::min<size_t>(static_cast<size_t>(count), kScanCountMax);
    } else {
      return "ERR syntax error";
    }
  }
  return nullptr;
}

void scan(Session& session, Args args) {
  ScanRequest request;
  if (const char* error = read_scan(args, request)) return answer(session, [&](Reply& reply) { reply.error(error); });
  auto* listing = new Listing(session, Listing::What::kScan, std::move(request.pattern));
  listing->filter_type(std::move(request.type));
  listing->list(request.cursor << kCursorShift, request.count);
}

void keys(Session& session, Args args) {
  (new Listing(session, Listing::What::kKeys, std::string(args[1])))->list(0, kListStep);
}

void randomkey(Session& session, Args) {
  (new Listing(session, Listing::What::kRandomKey, "*"))->list(session.worker().random() | 1, 1);
}

// ---- whole databases -----------------------------------------------------------------------------------------------

void dbsize(Session& session, Args) {
  struct Counting {
    Waiting waiting;
    const orbit_type* type;
    uint64_t count = 0;
  };
  auto* counting = new Counting{{session, session.begin_operation()}, session.database_type(session.database())};
  count_keys(
      session, {&counting->type, 1}, &counting->count,
      [](void* ctx, orbit_code code, const char* message) {
        const std::unique_ptr<Counting> done(static_cast<Counting*>(ctx));
        finish_with(done->waiting.session, done->waiting.slot, [&](Reply& reply) {
          if (code == ORBIT_OK) return reply.integer(static_cast<int64_t>(done->count));
          write_error(reply, false, code, message != nullptr ? message : "");
        });
      },
      counting);
}

// Something that is done to several databases at once; the first failure is the answer.
struct Several {
  Server& server;
  Session* session;  // null: nobody waits
  Slot* slot;
  uint32_t left;
  bool write;
  void (*succeeded)(Server&);
  orbit_code code = ORBIT_OK;
  std::string message;

  static void done(void* ctx, orbit_code code, const char* message) {
    auto* self = static_cast<Several*>(ctx);
    if (code != ORBIT_OK && self->code == ORBIT_OK) {
      self->code = code;
      self->keep(message);
    }
    if (--self->left != 0) return;
    const std::unique_ptr<Several> owned(self);
    if (self->code == ORBIT_OK && self->succeeded != nullptr) self->succeeded(self->server);
    if (self->session == nullptr) return;
    finish_with(*self->session, self->slot, [&](Reply& reply) {
      if (self->code == ORBIT_OK) return reply.ok();
      write_error(reply, self->write, self->code, self->message);
    });
  }

 private:
  void keep(const char* text) noexcept {
    try {
      message = text != nullptr ? text : "";
    } catch (const std::exception&) {  // the code alone tells enough
    }
  }
};

// Listing a type writes out what its actors have in memory.
void write_out(Server& server, Several* several) {
  for (uint32_t i = 0; i < kDatabaseCount; ++i) {
    server.interfaces().actors->list(
        server.database(i), 0, 1, [](void*, orbit_bytes, uint64_t) { return 0; },
        [](void* ctx, uint64_t, orbit_code code, const char* message) { Several::done(ctx, code, message); }, several);
  }
}

void note_saved(Server& server) {
  const Interfaces& node = server.interfaces();
  server.saved_at_s.store(node.workers->unix_ms(node.host) / 1000, std::memory_order_relaxed);
}

void save(Session& session, Args) {
  Server& server = session.server();
  write_out(server,
            new Several{server, &session, session.begin_operation(), kDatabaseCount, true, &note_saved, ORBIT_OK, {}});
}

void bgsave(Session& session, Args, Reply& reply) {
  Server& server = session.server();
  reply.simple("Background saving started");
  write_out(server, new Several{server, nullptr, nullptr, kDatabaseCount, true, &note_saved, ORBIT_OK, {}});
}

constexpr SessionCommand kKeyspaceCommands[] = {
    {.name = "scan", .operation = &scan},
    {.name = "keys", .operation = &keys},
    {.name = "randomkey", .operation = &randomkey},
    {.name = "dbsize", .operation = &dbsize},
    {.name = "save", .operation = &save},
    {.name = "bgsave", .function = &bgsave},
};

}  // namespace

std::span<const SessionCommand> keyspace_commands() { return kKeyspaceCommands; }

}  // namespace orbit::resp
