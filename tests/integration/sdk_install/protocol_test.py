#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""A protocol plugin that was built outside the tree from its template, in a real node. ORBIT_BUILD names the build tree,
PROTOCOL_WORK the folder with the project/ and its build/, COUNTER and BANK the example modules."""

import http.client
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from orbit_node import PATIENCE_S, Node, plugin, toml_section  # noqa: E402

BUILD = os.environ["ORBIT_BUILD"]
WORK = Path(os.environ["PROTOCOL_WORK"])
LIBRARY = WORK / "build/first_try.so"
NAME = "first_try"
LINE_BYTES_MAX = 1024


class Client:
    def __init__(self, node, receive_buffer_bytes=None):
        self.socket = socket.socket()
        if receive_buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(PATIENCE_S)
        host, port = node.listeners[NAME].rsplit(":", 1)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def send(self, *lines):
        self.socket.sendall("".join(line + "\n" for line in lines).encode())

    def read(self):
        return self.file.readline().decode()

    def ask(self, line):
        self.send(line)
        return self.read()

    def close(self):
        self.file.close()
        self.socket.close()

    def reset(self):
        """Goes away at once and tells so with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


class Protocol(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        entry = plugin(NAME, f"protocol.{NAME}", listen="127.0.0.1:0", line_bytes_max=LINE_BYTES_MAX,
                       output_bytes_max=1048576)
        entry = entry.replace("[plugin.config]", f'path = "{LIBRARY}"\n[plugin.config]')
        modules = "".join(toml_section("[[module]]", {"path": os.environ[name]}) for name in ("COUNTER", "BANK"))
        cls.node = Node(BUILD, workers=2, admin={}, extra=entry + modules)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.node.stop()
        finally:
            cls.node.close()

    def setUp(self):
        self.client = Client(self.node)
        self.addCleanup(self.client.close)

    def test_answers_ping_however_its_bytes_are_cut(self):
        for byte in b"PING\r\nPING\n":
            self.client.socket.sendall(bytes([byte]))
        self.assertEqual([self.client.read(), self.client.read()], ["PONG\n"] * 2)

    def test_a_call_reaches_an_actor(self):
        self.assertEqual(self.client.ask('CALL counter.Counter reach Add {"by": 5}'), 'OK {"value":"5"}\n')
        self.assertEqual(self.client.ask("CALL counter.Counter reach Get"), 'OK {"value":"5"}\n')

    def test_answers_come_in_the_order_of_requests_also_when_they_take_a_commit(self):
        expected = []
        for number in range(1, 101):
            self.client.send('CALL bank.Account 41 Deposit {"cents": 1}', "PING")
            expected += [f'OK {{"cents":"{number}","bookings":"{number}"}}\n', "PONG\n"]
        self.assertEqual([self.client.read() for _ in expected], expected)

    def test_errors_are_text_and_the_connection_goes_on(self):
        self.assertRegex(self.client.ask("CALL no.Type k Get {}"), "^ERR NOT_FOUND .*no.Type")
        self.assertRegex(self.client.ask("CALL counter.Counter k Nothing {}"), "^ERR NOT_FOUND .*Nothing")
        self.assertRegex(self.client.ask("CALL counter.Counter k Add {"), "^ERR INVALID_ARGUMENT ")
        self.assertRegex(self.client.ask("CALL bank.Account 42 Withdraw {\"cents\": 1}"), "^ERR [A-Z_]+ ")
        self.assertRegex(self.client.ask("CALL counter.Counter"), "^ERR INVALID_ARGUMENT expected: CALL type key")
        self.assertRegex(self.client.ask("HELP"), "^ERR UNIMPLEMENTED .*'HELP'")
        self.assertEqual(self.client.ask("PING"), "PONG\n")

    def test_a_line_that_is_too_long_is_told_the_bound_and_ends_the_connection(self):
        self.client.socket.sendall(b"PING\n" + b"x" * (LINE_BYTES_MAX + 2))
        self.assertEqual(self.client.read(), "PONG\n")
        self.assertEqual(self.client.read(),
                         f"ERR RESOURCE_EXHAUSTED a line has more than line_bytes_max = {LINE_BYTES_MAX} bytes\n")
        self.assertEqual(self.client.read(), "")

    def test_a_client_that_does_not_read_is_not_read_from_and_gets_every_answer_later(self):
        client = Client(self.node, receive_buffer_bytes=4096)
        self.addCleanup(client.close)
        client.socket.settimeout(0.5)
        # Were it consumed, output_bytes_max would close the connection long before.
        chunk, sent, most = b"PING\n" * 13107, 0, 64 * 1024 * 1024
        try:
            while sent < most:
                sent += client.socket.send(chunk[sent % 5:])
        except TimeoutError:
            pass
        self.assertLess(sent, most, "the node took everything from a client that reads nothing")
        client.socket.settimeout(PATIENCE_S)
        rest = -sent % 5
        answers = (sent + rest) // 5
        end = threading.Thread(target=client.socket.sendall, args=(b"PING\n"[5 - rest:],))
        end.start()
        got = client.file.read(5 * answers)
        end.join()
        self.assertEqual(len(got), 5 * answers)
        self.assertEqual(got.count(b"PONG\n"), answers)
        self.assertEqual(client.ask("PING"), "PONG\n")

    def test_connections_that_close_while_a_call_is_under_way_harm_nobody(self):
        for number in range(300):
            client = Client(self.node)
            client.send(*['CALL bank.Account 43 Deposit {"cents": 1}', "PING"] * 3)
            client.reset() if number % 2 else client.close()
        self.assertRegex(self.client.ask("CALL bank.Account 43 GetBalance"), r'^OK \{"cents":"\d+"')
        self.assertIsNone(self.node.process.poll())

    def test_answers_are_counted(self):
        def counted():
            with socket.create_connection(("127.0.0.1", self.node.admin_port), timeout=PATIENCE_S) as admin:
                admin.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                with admin.makefile("rb") as answer:
                    text = answer.read().decode()
            return int(re.search(rf"^orbit_{NAME}_answers_total(?:\{{[^}}]*\}})? (\d+)\s*$", text, re.M).group(1))

        before = counted()
        for _ in range(10):
            self.assertEqual(self.client.ask("PING"), "PONG\n")
        self.assertEqual(counted() - before, 10)

    def test_one_more_is_loaded_into_the_running_node_and_unloaded_again(self):
        def admin(method, path, body=None):
            client = http.client.HTTPConnection("127.0.0.1", self.node.admin_port, timeout=PATIENCE_S)
            self.addCleanup(client.close)
            client.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
            answer = client.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None

        entry = {"name": "later", "id": f"protocol.{NAME}", "path": str(LIBRARY), "config": {"listen": "127.0.0.1:0"}}
        status, answer = admin("POST", "/v1/plugins", entry)
        self.assertEqual((status, answer["plugin"]["state"]), (200, "running"), answer)
        address = next(one["address"] for one in admin("GET", "/v1/node")[1]["listeners"] if one["plugin"] == "later")
        host, port = address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as later, later.makefile("rb") as answers:
            later.sendall(b"CALL counter.Counter later Add {\"by\": 5}\n")
            self.assertEqual(answers.readline(), b'OK {"value":"5"}\n')
        self.assertEqual(admin("DELETE", "/v1/plugins/later")[0], 204)
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        self.assertEqual(self.client.ask("PING"), "PONG\n")

    def test_the_example_configuration_is_valid_and_its_settings_are_explained(self):
        file = str(WORK / "project/example.toml")
        for arguments in (["--check-config", file], ["--config", file, "--describe", f"protocol.{NAME}"]):
            done = subprocess.run([str(Path(BUILD) / "bin/orbitd"), *arguments], cwd=WORK, capture_output=True, text=True,
                                  timeout=PATIENCE_S, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("line_bytes_max", done.stdout)


if __name__ == "__main__":
    unittest.main()
