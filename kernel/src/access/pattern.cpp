// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "access/pattern.hpp"

namespace orbit::kernel {

namespace {
constexpr std::string_view kName = "{name}";
}

Result<Pattern> Pattern::parse(std::string_view text) {
  if (text.empty() || text.size() > kBytesMax)
    return fail(Code::invalid_argument, "a pattern has " + std::to_string(text.size()) + " bytes, expected 1 to " +
                                            std::to_string(kBytesMax));
  Pattern out;
  out.text_ = text;
  out.parts_.emplace_back();
  const auto add = [&out](char c) {
    Part& part = out.parts_.back();
    if (part.empty() || part.back().is_name) part.emplace_back();
    part.back().literal += c;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      if (++i == text.size())
        return fail(Code::invalid_argument, "'" + out.text_ + "' ends in '\\', expected the byte that it makes mean itself");
      add(text[i]);
    } else if (text[i] == '*') {
      out.parts_.emplace_back();
    } else if (text.substr(i).starts_with(kName)) {
      out.parts_.back().push_back({{}, true});
      out.uses_name_ = true;
      i += kName.size() - 1;
    } else if (text[i] == '{') {
      return fail(Code::invalid_argument, "'" + out.text_ + "': expected {name} or \\{ at the '{'");
    } else {
      add(text[i]);
    }
  }
  return out;
}

std::string Pattern::expand(const Part& part, std::string_view name) {
  std::string out;
  for (const Piece& piece : part) out += piece.is_name ? name : std::string_view(piece.literal);
  return out;
}

size_t Pattern::size_of(const Part& part, std::string_view name) noexcept {
  size_t out = 0;
  for (const Piece& piece : part) out += piece.is_name ? name.size() : piece.literal.size();
  return out;
}

size_t Pattern::match_at(const Part& part, std::string_view text, std::string_view name) noexcept {
  size_t at = 0;
  for (const Piece& piece : part) {
    const std::string_view wanted = piece.is_name ? name : std::string_view(piece.literal);
    if (!text.substr(at).starts_with(wanted)) return std::string_view::npos;
    at += wanted.size();
  }
  return at;
}

bool Pattern::matches(std::string_view text, std::string_view name) const {
  if (uses_name_ && name.empty()) return false;
  const size_t head = match_at(parts_.front(), text, name);
  if (head == std::string_view::npos) return false;
  if (parts_.size() == 1) return head == text.size();
  text.remove_prefix(head);
  const size_t tail = size_of(parts_.back(), name);
  if (tail > text.size() || match_at(parts_.back(), text.substr(text.size() - tail), name) == std::string_view::npos) return false;
  text.remove_suffix(tail);
  // What lies between two stars may stand anywhere: the first place leaves most for the rest.
  for (size_t i = 1; i + 1 < parts_.size(); ++i) {
    const std::string wanted = expand(parts_[i], name);
    const size_t at = text.find(wanted);
    if (at == std::string_view::npos) return false;
    text.remove_prefix(at + wanted.size());
  }
  return true;
}

}  // namespace orbit::kernel
