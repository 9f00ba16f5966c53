// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include "chat.orbit.hpp"

namespace chat {

using RoomStream = orbit::Stream<ChatMessage>;

class RoomActor final : public RoomBase<RoomActor> {
 public:
  orbit::Result<Posted> say(const Post& post);
};

class MemberActor final : public MemberBase<MemberActor> {
 public:
  Nothing join(const Which& which);
  orbit::Result<Nothing> leave(const Which& which);
  MemberState inbox(const Nothing& nothing) const;
  void on_event(const orbit::Event<ChatMessage>& event);
};

}  // namespace chat
