# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""A node with several storage instances, a Redis client, and the command-line tools; for the tests beside this file."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from orbit_node import PATIENCE_S, Node, plugin, toml_section  # noqa: E402

BUILD = Path(sys.argv.pop(1) if len(sys.argv) > 1 else "build/release").resolve()


class Redis:
    """Just enough of RESP2. An error reply is an exception from call()."""

    def __init__(self, node):
        self.socket = node.connect()
        self.received = b""

    def close(self):
        self.socket.close()

    def send(self, *words):
        out = [b"*%d\r\n" % len(words)]
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(word), word))
        self.socket.sendall(b"".join(out))

    def _line(self):
        while b"\r\n" not in self.received:
            part = self.socket.recv(65536)
            if not part:
                raise ConnectionError("the node closed the connection")
            self.received += part
        line, self.received = self.received.split(b"\r\n", 1)
        return line

    def reply(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"-":
            return RuntimeError(rest.decode())
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            while len(self.received) < size + 2:
                part = self.socket.recv(65536)
                if not part:
                    raise ConnectionError("the node closed the connection")
                self.received += part
            value, self.received = self.received[:size], self.received[size + 2:]
            return value.decode()
        if kind == b"*":
            return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        raise ValueError(line)

    def call(self, *words):
        self.send(*words)
        answer = self.reply()
        if isinstance(answer, RuntimeError):
            raise answer
        return answer


class Place:
    """A folder that outlives its nodes, with the storage instances in it. `engines`: the kind of each, or kind and settings."""

    def __init__(self, **engines):
        self.folder = Path(tempfile.mkdtemp(prefix="orbit-storage-ops-"))
        self.engines = engines
        self.extra = ""  # more of the file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def text(self, instance, routes=(), only=None):
        out = toml_section("[storage]", {"instance": instance})
        for types, storage in routes:
            out += toml_section("[[route]]", {"types": types, "storage": storage})
        for name, kind in self.engines.items():
            if only is not None and name not in only:
                continue
            if isinstance(kind, str):
                kind = (kind, {} if kind == "memory" else {"path": str(self.folder / name)})
            out += plugin(name, f"orbit.storage.{kind[0]}", **kind[1])
        return out + self.extra

    def config(self, instance, routes=()):
        """A configuration for the tools."""
        path = self.folder / "node.toml"
        path.write_text(toml_section("[node]", {"plugin_paths": [str(BUILD / "lib/orbit/plugins")]}) +
                        self.text(instance, routes))
        return str(path)

    def node(self, instance, routes=(), durability="sync", workers=2, only=None):
        """One that has the Redis wire and the admin API, and the instances in `only` (None: all). The instance "store" that
        every orbit_node.Node has is not used."""
        return Node(BUILD, workers=workers, resp={"durability": durability}, admin={}, extra=self.text(instance, routes, only))


def orbitctl(*words, code=0, url=None):
    """What it prints; asserts how it ends."""
    environment = dict(os.environ) | ({"ORBIT_URL": url} if url else {})
    ended = subprocess.run([str(BUILD / "bin/orbitctl"), *words], capture_output=True, text=True, timeout=PATIENCE_S * 2,
                           env=environment)
    assert ended.returncode == code, f"{words}: {ended.returncode}\n{ended.stdout}{ended.stderr}"
    return ended.stdout + ended.stderr


def orbitctl_json(*words, code=0, url=None):
    return json.loads(orbitctl(*words, "--json", code=code, url=url))
