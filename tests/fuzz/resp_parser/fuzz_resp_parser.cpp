// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The first byte chooses how the rest is cut into reads. Whatever the cuts, the commands must be those of one read.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "parser.hpp"

using orbit::resp::ParserLimits;
using orbit::resp::RequestParser;

namespace {

struct Outcome {
  std::vector<std::vector<std::string>> commands;
  std::string error;
  bool operator==(const Outcome&) const = default;
};

Outcome run(const ParserLimits& limits, const uint8_t* data, size_t size, size_t step, bool authenticated) {
  RequestParser parser(limits);
  Outcome out;
  size_t consumed = 0;
  for (size_t end = std::min(step, size);; end = std::min(end + step, size)) {
    const size_t length = end - consumed;
    const std::unique_ptr<char[]> bytes(new char[length]);
    std::copy_n(data + consumed, length, bytes.get());
    size_t at = 0;
    for (;;) {
      const auto status = parser.parse(bytes.get() + at, length - at, authenticated);
      if (status == RequestParser::Status::kIncomplete) break;
      if (status == RequestParser::Status::kError) {
        out.error = parser.error();
        if (out.error.empty()) std::abort();
        return out;
      }
      if (parser.consumed() == 0 || parser.consumed() > length - at) std::abort();
      out.commands.emplace_back(parser.args().begin(), parser.args().end());
      at += parser.consumed();
    }
    consumed += at;
    if (end == size) return out;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  ParserLimits limits;
  limits.bulk_bytes_max = 1024;
  limits.args_max = 64;
  limits.line_bytes_max = 128;
  const bool authenticated = (data[0] & 0x80) == 0;
  const size_t step = 1 + (data[0] & 0x7f);
  const Outcome whole = run(limits, data + 1, size - 1, size, authenticated);
  if (!(run(limits, data + 1, size - 1, step, authenticated) == whole)) std::abort();
  return 0;
}
