#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""A node with its state in S3 is killed, and has everything that it acknowledged; a second node takes over from it."""

import os
import random
import signal
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "tests/support"))

from orbit_node import Node  # noqa: E402
from s3_server import Server, environment  # noqa: E402

BUILD = os.environ["ORBIT_BUILD"]
CLIENTS = 16
SEED = int(os.environ.get("ORBIT_TEST_SEED", random.SystemRandom().randrange(1 << 32)))


class Client:
    """Sets one key after another, and remembers which sets were acknowledged."""

    def __init__(self, node, name):
        self.name, self.count = name, 0
        self.socket = node.connect()
        self.file = self.socket.makefile("rb")

    def send(self):
        self.socket.sendall(command("SET", f"{self.name}:{self.count}", f"value {self.count}"))

    def acknowledged(self):
        line = self.file.readline()
        if line != b"+OK\r\n":
            return False
        self.count += 1
        return True

    def close(self):
        self.file.close()
        self.socket.close()


def command(*words):
    out = f"*{len(words)}\r\n"
    for word in words:
        out += f"${len(word)}\r\n{word}\r\n"
    return out.encode()


def ask(node, *words):
    with node.connect() as client, client.makefile("rb") as answers:
        client.sendall(command(*words))
        line = answers.readline()
        if not line.startswith(b"$") or line == b"$-1\r\n":
            return line
        return answers.read(int(line[1:]) + 2)[:-2]


class NodeOnS3(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def start(self):
        # Small, so that kills also hit flushes and merges.
        store = {"bucket": "bucket", "prefix": "node", "endpoint": self.server.endpoint, "path_style": True,
                 "credentials": "environment", "write_buffer_bytes": 65536, "table_bytes": 32768, "level1_bytes": 65536,
                 "log_objects_max": 50, "cache_bytes": 65536}
        return Node(BUILD, storage="s3", store=store, resp={"durability": "sync", "key_idle_timeout_ms": 1},
                    environment=environment(self.server))

    def puts_of_logs(self):
        return self.server.state.counts.get("PUT", 0)

    def test_what_was_acknowledged_is_there_after_a_kill(self):
        print("ORBIT_TEST_SEED =", SEED)
        chance = random.Random(SEED)
        kept = {}
        for _ in range(3):
            node = self.start()
            try:
                before = self.puts_of_logs()
                for name, count in kept.items():
                    for i in {0, count // 2, count - 1}:
                        self.assertEqual(ask(node, "GET", f"{name}:{i}"), f"value {i}".encode())
                clients = [Client(node, f"{len(kept)}-{i}") for i in range(CLIENTS)]
                for _ in range(20 + chance.randrange(20)):
                    for client in clients:
                        client.send()
                    for client in clients:
                        self.assertTrue(client.acknowledged())
                sets = sum(client.count for client in clients)
                self.assertLess(self.puts_of_logs() - before, sets, "a turn is not an object")
                for client in clients:
                    client.send()
                for client in clients[:chance.randrange(CLIENTS)]:
                    self.assertTrue(client.acknowledged())
                node.signal(signal.SIGKILL)
                node.wait()
                for client in clients:
                    kept[client.name] = client.count
                    client.close()
            finally:
                node.close()
        with self.start() as node:
            for name, count in kept.items():
                for i in range(count):
                    self.assertEqual(ask(node, "GET", f"{name}:{i}"), f"value {i}".encode())

    def test_a_second_node_takes_over_and_the_first_says_who_did(self):
        first = self.start()
        try:
            self.assertEqual(ask(first, "SET", "key", "of the first"), b"+OK\r\n")
            with self.start() as second:
                self.assertEqual(ask(second, "GET", "key"), b"of the first")
                self.assertEqual(ask(second, "SET", "key", "of the second"), b"+OK\r\n")
                refused = ask(first, "SET", "key", "too late")
                self.assertTrue(refused.startswith(b"-"), refused)
                self.assertIn(b"fenced by another writer: process %d on" % second.process.pid, refused)
                self.assertEqual(ask(second, "GET", "key"), b"of the second")
        finally:
            first.close()


if __name__ == "__main__":
    unittest.main()
