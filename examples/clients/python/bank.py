# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""A client of the bank in Python: bank.py [ADDRESS]. README.md says how its stubs are made."""

import sys

import grpc

import bank_pb2
import bank_pb2_grpc
from orbit.v1 import actor_service_pb2, actor_service_pb2_grpc

TIMEOUT_S = 10  # without one a call waits for ever


def key(value):
    """The metadata that names the actor."""
    return (("orbit-key", str(value)),)


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7090"
    with grpc.insecure_channel(address) as channel:
        account = bank_pb2_grpc.AccountStub(channel)
        teller = bank_pb2_grpc.TellerStub(channel)
        actors = actor_service_pb2_grpc.ActorServiceStub(channel)

        balance = account.Deposit(bank_pb2.Amount(cents=500), metadata=key(7001), timeout=TIMEOUT_S)
        print(f"7001 has {balance.cents} cents")

        try:
            account.Withdraw(bank_pb2.Amount(cents=1_000_000), metadata=key(7001), timeout=TIMEOUT_S)
            sys.exit("the overdraft was not refused")
        except grpc.RpcError as error:
            print(f"an overdraft is refused with {error.code().name}")

        transfer = bank_pb2.TransferRequest(to=7002, cents=200, **{"from": 7001})
        moved = teller.Transfer(transfer, metadata=key("anna"), timeout=TIMEOUT_S)
        print(f"anna moved 200 cents: {getattr(moved, 'from').cents} and {moved.to.cents}")

        # By names alone: the generic service takes and gives the messages as bytes.
        reply = actors.Invoke(
            actor_service_pb2.InvokeRequest(type="bank.Account", key=b"7001", method="GetBalance"), timeout=TIMEOUT_S)
        print(f"by names alone: {bank_pb2.Balance.FromString(reply.payload).cents} cents")


if __name__ == "__main__":
    main()
