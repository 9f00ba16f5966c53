// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One call of an actor for one request.
#pragma once

#include <memory>
#include <string>

#include "handler.hpp"

namespace orbit::rest {

// Answers the responder, now or when the turn has ended.
void call_actor(Service& service, std::shared_ptr<const Catalog> catalog, http::Request request, http::Responder responder,
                Route route, const Principal& caller, const std::string& peer);

void read_state(Service& service, std::shared_ptr<const Catalog> catalog, http::Request request, http::Responder responder,
                Route route, const Principal& caller, const std::string& peer);

// Query parameters and path variables as JSON of the message: names may be paths, "book.name", and stand more than once for lists.
Result<std::string> fields_as_json(const MessagePlan& plan, const std::vector<std::pair<std::string, std::string>>& fields);

}  // namespace orbit::rest
