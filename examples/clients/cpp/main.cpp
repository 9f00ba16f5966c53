// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A client of the bank in C++: bank_cli [ADDRESS]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <string>

#include <orbit/client/client.hpp>

#include "bank.client.hpp"

using namespace std::chrono_literals;
using orbit::client::Answer;

namespace {

// An answer, or the end of the program with what went wrong.
template <class T>
T good(Answer<T> answer) {
  if (answer) return std::move(*answer);
  std::fprintf(stderr, "%s: %s\n", std::string(orbit::code_name(answer.error().code)).c_str(),
               answer.error().message.c_str());
  std::exit(1);
}

bank::Amount amount(int64_t cents) {
  bank::Amount out;
  out.set_cents(cents);
  return out;
}

long long cents(const bank::Balance& balance) { return balance.cents(); }

}  // namespace

int main(int argc, char* argv[]) {
  orbit::client::Client client({.endpoints = {argc > 1 ? argv[1] : "127.0.0.1:7090"}});

  // Blocking, with a deadline of its own.
  auto account = client.actor<bank::Account>(7001);
  std::printf("7001 has %lld cents\n", cents(good(account.Deposit(amount(500), {.deadline = 2s}))));

  // An error is a value.
  const Answer<bank::Balance> refused = account.Withdraw(amount(1'000'000));
  if (refused) return 1;
  std::printf("an overdraft is refused with %s\n", refused.error().reason.c_str());

  // With a callback, which runs on a thread of the client and must not block.
  bank::TransferRequest transfer;
  transfer.set_from(7001);
  transfer.set_to(7002);
  transfer.set_cents(200);
  std::promise<Answer<bank::TransferReply>> moved;
  client.actor<bank::Teller>("anna").TransferAsync(transfer).then(
      [&moved](Answer<bank::TransferReply> answer) { moved.set_value(std::move(answer)); });
  const bank::TransferReply reply = good(moved.get_future().get());
  std::printf("anna moved 200 cents: %lld and %lld\n", cents(reply.from()), cents(reply.to()));

  // By names alone, for types that are known only when the program runs.
  bank::Balance balance;
  balance.ParseFromString(good(client.invoke("bank.Account", "7001", "GetBalance", "")));
  std::printf("by names alone: %lld cents\n", cents(balance));
  return 0;
}
