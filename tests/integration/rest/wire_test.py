# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""HTTP itself on the REST wire: conformance cases, hostile clients, streams."""

import base64
import gzip
import hashlib
import json
import os
import socket
import struct
import unittest

import rest_node
from rest_node import Wire, request

COUNTER = "/v1/actors/counter.Counter"
ADD = f"{COUNTER}/h1/Add"

# The cases of the public suite h1spec (github.com/uNetworking/h1spec), in our own words. Its server echoes what is posted to "/";
# here "/" with a body is a call whose answer tells what was read. None: the server waits for more.
INCOMPLETE = ["G", "GET ", "GET /hello", "GET /hello ", "GET /hello HTTP", "GET /hello HTTP/1.1", "GET /hello HTTP/1.1\r",
              "GET /hello HTTP/1.1\r\n", "GET /hello HTTP/1.1\r\nHos", "GET /hello HTTP/1.1\r\nHost:",
              "GET /hello HTTP/1.1\r\nHost: ", "GET /hello HTTP/1.1\r\nHost: localhost", "GET /hello HTTP/1.1\r\nHost: localhost\r",
              "GET /hello HTTP/1.1\r\nHost: localhost\r\n", "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r"]
CALL = f"POST {ADD} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
COMPLETE = [
    ("no version", "GET / \r\n\r\n", range(400, 600)),
    ("Expect without a body", "GET / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n", [100, *range(200, 300)]),
    ("a plain GET", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", range(200, 300)),
    ("odd but valid fields", "GET / HTTP/1.1\r\nhoSt:\tlocalhost\r\nempty:\r\n\r\n", range(200, 300)),
    ("a bad field name", "GET / HTTP/1.1\r\nHost: localhost\r\nX-Invalid[]: test\r\n\r\n", range(400, 500)),
    ("no Host", "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", range(400, 500)),
    ("two Hosts", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: 127.0.0.1\r\n\r\n", range(400, 500)),
    ("a very negative length", "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -123456789123456789123456789\r\n\r\n", range(400, 500)),
    ("a negative length", "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1234\r\n\r\n", range(400, 500)),
    ("a length that is no number", "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: abc\r\n\r\n", range(400, 500)),
    ("an empty field value", "GET / HTTP/1.1\r\nHost: localhost\r\nX-Empty-Header: \r\n\r\n", range(200, 300)),
    ("a control character", "GET / HTTP/1.1\r\nHost: localhost\r\nX-Bad-Control-Char: test\x07\r\n\r\n", range(400, 500)),
    ("another version", "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", range(400, 600)),
    ("something before the method", "Extra lineGET / HTTP/1.1\r\nHost: localhost\r\n\r\n", range(400, 600)),
    ("a bare CR", "GET / HTTP/1.1\r\nHost: localhost\r\n\rSome-Header: Test\r\n\r\n", range(400, 500)),
    ("a body", CALL + 'Content-Length: 8\r\n\r\n{"by":1}', range(200, 300)),
    ("a chunked body", CALL + 'Transfer-Encoding: chunked\r\n\r\n8\r\n{"by":1}\r\n0\r\n\r\n', range(200, 300)),
    ("both lengths", CALL + 'content-LengtH: 5\r\nTransFer-Encoding: chunked\r\n\r\n8\r\n{"by":1}\r\n0\r\n\r\n', range(400, 500)),
]


class Conformance(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = rest_node.start()

    @classmethod
    def tearDownClass(cls):
        cls.node.stop()
        cls.node.close()

    def test_the_cases_of_h1spec(self):
        passed = 0
        for text in INCOMPLETE:
            with self.subTest(incomplete=text), Wire(self.node) as wire:
                wire.send(text)
                # That it waits shows when the rest is sent, and is answered as if it had come at once.
                whole = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
                rest = whole[len(text):] if whole.startswith(text) else " localhost\r\n\r\n"
                other = request(self.node, "GET", "/v1/actors")
                self.assertEqual(other.status, 200)
                wire.socket.setblocking(False)
                with self.assertRaises(BlockingIOError):
                    wire.socket.recv(1)
                wire.socket.settimeout(rest_node.PATIENCE_S)
                wire.send(rest)
                self.assertEqual(wire.answer().status, 404)
                passed += 1
        for name, text, expected in COMPLETE:
            with self.subTest(name=name), Wire(self.node) as wire:
                wire.send(text)
                self.assertIn(wire.head()[0], expected)
                passed += 1
        self.assertEqual(passed, 33)

    def test_pipelined_requests_are_answered_in_order(self):
        with Wire(self.node) as wire:
            wire.send("".join(CALL.replace("/h1/", "/pipe/") + 'Content-Length: 8\r\n\r\n{"by":1}' for _ in range(100)))
            self.assertEqual([wire.answer().json["value"] for _ in range(100)], [str(n) for n in range(1, 101)])

    def test_a_body_waits_for_the_go_ahead_and_a_refusal_comes_instead_of_it(self):
        with Wire(self.node) as wire:
            wire.send(CALL + "Expect: 100-continue\r\nContent-Length: 8\r\n\r\n")
            self.assertEqual(wire.head()[0], 100)
            wire.send('{"by":1}')
            self.assertEqual(wire.answer().status, 200)
        with Wire(self.node) as wire:
            wire.send("POST /nowhere HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n")
            answer = wire.answer()
            self.assertEqual((answer.status, answer.headers["connection"]), (404, "close"))
            self.assertTrue(wire.closed())

    def test_large_answers_are_compressed_for_who_takes_it(self):
        plain = request(self.node, "GET", "/openapi.json")
        packed = request(self.node, "GET", "/openapi.json", headers={"Accept-Encoding": "gzip, br"})
        self.assertEqual(packed.headers["content-encoding"], "gzip")
        self.assertLess(len(packed.body), len(plain.body) / 4)
        self.assertEqual(gzip.decompress(packed.body), plain.body)


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = rest_node.start(header_timeout_ms=300, request_timeout_ms=700, body_bytes_max=100_000,
                                   cors_origins=["https://app.example"])

    @classmethod
    def tearDownClass(cls):
        cls.node.stop()
        cls.node.close()

    def detail(self, status, text, message):
        with Wire(self.node) as wire:
            wire.send(message)
            answer = wire.answer()
            self.assertEqual(answer.status, status, answer)
            self.assertIn(text, answer.json["detail"])
            self.assertTrue(wire.closed())

    def test_slow_clients_are_told_the_bound_and_let_go(self):
        with Wire(self.node) as head, Wire(self.node) as body:
            head.send("GET / HTTP/1.1\r\nHost: local")
            body.send(CALL + "Content-Length: 100\r\n\r\n{")
            answer = head.answer()
            self.assertEqual(answer.status, 408)
            self.assertIn("header_timeout_ms, 300", answer.json["detail"])
            answer = body.answer()
            self.assertEqual(answer.status, 408)
            self.assertIn("request_timeout_ms, 700", answer.json["detail"])
            self.assertTrue(head.closed() and body.closed())

    def test_floods_meet_bounds_that_are_named(self):
        self.detail(414, "request_line_bytes_max", "GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.detail(431, "headers_max, 100", "GET / HTTP/1.1\r\nHost: localhost\r\n" + "X: y\r\n" * 101 + "\r\n")
        self.detail(431, "header_bytes_max, 16384", "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + "y" * 20_000)
        self.detail(413, "body_bytes_max, 100000", CALL + "Content-Length: 100001\r\n\r\n")
        self.detail(413, "body_bytes_max, 100000", CALL + "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n")
        self.detail(431, "header_bytes_max", CALL + "Transfer-Encoding: chunked\r\n\r\n1;" + "x" * 20_000)

    def test_huge_nesting_and_invalid_utf8_are_errors_and_cost_no_memory(self):
        put = "/v1/actors/shelf.Shelf/hostile/Put"
        before = self.node.status("VmRSS")
        for _ in range(20):
            for body, text in [("[" * 90_000, "expected an object"), ('{"book":' * 11_000, "is an object"),
                               ('{"book":{"title":"' + "\\u00" * 20_000, "hexadecimal")]:
                answer = request(self.node, "POST", put, body)
                self.assertEqual((answer.status, answer.json["code"]), (400, "INVALID_ARGUMENT"))
        for body in [b'{"book":{"title":"\xff"}}', b'{"book":{"title":"\xed\xa0\x80"}}', b'{"book":{"title":"\\ud800"}}',
                     b'{"book":{"title":"\x01"}}', b'{"book":{"title":"a\x00"}}', b'\xef\xbb\xbf{}', b'{"\xff":1}']:
            with self.subTest(body=body):
                self.assertEqual(request(self.node, "POST", put, body).status, 400)
        self.assertLess(self.node.status("VmRSS") - before, 64 * 1024)

    def test_a_preflight_is_answered_for_allowed_origins(self):
        headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
        answer = request(self.node, "OPTIONS", ADD, headers=headers)
        self.assertEqual((answer.status, answer.headers["access-control-allow-origin"]), (204, "https://app.example"))
        self.assertIn("Idempotency-Key", answer.headers["access-control-allow-headers"])
        call = request(self.node, "POST", ADD, {"by": 1}, {"Origin": "https://app.example"})
        self.assertEqual((call.status, call.headers["access-control-expose-headers"]), (200, "ETag, Location"))


def frame(opcode, payload, mask=b"mask"):
    size = struct.pack("!B", 0x80 | len(payload)) if len(payload) < 126 else struct.pack("!BH", 0x80 | 126, len(payload))
    return bytes([0x80 | opcode]) + size + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


class Streams(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = rest_node.start(stream_heartbeat_ms=200)

    @classmethod
    def tearDownClass(cls):
        cls.node.stop()
        cls.node.close()

    def say(self, room, text):
        answer = request(self.node, "POST", f"/v1/actors/chat.Room/{room}/Say", {"author": "ann", "text": text})
        self.assertEqual(answer.status, 200, answer)

    def event(self, wire):
        """The next event of the stream, as its fields; heartbeats are left out."""
        while True:
            size = int(wire.until(b"\r\n"), 16)
            fields = dict(line.split(": ", 1) for line in wire.exactly(size).decode().split("\n") if ": " in line)
            wire.exactly(2)
            if fields:
                return fields

    def test_events_come_as_they_are_stored_and_go_on_behind_the_last_one_seen(self):
        for text in ("one", "two"):
            self.say("sse", text)
        target = "/v1/streams/chat.ChatMessage%2Fsse"
        with Wire(self.node) as wire:
            wire.send(f"GET {target}?from=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            status, headers = wire.head()
            self.assertEqual((status, headers["content-type"], headers["transfer-encoding"]), (200, "text/event-stream", "chunked"))
            seen = [self.event(wire) for _ in range(2)]
            self.assertEqual([json.loads(event["data"])["payload"]["text"] for event in seen], ["one", "two"])
            self.assertEqual([event["id"] for event in seen], ["1", "2"])
            self.say("sse", "three")
            third = json.loads(self.event(wire)["data"])
            self.assertEqual((third["payload"]["text"], third["publisher"]), ("three", {"type": "chat.Room", "key": "sse"}))
        with Wire(self.node) as wire:
            wire.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 2\r\n\r\n")
            self.assertEqual(wire.head()[0], 200)
            self.assertEqual(self.event(wire)["id"], "3")

    def test_an_open_stream_says_that_it_lives(self):
        with Wire(self.node) as wire:
            wire.send("GET /v1/streams/chat.ChatMessage%2Fquiet HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wire.head()
            for _ in range(8):  # longer than one lease of the observer
                self.assertEqual(wire.until(b"\r\n"), b"3")
                self.assertEqual(wire.exactly(5), b":\n\n\r\n")

    def test_a_wrong_position_is_refused(self):
        for query, headers in [("?from=x", {}), ("?to=1", {}), ("", {"Last-Event-ID": "x"})]:
            answer = request(self.node, "GET", f"/v1/streams/s{query}", headers=headers)
            self.assertEqual(answer.status, 400, answer)

    def test_a_websocket_gets_the_events_too(self):
        self.say("ws", "first")
        key = base64.b64encode(os.urandom(16)).decode()
        with Wire(self.node) as wire:
            wire.send("GET /v1/streams/chat.ChatMessage%2Fws?from=1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                      f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n")
            status, headers = wire.head()
            wanted = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
            self.assertEqual((status, headers["sec-websocket-accept"]), (101, wanted))

            def message():
                while True:
                    first, size = wire.exactly(2)
                    size = struct.unpack("!H", wire.exactly(2))[0] if size == 126 else size
                    payload = wire.exactly(size)
                    if first != 0x89:
                        return first, payload
            self.assertEqual(json.loads(message()[1])["payload"]["text"], "first")
            self.say("ws", "second")
            self.assertEqual(json.loads(message()[1])["payload"]["text"], "second")
            wire.send(frame(8, struct.pack("!H", 1000)))
            self.assertEqual(message(), (0x88, struct.pack("!H", 1000)))
            self.assertTrue(wire.closed())

    def test_a_page_of_another_site_cannot_open_a_websocket(self):
        with Wire(self.node) as wire:
            wire.send("GET /v1/streams/s HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nConnection: Upgrade\r\n"
                      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            self.assertEqual(wire.answer().status, 403)


if __name__ == "__main__":
    unittest.main()
