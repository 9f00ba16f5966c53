// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "cart.hpp"

#include <algorithm>

namespace cart {

namespace {

constexpr int kItemsMax = 500;
constexpr uint32_t kQuantityMax = 1'000'000;
constexpr int64_t kCentsMax = 1'000'000'000;
constexpr uint32_t kHistoryMax = 1000;

auto item_with(const CartState& state, const std::string& sku) {
  return std::find_if(state.items().begin(), state.items().end(), [&](const Item& item) { return item.sku() == sku; });
}

}  // namespace

// Methods check and record; only apply changes the state. It runs again whenever the cart comes into memory, so it must
// not refuse anything: what was recorded has happened.
orbit::Result<Contents> CartActor::add(const Item& item) {
  if (auto open = still_open(); !open) return tl::unexpected(open.error());
  if (item.sku().empty() || item.quantity() == 0)
    return orbit::fail(orbit::Code::invalid_argument, "an item needs a sku and a quantity");
  if (item.cents() < 0 || item.cents() > kCentsMax)
    return orbit::fail(orbit::Code::invalid_argument, "cents must be 0 to " + std::to_string(kCentsMax));
  const auto known = item_with(state(), item.sku());
  const uint64_t quantity = uint64_t{item.quantity()} + (known != state().items().end() ? known->quantity() : 0);
  if (quantity > kQuantityMax)
    return orbit::fail(orbit::Code::resource_exhausted,
                       "a cart holds at most " + std::to_string(kQuantityMax) + " pieces of one item");
  if (known == state().items().end() && state().items_size() >= kItemsMax)
    return orbit::fail(orbit::Code::resource_exhausted,
                       "a cart holds at most " + std::to_string(kItemsMax) + " different items");
  ItemAdded event;
  *event.mutable_item() = item;
  record(std::move(event));
  return contents(event_count() + 1);
}

orbit::Result<Contents> CartActor::remove(const RemoveRequest& request) {
  if (auto open = still_open(); !open) return tl::unexpected(open.error());
  if (item_with(state(), request.sku()) == state().items().end())
    return orbit::fail(orbit::Code::not_found, "the cart has no item " + request.sku());
  ItemRemoved event;
  event.set_sku(request.sku());
  record(std::move(event));
  return contents(event_count() + 1);
}

orbit::Result<Contents> CartActor::check_out(const CheckOutRequest&) {
  if (auto open = still_open(); !open) return tl::unexpected(open.error());
  if (state().items().empty()) return orbit::fail(orbit::Code::failed_precondition, "the cart is empty");
  CheckedOut event;
  event.set_total_cents(total_cents());
  record(std::move(event));
  return contents(event_count() + 1);
}

Contents CartActor::get(const GetRequest&) const { return contents(event_count()); }

orbit::Task<History> CartActor::get_history(const HistoryRequest& request) const {
  const uint32_t limit = request.limit() == 0 ? 100 : std::min(request.limit(), kHistoryMax);
  orbit::JournalPage<CartEvent> page = co_await read_journal(request.from(), limit);
  History history;
  for (auto& entry : page.events) {
    History::Entry& out = *history.add_entries();
    out.set_number(entry.number);
    out.set_recorded_at_ms(entry.recorded_at_ms);
    *out.mutable_event() = std::move(entry.event);
  }
  history.set_next(page.next);
  co_return history;
}

void CartActor::apply(CartState& state, const ItemAdded& event) {
  const auto known = item_with(state, event.item().sku());
  if (known == state.items().end()) {
    *state.add_items() = event.item();
    return;
  }
  Item& item = *state.mutable_items(static_cast<int>(known - state.items().begin()));
  item.set_quantity(item.quantity() + event.item().quantity());
  item.set_cents(event.item().cents());
}

void CartActor::apply(CartState& state, const ItemRemoved& event) {
  const auto known = item_with(state, event.sku());
  if (known != state.items().end()) state.mutable_items()->erase(known);
}

void CartActor::apply(CartState& state, const CheckedOut&) { state.set_checked_out(true); }

orbit::Result<> CartActor::still_open() const {
  if (state().checked_out()) return orbit::fail(orbit::Code::failed_precondition, "the cart was checked out");
  return {};
}

int64_t CartActor::total_cents() const {
  int64_t total = 0;
  for (const Item& item : state().items()) total += static_cast<int64_t>(item.quantity()) * item.cents();
  return total;
}

Contents CartActor::contents(uint64_t events) const {
  Contents contents;
  *contents.mutable_items() = state().items();
  contents.set_total_cents(total_cents());
  contents.set_checked_out(state().checked_out());
  contents.set_events(events);
  return contents;
}

}  // namespace cart
