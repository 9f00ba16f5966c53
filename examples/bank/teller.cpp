// SPDX-License-Identifier: MIT OR BSD-3-Clause
#include <orbit/actor_module.hpp>

#include "bank.hpp"

namespace bank {

// Three turns on three actors, each atomic by itself: a crash between them can leave money withdrawn and not deposited.
// Making the three one is what transactions are for.
orbit::Task<orbit::Result<TransferReply>> TellerActor::transfer(const TransferRequest& request) {
  if (request.from() == request.to()) {
    co_return orbit::fail(orbit::Code::invalid_argument, "a transfer needs two different accounts");
  }
  const Account from(request.from());
  const Account to(request.to());
  Amount amount;
  amount.set_cents(request.cents());

  orbit::Result<Balance> withdrawn = co_await from.withdraw(amount).as_result();
  if (!withdrawn) co_return tl::unexpected(withdrawn.error());
  orbit::Result<Balance> deposited = co_await to.deposit(amount).as_result();
  if (!deposited) {
    co_await from.deposit(amount);
    co_return orbit::fail(deposited.error().code, "refunded; account " + std::to_string(request.to()) +
                                                      " refused: " + deposited.error().message);
  }
  mutable_state().set_transfers(state().transfers() + 1);
  TransferReply reply;
  *reply.mutable_from() = std::move(*withdrawn);
  *reply.mutable_to() = std::move(*deposited);
  co_return reply;
}

Report TellerActor::get_report(const ReportRequest&) const {
  Report report;
  report.set_transfers(state().transfers());
  return report;
}

}  // namespace bank

ORBIT_ACTOR_MODULE("bank", "1.0.0", bank::AccountActor, bank::TellerActor)
