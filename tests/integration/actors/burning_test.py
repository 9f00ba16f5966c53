#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Actors that burn their turns without end on the only worker of a real node: others are served, and the node stops. ORBIT_BUILD
names the build tree, CALLS_MODULE the module."""

import json
import os
import signal
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from orbit_node import Node  # noqa: E402

BUILD = os.environ.get("ORBIT_BUILD", "build/release")
MODULE = os.environ.get("CALLS_MODULE", "")
# Two thousand of them, as many as run without a look at the clock would allow, take longer than anything here waits.
BURNS = json.dumps({"value": 50})


class Client:
    def __init__(self, node):
        self.socket = node.connect()
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def __call__(self, *args):
        self.socket.sendall(b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a.encode()) for a in args))
        line = self.file.readline()
        if line[:1] == b"$":
            return self.file.read(int(line[1:]) + 2)[:-2].decode()
        return line[:-2].decode()


class Burning(unittest.TestCase):
    def check_beside(self, method):
        module = f'[[module]]\npath = {json.dumps(MODULE)}\n'
        node = Node(BUILD, workers=1, limits={"stop_timeout_ms": 1000}, extra=module)
        try:
            client = Client(node)
            client("ACTOR.CALL", "calls.Burner", "b", method, BURNS)
            for i in range(5):
                self.assertEqual(client("PING"), "+PONG")
                self.assertEqual(client("INCR", "number"), f":{i + 1}")
                self.assertEqual(json.loads(client("ACTOR.CALL", "calls.Meter", "m", "Add", '{"value": 1}'))["value"], str(i + 1))
            client.close()
            node.signal(signal.SIGTERM)
            node.wait()  # not with 0: something did not come to rest
            self.assertIn("not everything came to rest", node.log())
        finally:
            node.close()

    def test_an_actor_that_burns_and_calls_itself(self):
        self.check_beside("Again")

    def test_a_turn_that_awaits_burning_turns(self):
        self.check_beside("Lead")


if __name__ == "__main__":
    unittest.main(verbosity=2)
