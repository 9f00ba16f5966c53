# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""A node with the REST wire and the modules of its tests, and a client that shows what was on the wire."""

import json
import os
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from orbit_node import PATIENCE_S, Node, plugin, toml_section  # noqa: E402

BUILD = Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else Path("build/release").resolve()


def start(storage="memory", data=None, workers=2, **rest):
    modules = "".join(toml_section("[[module]]", {"path": str(BUILD / f"lib/orbit/modules/{name}.so")})
                      for name in ("counter", "chat", "shelf"))
    wire = plugin("rest", "orbit.protocol.rest", **({"listen": "127.0.0.1:0"} | rest))
    node = Node(BUILD, storage=storage, data=data, workers=workers, extra=wire + modules)
    node.rest_port = int(node.listeners["rest"].rsplit(":", 1)[1])
    return node


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body!r}"


class Wire:
    """One connection, byte for byte."""

    def __init__(self, node):
        self.socket = socket.create_connection(("127.0.0.1", node.rest_port), timeout=PATIENCE_S)
        self.socket.settimeout(PATIENCE_S)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def more(self):
        got = self.socket.recv(65536)
        self.pending += got
        return got != b""

    def until(self, mark):
        while mark not in self.pending:
            if not self.more():
                raise EOFError(f"the node closed the connection after {self.pending!r}")
        front, self.pending = self.pending.split(mark, 1)
        return front

    def exactly(self, size):
        while len(self.pending) < size:
            if not self.more():
                raise EOFError(f"the node closed the connection after {self.pending!r}")
        front, self.pending = self.pending[:size], self.pending[size:]
        return front

    def head(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        return status, {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}

    def answer(self, head_only=False):
        status, headers = self.head()
        body = b"" if head_only or status in (204, 304) else self.exactly(int(headers.get("content-length", 0)))
        return Answer(status, headers, body)

    def closed(self):
        """Waits for the node to close the connection."""
        while self.more():
            pass
        return True


def request(node, method, target, body=None, headers=None, wire=None):
    text = body if isinstance(body, (bytes, type(None))) else (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
    if text is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(text)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    message = "\r\n".join(lines).encode() + b"\r\n\r\n" + (text or b"")
    if wire is not None:
        wire.send(message)
        return wire.answer(method == "HEAD")
    with Wire(node) as own:
        own.send(message)
        return own.answer(method == "HEAD")


def await_waiting(node, key, turns):
    """Until so many calls of shelf.Door's Wait are in their turns."""
    deadline = time.monotonic() + PATIENCE_S
    while request(node, "GET", f"/v1/actors/shelf.Door/{key}/Count").json["turns"] != turns:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the door has not {turns} waiting turns")
