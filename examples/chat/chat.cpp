// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "chat.hpp"

namespace chat {

constexpr int kInboxMax = 100;

// The count and the event are one batch: whoever is told a number will be heard under it.
orbit::Result<Posted> RoomActor::say(const Post& post) {
  if (post.text().empty()) return orbit::fail(orbit::Code::invalid_argument, "there is nothing to say");
  ChatMessage message;
  message.set_author(post.author());
  message.set_text(post.text());
  message.set_number(state().messages() + 1);
  mutable_state().set_messages(message.number());
  publish(RoomStream(key()), message);
  Posted posted;
  posted.set_number(message.number());
  return posted;
}

Nothing MemberActor::join(const Which& which) {
  subscribe(RoomStream(which.room()),
            which.from_position() == 0 ? orbit::from_now() : orbit::from_position(which.from_position()));
  return {};
}

orbit::Result<Nothing> MemberActor::leave(const Which& which) {
  if (!unsubscribe(RoomStream(which.room()))) return orbit::fail(orbit::Code::not_found, "not in room " + which.room());
  return Nothing();
}

MemberState MemberActor::inbox(const Nothing&) const { return state(); }

// A turn. The place in the stream is stored with the inbox, so that no message is in it twice.
void MemberActor::on_event(const orbit::Event<ChatMessage>& event) {
  MemberState& member = mutable_state();
  Heard& heard = *member.add_inbox();
  heard.set_room(std::string(event.stream));
  heard.set_position(event.position);
  *heard.mutable_message() = event.message;
  member.set_heard(member.heard() + 1);
  if (member.inbox_size() > kInboxMax) member.mutable_inbox()->DeleteSubrange(0, member.inbox_size() - kInboxMax);
}

}  // namespace chat
