// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/actor_module.hpp>

#include "shop/cart.orbit.hpp"

namespace shop {

class CartActor final : public CartBase<CartActor> {
 public:
  orbit::Result<Contents> put(const Item& item) {
    if (item.count() == 0) return orbit::fail(orbit::Code::invalid_argument, "nothing to put into the cart");
    *mutable_state().add_items() = item;
    return contents();
  }
  Contents show(const Empty&) const { return contents(); }
  orbit::Task<Contents> take_over(const Owner& owner) {
    const Cart other(owner.key());
    Contents theirs = co_await other.clear(Empty());
    mutable_state().mutable_items()->MergeFrom(theirs.items());
    co_return contents();
  }
  // Answers what was in it.
  Contents clear(const Empty&) {
    Contents before = contents();
    erase_state();
    return before;
  }

 private:
  Contents contents() const {
    Contents out;
    *out.mutable_items() = state().items();
    return out;
  }
};

}  // namespace shop

ORBIT_ACTOR_MODULE("shop", "0.3.1", shop::CartActor)
