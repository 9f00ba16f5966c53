// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The input is a sequence of records: a byte with the sub-key's length, two with the value's, the bytes. Whatever loads
// must be usable, write itself and load again to the same.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "reply.hpp"
#include "value.hpp"

namespace {

using namespace orbit::resp;

class Collected final : public RecordWriter {
 public:
  void put_main(std::string_view value, uint64_t, bool) override { records[""] = value; }
  void put(std::string_view subkey, std::string_view value) override { records[std::string(subkey)] = value; }
  void remove(std::string_view subkey) override { records.erase(std::string(subkey)); }
  void remove_all_subrecords() override { records.erase(records.upper_bound(""), records.end()); }
  void remove_main() override { records.erase(""); }

  std::vector<Record> all() const {
    std::vector<Record> out;
    for (const auto& [subkey, value] : records) out.push_back({subkey, value});
    return out;
  }

  std::map<std::string, std::string> records;
};

void run(Value& value, std::vector<std::string_view> args) {
  MemoryReplyBuffer buffer;
  Reply reply(buffer);
  OpenKey key{"k", &value};
  CommandContext context{args, {&key, 1}, reply, 1, 7};
  find_command(args[0])->run(context);
}

void use(Value& value) {
  run(value, {"STRLEN", "k"});
  run(value, {"HGETALL", "k"});
  run(value, {"HSET", "k", "new", "value"});
  run(value, {"SPOP", "k", "2"});
  run(value, {"SADD", "k", "new"});
  run(value, {"ZRANGE", "k", "0", "-1", "WITHSCORES"});
  run(value, {"ZADD", "k", "3", "new"});
  run(value, {"ZPOPMIN", "k"});
  run(value, {"LRANGE", "k", "0", "-1"});
  run(value, {"LPUSH", "k", "new"});
  run(value, {"RPOP", "k", "3"});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  Collected stored;
  while (rest.size() >= 3) {
    const size_t subkey_bytes = static_cast<uint8_t>(rest[0]);
    const size_t value_bytes = static_cast<uint8_t>(rest[1]) | static_cast<size_t>(static_cast<uint8_t>(rest[2])) << 8;
    rest.remove_prefix(3);
    const std::string_view subkey = rest.substr(0, subkey_bytes);
    rest.remove_prefix(subkey.size());
    const std::string_view value = rest.substr(0, value_bytes);
    rest.remove_prefix(value.size());
    stored.records[std::string(subkey)] = value;
  }
  Value value;
  std::string error;
  if (!value.load(stored.all(), &error)) {
    if (error.empty() || !value.is_none()) std::abort();
    return 0;
  }
  use(value);
  value.collect(stored);
  Value again;
  if (!again.load(stored.all(), &error) || again.type() != value.type()) std::abort();
  return 0;
}
