// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The input is a serialized value without version and checksum. What is restored must be usable, not much larger than
// its bytes, and the same after it was dumped and restored again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "dump.hpp"
#include "reply.hpp"
#include "value.hpp"

namespace {

using namespace orbit::resp;

void run(Value& value, std::vector<std::string_view> args) {
  MemoryReplyBuffer buffer;
  Reply reply(buffer);
  OpenKey key{"k", &value};
  CommandContext context{args, {&key, 1}, reply, 1, 7};
  find_command(args[0])->run(context);
}

std::string without_footer(std::string dump) {
  if (!dump_intact(dump)) std::abort();
  dump.resize(dump.size() - kDumpFooterBytes);
  return dump;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A compressed byte becomes at most 264, an element a few dozen bytes.
  constexpr size_t kGrowthMax = 264 * 64;
  Value value;
  const std::string_view object(reinterpret_cast<const char*>(data), size);
  if (!restore_value(object, value)) {
    if (!value.is_none()) std::abort();
    return 0;
  }
  if (value.is_none() || value.memory_bytes() > (size + 64) * kGrowthMax) std::abort();
  const std::string dump = without_footer(dump_value(value));
  Value again;
  if (!restore_value(dump, again) || again.type() != value.type()) std::abort();
  if (without_footer(dump_value(again)) != dump) std::abort();
  run(again, {"STRLEN", "k"});
  run(again, {"HGETALL", "k"});
  run(again, {"SPOP", "k", "2"});
  run(again, {"ZPOPMIN", "k"});
  run(again, {"LRANGE", "k", "0", "-1"});
  run(again, {"RPOP", "k", "3"});
  return 0;
}
