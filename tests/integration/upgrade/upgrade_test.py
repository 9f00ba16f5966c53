#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Actor modules of a real node are loaded, replaced, refused and retired while clients call. ORBIT_BUILD names the
build tree; UPGRADE_V1, UPGRADE_V2 and UPGRADE_NO_SYMBOL name two versions of one module and a library that is no
plugin."""

import http.client
import itertools
import json
import os
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from orbit_node import PATIENCE_S, Node  # noqa: E402

BUILD = os.environ.get("ORBIT_BUILD", "build/release")
V1 = os.environ["UPGRADE_V1"]
V2 = os.environ["UPGRADE_V2"]
NO_SYMBOL = os.environ["UPGRADE_NO_SYMBOL"]
TYPE = "upgrade.Greeter"
MODULE = "actors.upgrade"
UPGRADES = 8


def poll(what, condition):
    """Waits until condition() gives something true, and returns that."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {PATIENCE_S} s")
        time.sleep(0.005)  # a poll with a deadline, not a guess


def read_greeting(text):
    """(version, greetings so far) of an answer of the module."""
    words = json.loads(text)["text"].replace(":", "").replace(",", "").split()
    return words[0], int(words[2])


class Redis:
    def __init__(self, node):
        self.socket = node.connect()
        self.file = self.socket.makefile("rb")

    def __call__(self, *args):
        words = [b"$%d\r\n%s\r\n" % (len(word), word) for word in map(str.encode, args)]
        self.socket.sendall(b"*%d\r\n" % len(args) + b"".join(words))
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the node hung up")
        if line.startswith(b"$") and not line.startswith(b"$-"):
            return self.file.read(int(line[1:-2]) + 2)[:-2].decode()
        return line[:-2].decode()

    def greet(self, key):
        answer = self("ACTOR.CALL", TYPE, key, "Greet", "{}")
        if answer.startswith("-"):
            raise AssertionError(f"ACTOR.CALL {key}: {answer}")
        return read_greeting(answer)

    def close(self):
        self.file.close()
        self.socket.close()


class Admin:
    def __init__(self, node):
        self.http = http.client.HTTPConnection("127.0.0.1", node.admin_port, timeout=PATIENCE_S)

    def __call__(self, method, path, body=None):
        content = None if body is None else json.dumps(body)
        self.http.request(method, path, content, {"Content-Type": "application/json"})
        answer = self.http.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None

    def greet(self, key):
        status, answer = self("POST", f"/v1/actors/{TYPE}/{key}/Greet", {})
        if status != 200:
            raise AssertionError(f"POST Greet of {key}: {status} {answer}")
        return read_greeting(json.dumps(answer))

    def load(self, path):
        status, answer = self("POST", "/v1/modules", {"path": str(path)})
        if status != 200:
            raise AssertionError(f"load of {path}: {status} {answer}")
        return answer

    def modules(self):
        status, answer = self("GET", "/v1/modules")
        if status != 200:
            raise AssertionError(f"GET /v1/modules: {status} {answer}")
        return [module for module in answer["modules"] if module["name"] == MODULE]

    def close(self):
        self.http.close()


class Caller(threading.Thread):
    """Calls without a pause until told to stop; fails on the first answer that is an error or counts back."""

    def __init__(self, client, keys, stop):
        super().__init__(daemon=True)
        self.client = client
        self.keys = keys  # may have no end
        self.stop = stop
        self.calls = {}   # by key
        self.seen = {}    # the highest count by key
        self.by_version = {"v1": 0, "v2": 0}
        self.error = None

    def run(self):
        try:
            for key in self.keys:
                if self.stop.is_set():
                    return
                version, count = self.client.greet(key)
                if count <= self.seen.get(key, 0):
                    raise AssertionError(f"{key} went back: {count} greetings after {self.seen[key]}")
                self.seen[key] = count
                self.calls[key] = self.calls.get(key, 0) + 1
                self.by_version[version] += 1
        except Exception as error:  # told by the test, which runs in another thread
            self.error = error
        finally:
            self.client.close()


class Load:
    """Callers over both wires: on keys that all share, on many keys, and on keys that nobody called before."""

    def __init__(self, node):
        self.stop = threading.Event()
        self.callers = [Caller(Redis(node), itertools.cycle(f"shared{i}" for i in range(3)), self.stop),
                        Caller(Redis(node), itertools.cycle(f"many{i}" for i in range(200)), self.stop),
                        Caller(Redis(node), (f"fresh{i}" for i in range(10**6)), self.stop),
                        Caller(Admin(node), itertools.cycle(f"shared{i}" for i in range(3)), self.stop),
                        Caller(Admin(node), itertools.cycle(f"many{i}" for i in range(200)), self.stop)]

    def __enter__(self):
        for caller in self.callers:
            caller.start()
        return self

    def check(self):
        for caller in self.callers:
            if caller.error is not None:
                raise caller.error

    def await_calls(self, version, count):
        """Until every caller was answered that often by this version from now on."""
        goals = [caller.by_version[version] + count for caller in self.callers]

        def reached():
            self.check()
            return all(caller.by_version[version] >= goal for caller, goal in zip(self.callers, goals))
        poll(f"{count} answers of {version} for each client", reached)

    def __exit__(self, *_):
        self.stop.set()
        for caller in self.callers:
            caller.join(PATIENCE_S)

    def totals(self):
        out = {}
        for caller in self.callers:
            for key, calls in caller.calls.items():
                out[key] = out.get(key, 0) + calls
        return out


class UnderLoad:
    workers = 0

    def drained(self, admin, generation, load):
        def done():
            load.check()
            modules = admin.modules()
            self.states.update(module["state"] for module in modules)
            active = [module for module in modules if module["state"] == "active"]
            self.assertEqual([module["generation"] for module in active], [generation])
            old = [module for module in modules if module["generation"] != generation]
            return all(module["state"] == "retired" and module["activations"] == 0 for module in old)
        poll(f"the modules before generation {generation} retire", done)

    def test_no_call_fails_while_versions_replace_each_other(self):
        self.states = set()
        with Node(BUILD, "rocksdb", self.workers, admin={}) as node:
            admin = Admin(node)
            first = admin.load(V1)
            self.assertEqual((first["version"], first["state"]), ("1.0.0", "active"))
            with Load(node) as load:
                load.await_calls("v1", 20)
                for i in range(UPGRADES):
                    path, name, version = (V1, "v1", "1.0.0") if i % 2 else (V2, "v2", "2.0.0")
                    loaded = admin.load(path)
                    self.assertEqual(loaded["version"], version)
                    load.await_calls(name, 20)
                    self.drained(admin, loaded["generation"], load)
            load.check()
            # Each call that was answered happened once, whichever version ran it.
            redis = Redis(node)
            totals = load.totals()
            for key in totals:
                self.assertEqual(redis.greet(key)[1], totals[key] + 1, key)
            self.assertEqual(len(admin.modules()), 1 + UPGRADES)
            self.assertLessEqual(self.states, {"active", "draining", "retired"})
            print(f"{sum(totals.values())} calls over {UPGRADES} upgrades, {len(totals)} actors; states seen: "
                  f"{', '.join(sorted(self.states))}", file=sys.stderr)
            redis.close()
            admin.close()


class OneWorker(UnderLoad, unittest.TestCase):
    workers = 1


class TwoWorkers(UnderLoad, unittest.TestCase):
    workers = 2


def mapped_segments(image):
    """Where the program headers are whose segments get mapped."""
    offset, = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    return [offset + i * size for i in range(count) if struct.unpack_from("<I", image, offset + i * size)[0] == 1]


def mapped_bytes(image):
    """How much of the file is needed; what follows is for debuggers."""
    ends = [sum(struct.unpack_from("<Q", image, at + field)[0] for field in (8, 32)) for at in mapped_segments(image)]
    return max(ends)


def with_program_header_flipped(image, field):
    out = bytearray(image)
    at = mapped_segments(image)[-1]
    value, = struct.unpack_from("<Q", out, at + field)
    struct.pack_into("<Q", out, at + field, value ^ 0x5000_0000)
    return bytes(out)


class Refusals(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="orbit-upgrade-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def test_a_broken_file_is_refused_by_name_and_the_node_goes_on(self):
        image = Path(V2).read_bytes()
        flipped_class = bytearray(image)
        flipped_class[4] = 1  # a 32-bit image
        broken = {"truncated_half.so": image[:mapped_bytes(image) // 2], "truncated_page.so": image[:4096],
                  "truncated_header.so": image[:40], "flipped_offset.so": with_program_header_flipped(image, 8),
                  "flipped_address.so": with_program_header_flipped(image, 16),
                  "flipped_size.so": with_program_header_flipped(image, 32),
                  "other_class.so": bytes(flipped_class), "text.so": b"This is no library, only a text.\n" * 100,
                  "empty.so": b"", "no_symbol.so": Path(NO_SYMBOL).read_bytes(),
                  "no_module.so": (Path(BUILD) / "lib/orbit/plugins/storage_memory.so").read_bytes()}
        with Node(BUILD, "rocksdb", 2, admin={}) as node:
            admin, redis = Admin(node), Redis(node)
            admin.load(V1)
            greetings = redis.greet("a")[1]
            for name, content in broken.items():
                with self.subTest(name):
                    path = self.folder / name
                    path.write_bytes(content)
                    self.refused(admin, path)
                    self.assertEqual(redis.greet("a"), ("v1", greetings + 1))
                    greetings += 1
            with self.subTest("missing"):
                self.refused(admin, self.folder / "missing.so")
            modules = admin.modules()
            self.assertEqual([(module["version"], module["state"]) for module in modules], [("1.0.0", "active")])
            left = list((node.folder / "node/modules").iterdir())
            self.assertEqual(len(left), 1, left)
            admin.load(V2)
            self.assertEqual(redis.greet("a"), ("v2", greetings + 1))
            redis.close()
            admin.close()

    def refused(self, admin, path):
        status, problem = admin("POST", "/v1/modules", {"path": str(path)})
        self.assertTrue(400 <= status < 500, (status, problem))
        text = problem["detail"]
        self.assertIn(str(path), text)
        self.assertIn("expected", text)
        # "found ...", or what loading it does to a process that tries.
        self.assertTrue("found" in text or "loading it" in text, text)
        print(f"{path.name}: {status} {text}", file=sys.stderr)


class Lifetime(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="orbit-upgrade-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "store").mkdir()

    def node(self):
        return Node(BUILD, "rocksdb", 2, admin={}, data=self.folder / "store",
                    node={"data_dir": str(self.folder / "node")})

    def test_what_was_loaded_is_there_after_a_restart_and_a_kill_until_it_is_retired(self):
        path = self.folder / "greeter.so"
        shutil.copy(V1, path)
        with self.node() as node:
            admin, redis = Admin(node), Redis(node)
            admin.load(path)
            self.assertEqual(redis.greet("a"), ("v1", 1))
            shutil.copy(V2, path)
            admin.load(path)
            self.assertEqual(redis.greet("a"), ("v2", 2))
            path.unlink()  # the node keeps what it loaded
            admin.close()
            redis.close()
        for ending in (signal.SIGTERM, signal.SIGKILL):
            with self.node() as node:
                admin, redis = Admin(node), Redis(node)
                self.assertEqual([(m["version"], m["state"]) for m in admin.modules()], [("2.0.0", "active")])
                version, before = redis.greet("a")
                self.assertEqual(version, "v2")
                self.assertEqual(admin.greet("a"), ("v2", before + 1))
                admin.close()
                redis.close()
                if ending == signal.SIGKILL:
                    node.signal(ending)
                    node.wait()
        with self.node() as node:
            admin, redis = Admin(node), Redis(node)
            self.assertEqual(redis.greet("a"), ("v2", 7))
            status, answer = admin("DELETE", f"/v1/modules/{MODULE}")
            self.assertEqual((status, answer), (204, None))
            self.assertEqual([m["state"] for m in admin.modules()], ["retired"])
            self.is_not_found(admin, redis)
            status, problem = admin("DELETE", f"/v1/modules/{MODULE}")
            self.assertEqual(status, 404, problem)
            admin.close()
            redis.close()
        with self.node() as node:
            admin, redis = Admin(node), Redis(node)
            self.assertEqual(admin.modules(), [])
            self.is_not_found(admin, redis)
            admin.load(V1)  # the state outlives the module
            self.assertEqual(redis.greet("a"), ("v1", 8))
            admin.close()
            redis.close()

    def is_not_found(self, admin, redis):
        answer = redis("ACTOR.CALL", TYPE, "a", "Greet", "{}")
        self.assertIn("NOT_FOUND", answer)
        self.assertIn(TYPE, answer)
        status, problem = admin("POST", f"/v1/actors/{TYPE}/a/Greet", {})
        self.assertEqual(status, 404, problem)
        self.assertIn(TYPE, problem["detail"])

    def test_a_path_with_new_content_loads_the_new_content(self):
        path = self.folder / "greeter.so"
        with self.node() as node:
            admin, redis = Admin(node), Redis(node)
            for count, (source, version) in enumerate([(V1, "v1"), (V2, "v2"), (V1, "v1"), (V2, "v2")], start=1):
                if count % 2:
                    path.write_bytes(Path(source).read_bytes())  # in place, under the node's feet
                else:
                    fresh = self.folder / "fresh"
                    shutil.copy(source, fresh)
                    fresh.rename(path)
                admin.load(path)
                self.assertEqual(redis.greet("a"), (version, count))
            admin.close()
            redis.close()


if __name__ == "__main__":
    unittest.main()
