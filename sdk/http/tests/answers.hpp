// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Reads the bytes that the server wrote, strictly, as a client would.
#pragma once

#include <boost/json.hpp>
#include <charconv>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace orbit::http::test {

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;
  std::string body;
  boost::json::object json() const { return boost::json::parse(body).as_object(); }
  std::string code() const { return std::string(json().at("code").as_string().c_str()); }
};

// All answers in `bytes`; throws on anything that is no sequence of whole answers. `head_only`: answers to HEAD.
inline std::vector<HttpAnswer> read_answers(std::string_view bytes, bool head_only = false) {
  std::vector<HttpAnswer> out;
  while (!bytes.empty()) {
    HttpAnswer answer;
    const size_t head_end = bytes.find("\r\n\r\n");
    if (head_end == std::string_view::npos || !bytes.starts_with("HTTP/1.1 "))
      throw std::runtime_error("no HTTP answer: " + std::string(bytes));
    std::string_view head = bytes.substr(0, head_end);
    bytes.remove_prefix(head_end + 4);
    answer.status = std::stoi(std::string(head.substr(9, 3)));
    for (size_t line = head.find("\r\n"); line != std::string_view::npos; line = head.find("\r\n")) {
      head.remove_prefix(line + 2);
      const std::string_view field = head.substr(0, head.find("\r\n"));
      const size_t colon = field.find(": ");
      if (colon == std::string_view::npos) throw std::runtime_error("no header field: " + std::string(field));
      if (!answer.headers.emplace(field.substr(0, colon), field.substr(colon + 2)).second)
        throw std::runtime_error("header twice: " + std::string(field));
    }
    size_t length = 0;
    if (const auto it = answer.headers.find("Content-Length"); it != answer.headers.end())
      length = std::stoul(it->second);
    if (head_only) length = 0;
    if (bytes.size() < length) throw std::runtime_error("the body is cut short");
    answer.body = bytes.substr(0, length);
    bytes.remove_prefix(length);
    out.push_back(std::move(answer));
  }
  return out;
}

inline HttpAnswer read_answer(std::string_view bytes, bool head_only = false) {
  auto answers = read_answers(bytes, head_only);
  if (answers.size() != 1) throw std::runtime_error(std::to_string(answers.size()) + " answers instead of one");
  return answers.front();
}

}  // namespace orbit::http::test
