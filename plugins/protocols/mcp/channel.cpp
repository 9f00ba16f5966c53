// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "channel.hpp"

namespace orbit::mcp {

std::string event_text(std::string_view id, std::string_view data) {
  std::string out;
  out.reserve(id.size() + data.size() + 16);
  if (!id.empty()) out.append("id: ").append(id).append("\n");
  // Serialized JSON has no line breaks.
  return out.append("data: ").append(data).append("\n\n");
}

Answer json_answer(int status, const json::value& message) {
  return {status, "application/json", json::serialize(message), {}};
}

void DirectChannel::begin() {
  if (begun_) return;
  begun_ = true;
  outlet_->begin({});
}

void DirectChannel::send(const json::value& message) {
  begin();
  outlet_->write(event_text({}, json::serialize(message)));
}

void DirectChannel::finish(const json::value& message, int status) {
  if (!begun_) return outlet_->answer(json_answer(status, message));
  outlet_->write(event_text({}, json::serialize(message)));
  outlet_->end();
}

void DirectChannel::abandon() {
  begin();
  outlet_->end();
}

void DirectChannel::comment() {
  begin();
  outlet_->write(":\n\n");
}

}  // namespace orbit::mcp
