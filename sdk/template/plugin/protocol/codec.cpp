#include "codec.hpp"

#include <algorithm>
#include <string>

namespace @name@ {

namespace {

constexpr size_t kNameBytesShown = 32;  // of what a client sent, in an error

// Cuts the next word off the front of text; empty at its end.
std::string_view take_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace

size_t Codec::received(std::string_view data) {
  size_t consumed = 0;
  while (!waiting_ && !closing_ && !peer_.output_is_full()) {
    std::string_view rest = data.substr(consumed);
    const size_t end = rest.find('\n', searched_);
    // Without an end one more byte is allowed: it may be the \r.
    if (end == std::string_view::npos) {
      if (rest.size() > line_bytes_max_ + 1) return refuse_long_line(data.size());
      searched_ = rest.size();
      break;
    }
    searched_ = 0;
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > line_bytes_max_) return refuse_long_line(data.size());
    consumed += end + 1;
    run(line);
  }
  return closing_ ? data.size() : consumed;
}

void Codec::run(std::string_view line) {
  const std::string_view command = take_word(line);
  if (command.empty()) return;
  if (command == "PING") return write_line("PONG");
  if (command == "CALL") return call(line);
  const std::string shown(command.substr(0, kNameBytesShown));
  error("UNIMPLEMENTED", "unknown command '" + shown + "'; known: PING, CALL");
}

void Codec::call(std::string_view arguments) {
  CallRequest request;
  request.type = take_word(arguments);
  request.key = take_word(arguments);
  request.method = take_word(arguments);
  if (request.method.empty()) return error("INVALID_ARGUMENT", "expected: CALL type key method json");
  arguments.remove_prefix(std::min(arguments.find_first_not_of(' '), arguments.size()));
  request.json = arguments;
  waiting_ = true;
  peer_.call(request);
}

void Codec::answer(std::string_view json) {
  waiting_ = false;
  write_line("OK " + std::string(json));
}

void Codec::answer_error(std::string_view code, std::string_view message) {
  waiting_ = false;
  error(code, message);
}

void Codec::error(std::string_view code, std::string_view message) {
  write_line("ERR " + std::string(code) + " " + std::string(message));
}

void Codec::write_line(std::string_view text) {
  // An answer is one line, whatever a message says. JSON has line ends only where a blank is as good.
  std::string line(text);
  std::replace_if(line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  line += '\n';
  peer_.write(line);
}

size_t Codec::refuse_long_line(size_t size) {
  error("RESOURCE_EXHAUSTED", "a line has more than line_bytes_max = " + std::to_string(line_bytes_max_) + " bytes");
  closing_ = true;
  peer_.close();
  return size;
}

}  // namespace @name@
