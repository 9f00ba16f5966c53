// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "node_reply.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

namespace orbit::resp::testing {
namespace {

struct Header {
  char type;
  size_t size;  // with the line end
  long number;
};

bool read_header(std::string_view bytes, Header& header) {
  const size_t end = bytes.find("\r\n");
  if (end == std::string_view::npos) return false;
  header = {bytes[0], end + 2, 0};
  std::from_chars(bytes.data() + 1, bytes.data() + end, header.number);
  return true;
}

bool is_aggregate(char type) { return type == '*' || type == '~' || type == '>' || type == '%'; }

// The replies inside an aggregate.
std::vector<std::string> children(std::string_view bytes, Header& header) {
  std::vector<std::string> out;
  if (!read_header(bytes, header) || !is_aggregate(header.type)) return out;
  const long count = header.type == '%' ? header.number * 2 : header.number;
  size_t at = header.size;
  for (long i = 0; i < count; ++i) {
    const size_t size = reply_size(bytes.substr(at));
    out.emplace_back(bytes.substr(at, size));
    at += size;
  }
  return out;
}

}  // namespace

size_t reply_size(std::string_view bytes) {
  Header header;
  if (bytes.empty() || !read_header(bytes, header)) return 0;
  if (header.type == '$' || header.type == '=') {
    if (header.number < 0) return header.size;
    const size_t size = header.size + static_cast<size_t>(header.number) + 2;
    return bytes.size() < size ? 0 : size;
  }
  if (!is_aggregate(header.type)) return header.size;
  const long count = header.type == '%' ? header.number * 2 : header.number;
  size_t at = header.size;
  for (long i = 0; i < count; ++i) {
    const size_t size = reply_size(bytes.substr(at));
    if (size == 0) return 0;
    at += size;
  }
  return at;
}

std::string canonical(std::string_view reply, Order order) {
  if (order == Order::exact) return std::string(reply);
  Header header;
  std::vector<std::string> parts = children(reply, header);
  if (parts.empty()) return std::string(reply);
  std::string out(reply.substr(0, header.size));
  if (order == Order::scan_anything) return out;
  if (order == Order::scan_elements || order == Order::scan_pairs) {
    const Order inner = order == Order::scan_elements ? Order::any_elements : Order::any_pairs;
    return out + parts[0] + canonical(parts[1], inner);
  }
  if (order == Order::any_pairs && !is_aggregate(parts[0][0])) {
    std::vector<std::string> pairs;
    for (size_t i = 0; i + 1 < parts.size(); i += 2) pairs.push_back(parts[i] + parts[i + 1]);
    parts = std::move(pairs);
  }
  std::sort(parts.begin(), parts.end());
  for (const std::string& part : parts) out += part;
  return out;
}

}  // namespace orbit::resp::testing
