#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Bad HTTP clients against a real node, on each of the wires that are HTTP: REST, MCP and the admin API. Each gets a clear error or is
let go, memory stays bounded, and the others do not notice. ORBIT_BUILD names the build tree."""

import json
import os
import socket
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from orbit_node import PATIENCE_S, Node, plugin, toml_section  # noqa: E402

BUILD = Path(os.environ.get("ORBIT_BUILD", "build/release")).resolve()
SANITIZED = bool(os.environ.get("ORBIT_SANITIZE"))
GROWTH_KB = (600 if SANITIZED else 64) * 1024  # what all the bad clients of one test may cost

# A request that is good, and how it takes a body: (path, headers, the body's beginning and end around a value of a field of a number).
MCP_HEADERS = "Accept: application/json, text/event-stream\r\n"
WIRES = {
    "rest": ("/v1/actors/counter.Counter/k/Add", "", '{"by":', "}"),
    "admin": ("/v1/actors/counter.Counter/k/Add", "", '{"by":', "}"),
    "mcp": ("/mcp", MCP_HEADERS, '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'
            '"clientInfo":{"name":"x","version":"1","by":', "}}}"),
}


class Client:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def answer(self):
        """Status and body."""
        line = self.file.readline()
        if not line:
            raise ConnectionError("closed without an answer")
        headers = {}
        while (field := self.file.readline().strip()):
            name, value = field.decode().split(":", 1)
            headers[name.lower()] = value.strip()
        return int(line.split()[1]), self.file.read(int(headers.get("content-length", 0))).decode()


class HostileHttp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        slow = {"listen": "127.0.0.1:0", "request_timeout_ms": 1000}
        module = toml_section("[[module]]", {"path": str(BUILD / "lib/orbit/modules/counter.so")})
        cls.node = Node(BUILD, admin=slow, extra=plugin("rest", "orbit.protocol.rest", **slow, header_timeout_ms=1000) +
                        plugin("mcp", "orbit.protocol.mcp", **slow) + module)
        cls.addClassCleanup(cls.node.close)
        cls.addClassCleanup(cls.node.stop)

    def setUp(self):
        self.before_kb = self.node.status("VmRSS")

    def tearDown(self):
        self.assertLess(self.node.status("VmRSS") - self.before_kb, GROWTH_KB)
        for wire in WIRES:
            self.assertEqual(self.post(wire, "5")[0], 200, wire)

    def open(self, wire):
        return Client(self.node.listeners[wire])

    def request(self, wire, body, more="", size=None):
        path, headers, _, _ = WIRES[wire]
        data = body if isinstance(body, bytes) else body.encode()
        return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}{more}"
                f"Content-Length: {len(data) if size is None else size}\r\n\r\n").encode() + data

    def post(self, wire, value):
        """With that as the value of a number."""
        _, _, begin, end = WIRES[wire]
        data = value if isinstance(value, bytes) else value.encode()
        with self.open(wire) as client:
            client.send(self.request(wire, begin.encode() + data + end.encode()))
            return client.answer()

    def test_slow_heads_and_slow_bodies_are_told_the_bound_and_let_go(self):
        for wire in WIRES:
            with self.subTest(wire):
                head = self.request(wire, "{}")
                clients = [self.open(wire) for _ in range(50)]
                # Bytes that trickle in do not buy time.
                for number, client in enumerate(clients):
                    client.send(head[:20 + number] if number % 2 else self.request(wire, "{", size=2))
                for client in clients:
                    with client:
                        status, body = client.answer()
                        self.assertEqual(status, 408, body)
                        self.assertIn("_timeout_ms", body)
                        self.assertEqual(client.file.read(), b"")

    def test_floods_of_headers_meet_a_bound_that_is_named(self):
        for wire in WIRES:
            with self.subTest(wire):
                for flood, bound in (("".join(f"X-{number}: y\r\n" for number in range(200)), "100"),
                                     (f"X-Long: {'y' * 100_000}\r\n", "header_bytes_max")):
                    with self.open(wire) as client:
                        client.send(self.request(wire, "{}", flood))
                        status, body = client.answer()
                        self.assertEqual(status, 431, body)
                        self.assertIn(bound, body)
                with self.open(wire) as client:
                    client.send(f"GET /{'x' * 100_000} HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    self.assertIn(client.answer()[0], (414, 431))

    def test_a_body_that_is_announced_too_large_is_refused_unread(self):
        for wire in WIRES:
            with self.subTest(wire):
                with self.open(wire) as client:
                    client.send(self.request(wire, "", size=10**12))
                    status, body = client.answer()
                    self.assertEqual(status, 413, body)
                    self.assertIn("body_bytes_max", body)

    def test_huge_nesting_is_an_error(self):
        for wire in WIRES:
            with self.subTest(wire):
                for deep in ("[" * 200_000, '{"a":' * 150_000, "[" * 10_000 + "]" * 10_000):
                    status, body = self.post(wire, deep)
                    self.assertEqual(status, 400, body)
                    self.assertIn("error" if wire == "mcp" else "INVALID_ARGUMENT", body)

    def test_text_that_is_no_utf8_is_an_error(self):
        for wire in WIRES:
            with self.subTest(wire):
                for text in (b'"\xff\xfe"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"'):
                    status, body = self.post(wire, text)
                    self.assertEqual(status, 400, body)
                    json.loads(body)

    def test_values_of_wrong_types_are_errors_that_name_the_field(self):
        for wire in ("rest", "admin"):
            with self.subTest(wire):
                for value in ('"many"', "[]", "{}", "true", "1.5", "1e40", "99999999999999999999"):
                    status, body = self.post(wire, value)
                    self.assertEqual(status, 400, body)
                    self.assertEqual(json.loads(body)["code"], "INVALID_ARGUMENT")
                    self.assertRegex(body, "by|counter.Amount|int64|integer", body)
        for message in ('[]', '"x"', '17', '{"jsonrpc":2,"id":1,"method":"ping"}', '{"jsonrpc":"2.0","id":{},"method":"ping"}',
                        '{"jsonrpc":"2.0","id":1,"method":7}', '{"jsonrpc":"2.0","id":1,"method":"initialize","params":[]}',
                        '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":5}}'):
            with self.open("mcp") as client:
                client.send(self.request("mcp", message))
                status, body = client.answer()
                self.assertIn(status, (200, 400), f"{message}: {body}")  # 200: the message was one, and its error is JSON-RPC's
                self.assertIn(json.loads(body)["error"]["code"], (-32700, -32600, -32602), message)

    def test_what_is_no_http_is_refused_and_the_connection_ends(self):
        for wire in WIRES:
            with self.subTest(wire):
                for noise in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100 + b"\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                              b"GET / HTTP/1.1\nHost: localhost\n\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                              self.request(wire, "{}", "Transfer-Encoding: chunked\r\n")):
                    with self.open(wire) as client:
                        client.send(noise)
                        status, _ = client.answer()
                        self.assertIn(status, (400, 408, 505), noise)  # 408: without CRLF a head does not end
                        self.assertEqual(client.file.read(), b"")


if __name__ == "__main__":
    unittest.main()
