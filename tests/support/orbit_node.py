# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""A real node as a child process, on free ports, in a temporary folder; for tests and benchmarks written in Python."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

# Sanitizer builds are an order of magnitude slower; every wait is bounded by this.
PATIENCE_S = float(os.environ.get("ORBIT_TEST_PATIENCE_S", "60"))


def toml_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return json.dumps(str(value))


def toml_section(header, values):
    return "\n".join([header] + [f"{key} = {toml_value(value)}" for key, value in values.items()]) + "\n"


def plugin(name, plugin_id, **config):
    text = toml_section("[[plugin]]", {"name": name, "id": plugin_id, "required": True})
    return text + (toml_section("[plugin.config]", config) if config else "")


class Node:
    """Starts in the constructor, is ready when that returns; `with` stops it and removes its folder.

    build: the build tree. storage: "memory" or another engine; store: its settings, by default a path for all but "memory".
    workers: 0 is one per core. resp, limits, node: settings of the Redis wire, of [limits] and of [node]. admin: settings of the
    admin API; None: the node has none. data: a folder that
    outlives this node; default: a new one, removed at the end. extra: more of the file, [[plugin]] and [[module]] entries.
    """

    def __init__(self, build, storage="memory", workers=1, resp=None, limits=None, node=None, environment=None,
                 data=None, admin=None, extra="", store=None):
        self.folder = Path(tempfile.mkdtemp(prefix="orbit-node-"))
        self.log_path = self.folder / "log"
        self.process = None
        build = Path(build).resolve()
        if store is None:
            store = {} if storage == "memory" else {"path": str(Path(data or self.folder) / "data")}
        settings = {"workers": workers, "data_dir": str(self.folder / "node"),
                    "plugin_paths": [str(build / "lib/orbit/plugins")]} | (node or {})
        config = toml_section("[node]", settings)
        if limits:
            config += toml_section("[limits]", limits)
        config += plugin("store", f"orbit.storage.{storage}", **store)
        config += plugin("redis", "orbit.protocol.resp", **({"listen": "127.0.0.1:0"} | (resp or {})))
        if admin is not None:
            config += plugin("admin", "orbit.protocol.admin", **({"listen": "127.0.0.1:0"} | admin))
        config += extra
        (self.folder / "node.toml").write_text(config)
        ready = self.folder / "ready.json"
        try:
            with open(self.log_path, "wb") as log:
                self.process = subprocess.Popen(
                    [str(build / "bin/orbitd"), "--config", str(self.folder / "node.toml"), "--ready-file", str(ready)],
                    cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                    env=dict(os.environ) | (environment or {}))
            self.listeners = {entry["plugin"]: entry["address"] for entry in self._await_ready(ready)["listeners"]}
        except BaseException:
            self.close()
            raise

    def _await_ready(self, ready):
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the node ended with {self.process.returncode}:\n{self.log()}")
            try:
                return json.loads(ready.read_text())
            except (FileNotFoundError, ValueError):
                time.sleep(0.02)  # a poll with a deadline, not a guess
        raise RuntimeError(f"the node was not ready after {PATIENCE_S} s:\n{self.log()}")

    @property
    def port(self):
        return int(self.listeners["redis"].rsplit(":", 1)[1])

    @property
    def admin_port(self):
        return int(self.listeners["admin"].rsplit(":", 1)[1])

    def connect(self, receive_buffer_bytes=None):
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer_bytes is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        client.settimeout(PATIENCE_S)
        client.connect(("127.0.0.1", self.port))
        return client

    def status(self, field):
        """A number of /proc/PID/status, such as VmRSS (kB) or Threads."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise KeyError(field)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(timeout=PATIENCE_S)

    def log(self):
        return self.log_path.read_text(errors="replace")[-8000:] if self.log_path.exists() else ""

    def stop(self):
        """Ends a running node in order. It must end with 0; a sanitizer that found something sees to it that it does not."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            if self.wait() != 0:
                raise RuntimeError(f"the node ended with {self.process.returncode}:\n{self.log()}")

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, thrown, *_):
        try:
            if thrown is None:
                self.stop()
        finally:
            self.close()
