// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "actor/index_query.hpp"

#include <boost/json.hpp>
#include <charconv>
#include <memory>

#include "actor/indexes.hpp"
#include "actor/names.hpp"
#include "actor/runtime.hpp"
#include "orbit/index_key.hpp"
#include "state/record_format.hpp"

namespace orbit::kernel {

namespace json = boost::json;

namespace {

// A scan over a part of an index on the I/O pool.
struct IndexScan {
  Runtime* runtime;
  uint32_t home;
  const orbit_type* type;
  orbit_index_kind kind;
  std::string prefix;
  std::string from;
  std::string to;
  size_t limit;
  bool descending;
  orbit_visit_index visit;
  void* ctx;
  void (*done)(void*, orbit_bytes, orbit_code, const char*);
  size_t seen = 0;
  std::string last;  // what comes behind the prefix in the last visited entry
  bool more = false;
  orbit_code code = ORBIT_OK;
  std::string message;

  int entry(std::string_view key) {
    if (seen >= limit) {
      more = true;
      return 0;
    }
    key.remove_prefix(prefix.size());
    const size_t value_size = index_value_size(kind, key);
    if (value_size == 0) {
      code = ORBIT_DATA_LOSS;
      message = "an index entry ends inside its value";
      return 0;
    }
    ++seen;
    last = key;
    if (visit(ctx, to_c(key.substr(0, value_size)), to_c(key.substr(value_size))) != 0) return 1;
    more = true;
    return 0;
  }

  void run() {
    if (from >= to && !to.empty()) return;
    const Engine& engine = runtime->store_of(*type).committer.engine();
    ErrorOut error;
    const orbit_code scanned = engine.table->scan(
        engine.self, nullptr, to_c(from), to_c(to), descending ? 1 : 0,
        [](void* self, orbit_bytes key, orbit_bytes) -> int {
          return static_cast<IndexScan*>(self)->entry(from_c(key));
        },
        this, &error);
    if (scanned == ORBIT_OK) return;
    code = scanned;
    message = error.take(scanned).message;
  }
  void answer() const { done(ctx, to_c(more && code == ORBIT_OK ? last : std::string()), code, message.c_str()); }

  static void start(std::unique_ptr<IndexScan> owned) {
    IndexScan* scan = owned.release();
    const bool queued = scan->runtime->executor().blocking(
        [](void* self) {
          auto* running = static_cast<IndexScan*>(self);
          running->run();
          running->runtime->post(running->home, [running] {
            const std::unique_ptr<IndexScan> finished(running);
            finished->answer();
          });
        },
        scan);
    if (queued) return;
    const std::unique_ptr<IndexScan> refused(scan);
    refused->code = ORBIT_RESOURCE_EXHAUSTED;
    refused->message = "io_queue_max: the I/O pool's queue is full; try again later";
    refused->answer();
  }
};

}  // namespace

void query_index(const orbit_type* type, const orbit_index_query* query, orbit_visit_index visit,
                 void (*done)(void*, orbit_bytes, orbit_code, const char*), void* ctx) {
  const auto refuse = [&](orbit_code code, const std::string& message) { done(ctx, {"", 0}, code, message.c_str()); };
  Runtime* runtime = this_runtime();
  const TypeVersion* version = type != nullptr ? type->current.load(std::memory_order_acquire) : nullptr;
  if (version == nullptr) {
    refuse(ORBIT_NOT_FOUND, type == nullptr ? "the query names no actor type"
                                            : "no actor type " + type->name + " is loaded on this node");
    return;
  }
  const orbit_index* index = version->index(query->number);
  if (index == nullptr) {
    refuse(ORBIT_NOT_FOUND, "actor type " + type->name + " has no index number " + std::to_string(query->number));
    return;
  }
  if (query->limit == 0 || query->limit > ORBIT_QUERY_LIMIT_MAX) {
    refuse(ORBIT_INVALID_ARGUMENT,
           "the limit is " + std::to_string(query->limit) + ", expected 1 to " + std::to_string(ORBIT_QUERY_LIMIT_MAX));
    return;
  }
  auto scan = std::make_unique<IndexScan>();
  scan->runtime = runtime;
  scan->home = this_scheduler()->worker();
  scan->type = type;
  scan->kind = index->kind;
  scan->prefix = index_prefix(type->name, index->number);
  scan->from = scan->prefix + std::string(from_c(query->from));
  scan->to = query->to.size == 0 ? prefix_end(scan->prefix) : scan->prefix + std::string(from_c(query->to));
  scan->limit = query->limit;
  scan->descending = query->descending != 0;
  scan->visit = visit;
  scan->ctx = ctx;
  scan->done = done;
  if (query->after.size != 0) {
    const std::string last = scan->prefix + std::string(from_c(query->after));
    // The page before ended with this entry; one zero byte more is the least key behind it.
    if (scan->descending)
      scan->to = std::min(scan->to, last);
    else
      scan->from = std::max(scan->from, last + '\0');
  }
  const bool sync = version->def->durability == ORBIT_DURABILITY_SYNC;
  auto shared = std::make_shared<std::unique_ptr<IndexScan>>(std::move(scan));
  runtime->indexes().when_known(type, index->number, [runtime, shared, sync](Result<> ready) {
    if (!ready) {
      (*shared)->code = static_cast<orbit_code>(ready.error().code);
      (*shared)->message = ready.error().message;
      (*shared)->answer();
      return;
    }
    if (sync) {
      IndexScan::start(std::move(*shared));
      return;
    }
    runtime->flush_everywhere((*shared)->home, runtime->stores_of(*(*shared)->type),
                              [shared] { IndexScan::start(std::move(*shared)); });
  });
}

namespace {

constexpr uint32_t kLimitDefault = 100;

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

Result<std::string> unhex(std::string_view text) {
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc() || end != text.data() + i + 2) return fail(Code::invalid_argument, "is not hexadecimal");
    out.push_back(static_cast<char>(byte));
  }
  if (text.size() % 2 != 0) return fail(Code::invalid_argument, "is not hexadecimal");
  return out;
}

// 64-bit integers may be strings, as in protobuf's JSON mapping.
template <class T>
Result<std::string> number_value(const json::value& value, const char* expected) {
  std::string out;
  T number{};
  if (value.is_string()) {
    const std::string_view text = value.as_string();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || text.empty())
      return fail(Code::invalid_argument, expected);
  } else {
    boost::system::error_code error;
    number = value.to_number<T>(error);
    if (error) return fail(Code::invalid_argument, expected);
  }
  append_index_value(out, number);
  return out;
}

Result<std::string> encode(orbit_index_kind kind, const json::value& value) {
  std::string out;
  switch (kind) {
    case ORBIT_INDEX_BOOL:
      if (!value.is_bool() && value != "true" && value != "false")
        return fail(Code::invalid_argument, "must be true or false");
      append_index_value(out, value.is_bool() ? value.as_bool() : value == "true");
      return out;
    case ORBIT_INDEX_SIGNED:
      return number_value<int64_t>(value, "must be a whole number");
    case ORBIT_INDEX_UNSIGNED:
      return number_value<uint64_t>(value, "must be a whole number that is not negative");
    case ORBIT_INDEX_FLOAT:
      return number_value<double>(value, "must be a number");
    default: {
      if (!value.is_string()) return fail(Code::invalid_argument, "must be a string");
      std::string text(value.as_string());
      if (kind == ORBIT_INDEX_BYTES) {
        auto bytes = unhex(text);
        if (!bytes) return bytes;
        text = std::move(*bytes);
      }
      append_index_value(out, text);
      return out;
    }
  }
}

json::value decode(orbit_index_kind kind, std::string_view in) {
  switch (kind) {
    case ORBIT_INDEX_BOOL:
      return in[0] != 0;
    case ORBIT_INDEX_SIGNED:
      return json::value(std::to_string(index_signed_of(in)));
    case ORBIT_INDEX_UNSIGNED:
      return json::value(std::to_string(index_unsigned_of(in)));
    case ORBIT_INDEX_FLOAT: {
      const double number = index_float_of(in);
      if (std::isnan(number)) return json::value("NaN");
      if (std::isinf(number)) return json::value(number < 0 ? "-Infinity" : "Infinity");
      return json::value(number);
    }
    case ORBIT_INDEX_TEXT:
      return json::value(index_text_of(in));
    default:
      return json::value(hex(index_text_of(in)));
  }
}

struct JsonQuery {
  orbit_index_kind kind;
  json::array actors;  // filled on the I/O pool
  void (*done)(void*, orbit_code, orbit_bytes);
  void* ctx;
};

struct Bounds {
  std::string from;
  std::string to;
  std::string after;
  orbit_index_query query{};
};

Result<> read_query(const orbit_index& index, std::string_view text, Bounds& out) {
  boost::system::error_code error;
  const json::value parsed = text.empty() ? json::value(json::object()) : json::parse(text, error);
  if (error || !parsed.is_object()) return fail(Code::invalid_argument, "the query is no JSON object");
  out.query = {sizeof(orbit_index_query), index.number, {}, {}, {}, kLimitDefault, 0};
  const json::object& object = parsed.as_object();
  if (object.contains("equals") && (object.contains("from") || object.contains("to")))
    return fail(Code::invalid_argument, "a query has \"equals\", or \"from\" and \"to\", not both");
  for (const auto& [key, value] : object) {
    const std::string name(key);
    if (name == "equals" || name == "from" || name == "to") {
      auto encoded = encode(index.kind, value);
      if (!encoded)
        return fail(Code::invalid_argument,
                    "\"" + name + "\" of a query over index " + index.name + " " + encoded.error().message);
      if (name == "equals") {
        out.from = *encoded;
        out.to = prefix_end(*encoded);
      } else {
        (name == "from" ? out.from : out.to) = std::move(*encoded);
      }
    } else if (name == "descending" && value.is_bool()) {
      out.query.descending = value.as_bool() ? 1 : 0;
    } else if (name == "limit" && value.is_int64() && value.as_int64() >= 0 && value.as_int64() <= UINT32_MAX) {
      out.query.limit = static_cast<uint32_t>(value.as_int64());
    } else if (name == "after" && value.is_string()) {
      auto after = unhex(value.as_string());
      if (!after)
        return fail(Code::invalid_argument, "\"after\" " + after.error().message + ": give the \"next\" of a page");
      out.after = std::move(*after);
    } else {
      return fail(Code::invalid_argument,
                  "\"" + name +
                      "\" of a query is unknown or has a wrong type; there are equals, from, to, "
                      "descending (true or false), limit (a number) and after (a string)");
    }
  }
  return {};
}

std::string known_indexes(const TypeVersion& version) {
  std::string names;
  for (const orbit_index& index : version.indexes)
    names += (names.empty() ? "it has " : ", ") + std::string(index.name);
  return names.empty() ? "it has none" : names;
}

}  // namespace

void query_index_json(orbit_bytes type_name, orbit_bytes index_name, orbit_bytes text,
                      void (*done)(void*, orbit_code, orbit_bytes), void* ctx) {
  const auto refuse = [&](orbit_code code, const std::string& message) { done(ctx, code, to_c(message)); };
  orbit_type* type = this_runtime()->types().find(from_c(type_name));
  const TypeVersion* version = type != nullptr ? type->current.load(std::memory_order_acquire) : nullptr;
  if (version == nullptr)
    return refuse(ORBIT_NOT_FOUND, "no actor type " + std::string(from_c(type_name)) + " is loaded on this node");
  const orbit_index* index = version->index(from_c(index_name));
  if (index == nullptr)
    return refuse(ORBIT_NOT_FOUND, "actor type " + type->name + " has no index " + std::string(from_c(index_name)) +
                                       "; " + known_indexes(*version));
  Bounds bounds;
  if (auto read = read_query(*index, from_c(text), bounds); !read)
    return refuse(static_cast<orbit_code>(read.error().code), read.error().message);
  bounds.query.from = to_c(bounds.from);
  bounds.query.to = to_c(bounds.to);
  bounds.query.after = to_c(bounds.after);
  query_index(
      type, &bounds.query,
      [](void* raw, orbit_bytes value, orbit_bytes key) -> int {
        auto* query = static_cast<JsonQuery*>(raw);
        query->actors.push_back(
            json::object{{"key", shown_key(from_c(key))}, {"value", decode(query->kind, from_c(value))}});
        return 1;
      },
      [](void* raw, orbit_bytes next, orbit_code code, const char* message) {
        const std::unique_ptr<JsonQuery> query(static_cast<JsonQuery*>(raw));
        if (code != ORBIT_OK) return query->done(query->ctx, code, to_c(std::string_view(message)));
        json::object answer;
        answer["actors"] = std::move(query->actors);
        answer["next"] = next.size == 0 ? json::value(nullptr) : json::value(hex(from_c(next)));
        query->done(query->ctx, ORBIT_OK, to_c(json::serialize(answer)));
      },
      new JsonQuery{index->kind, {}, done, ctx});
}

}  // namespace orbit::kernel
