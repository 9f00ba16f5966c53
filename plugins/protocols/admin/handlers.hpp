// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What each route does. Every function answers the exchange once, at once or through a callback of the node.
#pragma once

#include "exchange.hpp"

namespace orbit::admin::handlers {

void health(const Services& services, ExchangePtr exchange);
void ready(const Services& services, ExchangePtr exchange);
void node(const Services& services, ExchangePtr exchange);
void workers(const Services& services, ExchangePtr exchange);
void plugins(const Services& services, ExchangePtr exchange);
void load_plugin(const Services& services, ExchangePtr exchange);
void unload_plugin(const Services& services, ExchangePtr exchange);
void modules(const Services& services, ExchangePtr exchange);
void load_module(const Services& services, ExchangePtr exchange);
void retire_module(const Services& services, ExchangePtr exchange);
void types(const Services& services, ExchangePtr exchange);
void type(const Services& services, ExchangePtr exchange);
void activations(const Services& services, ExchangePtr exchange);
void activation(const Services& services, ExchangePtr exchange);
void deactivate(const Services& services, ExchangePtr exchange);
void query_index(const Services& services, ExchangePtr exchange);
void top(const Services& services, ExchangePtr exchange);
void waits(const Services& services, ExchangePtr exchange);
void slow_turns(const Services& services, ExchangePtr exchange);
void dead_letters(const Services& services, ExchangePtr exchange);
void call(const Services& services, ExchangePtr exchange);
void config(const Services& services, ExchangePtr exchange);
void log_levels(const Services& services, ExchangePtr exchange);
void set_log_levels(const Services& services, ExchangePtr exchange);
void storages(const Services& services, ExchangePtr exchange);
void migrations(const Services& services, ExchangePtr exchange);
void backups(const Services& services, ExchangePtr exchange);
void backup(const Services& services, ExchangePtr exchange);
void migrate(const Services& services, ExchangePtr exchange);
void storage_jobs(const Services& services, ExchangePtr exchange);
void storage_work(const Services& services, ExchangePtr exchange);
void storage_pace(const Services& services, ExchangePtr exchange);
void set_storage_pace(const Services& services, ExchangePtr exchange);
void metrics(const Services& services, ExchangePtr exchange);
void log_tail(const Services& services, ExchangePtr exchange);
void console(const Services& services, ExchangePtr exchange);
void message_forms(const Services& services, ExchangePtr exchange);
void revocations(const Services& services, ExchangePtr exchange);
void revoke(const Services& services, ExchangePtr exchange);
void take_back(const Services& services, ExchangePtr exchange);
void reload_access(const Services& services, ExchangePtr exchange);
void openapi(const Services& services, ExchangePtr exchange);

}  // namespace orbit::admin::handlers
