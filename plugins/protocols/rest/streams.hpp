// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A stream of events (orbit/ext/streams.h) to a client, as server-sent events or over a WebSocket.
#pragma once

#include <memory>
#include <string>

#include "handler.hpp"

namespace orbit::rest {

// Query: from=POSITION (1 is the oldest that is kept; default: only new ones). Last-Event-ID continues behind that position.
// An event is JSON: {position, time, publisher: {type, key}, sequence, payload}; the payload is JSON when the stream's name says
// its message ("chat.Message/lobby"), else base64.
void open_stream(Service& service, std::shared_ptr<const Catalog> catalog, http::Request request, http::Responder responder,
                 Route route, const Principal& caller, const std::string& peer);

}  // namespace orbit::rest
