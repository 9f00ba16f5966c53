// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include "bank.hpp"

namespace bank {

orbit::Result<Balance> AccountActor::deposit(const Amount& amount) {
  if (amount.cents() <= 0) return orbit::fail(orbit::Code::invalid_argument, "a deposit is more than 0 cents");
  return book(amount.cents());
}

orbit::Result<Balance> AccountActor::withdraw(const Amount& amount) {
  if (amount.cents() <= 0) return orbit::fail(orbit::Code::invalid_argument, "a withdrawal is more than 0 cents");
  if (amount.cents() > state().cents()) {
    return orbit::fail(orbit::Code::failed_precondition, "account " + std::to_string(key()) + " has " +
                                                             std::to_string(state().cents()) + " cents, " +
                                                             std::to_string(amount.cents()) + " were asked for");
  }
  return book(-amount.cents());
}

Balance AccountActor::get_balance(const BalanceRequest&) const {
  Balance balance;
  balance.set_cents(state().cents());
  balance.set_bookings(state().bookings());
  return balance;
}

orbit::Result<Balance> AccountActor::book(int64_t cents) {
  int64_t sum = 0;
  if (__builtin_add_overflow(state().cents(), cents, &sum)) {
    return orbit::fail(orbit::Code::out_of_range, "the balance would leave the range of int64");
  }
  AccountState& account = mutable_state();
  account.set_cents(sum);
  account.set_bookings(account.bookings() + 1);
  return get_balance({});
}

}  // namespace bank
