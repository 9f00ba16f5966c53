// SPDX-License-Identifier: MIT OR BSD-3-Clause
#pragma once

#include "bank.orbit.hpp"

namespace bank {

class AccountActor final : public AccountBase<AccountActor> {
 public:
  orbit::Result<Balance> deposit(const Amount& amount);
  orbit::Result<Balance> withdraw(const Amount& amount);
  Balance get_balance(const BalanceRequest& request) const;

 private:
  orbit::Result<Balance> book(int64_t cents);
};

class TellerActor final : public TellerBase<TellerActor> {
 public:
  orbit::Task<orbit::Result<TransferReply>> transfer(const TransferRequest& request);
  Report get_report(const ReportRequest& request) const;
};

}  // namespace bank
