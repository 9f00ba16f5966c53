// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include "cart.orbit.hpp"

namespace cart {

class CartActor final : public CartBase<CartActor> {
 public:
  orbit::Result<Contents> add(const Item& item);
  orbit::Result<Contents> remove(const RemoveRequest& request);
  orbit::Result<Contents> check_out(const CheckOutRequest& request);
  Contents get(const GetRequest& request) const;
  orbit::Task<History> get_history(const HistoryRequest& request) const;

  static void apply(CartState& state, const ItemAdded& event);
  static void apply(CartState& state, const ItemRemoved& event);
  static void apply(CartState& state, const CheckedOut& event);

 private:
  orbit::Result<> still_open() const;
  int64_t total_cents() const;
  Contents contents(uint64_t events) const;
};

}  // namespace cart
