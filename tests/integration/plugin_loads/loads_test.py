#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Plugins are loaded into a real node while it serves, refused, and unloaded. ORBIT_BUILD names the build tree, REDIS_CLI and CURL
those programs, THROWING_WIRE a wire whose functions throw, ABI_PLUGINS the folder of the broken plugins, SLOWER how many times slower
than others this build is."""

import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from orbit_node import PATIENCE_S, Node, plugin, toml_section  # noqa: E402

BUILD = Path(os.environ.get("ORBIT_BUILD", "build/release")).resolve()
REDIS_CLI = os.environ["REDIS_CLI"]
CURL = os.environ["CURL"]
THROWING = os.environ["THROWING_WIRE"]
BROKEN = Path(os.environ["ABI_PLUGINS"]) / "broken"
RESP = "orbit.protocol.resp"
# A limit that a test runs into: the node's own start has to stay below it, also under sanitizers and on a busy machine.
HANGS_MS = round(5000 * max(float(os.environ.get("SLOWER", "1")), PATIENCE_S / 60))


class Admin:
    def __init__(self, node, token=None):
        self.node = node
        self.headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    def __call__(self, method, path, body=None):
        client = http.client.HTTPConnection("127.0.0.1", self.node.admin_port, timeout=PATIENCE_S)
        client.request(method, path, None if body is None else json.dumps(body), self.headers)
        answer = client.getresponse()
        text = answer.read().decode()
        client.close()
        return answer.status, json.loads(text) if text and not path == "/metrics" else text

    def get(self, path):
        status, answer = self("GET", path)
        if status != 200:
            raise AssertionError(f"GET {path}: {status} {answer}")
        return answer

    def load(self, name, plugin_id, library=None, **config):
        entry = {"name": name, "id": plugin_id, "config": config} | ({"path": str(library)} if library else {})
        return self("POST", "/v1/plugins", entry)

    def loaded(self, *arguments, **config):
        status, answer = self.load(*arguments, **config)
        if status != 200:
            raise AssertionError(f"load of {arguments}: {status} {answer}")
        return answer

    def address(self, name):
        return next(one["address"] for one in self.get("/v1/node")["listeners"] if one["plugin"] == name)

    def all(self):
        """What a load that is refused must leave as it was."""
        node = self.get("/v1/node")
        quiet = {path: [{key: one[key] for key in one if key != "activations"} for one in self.get(f"/v1/{path}")[path]]
                 for path in ("modules", "types")}
        return {"plugins": self.get("/v1/plugins"), **quiet,
                "config": self.get("/v1/config"), "storages": [one["name"] for one in self.get("/v1/storage")["storages"]], "listeners": node["listeners"],
                "running": sorted(re.findall(r"^orbit_plugin_running.*$", self.get("/metrics"), re.M))}


def connect(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


def kept_address(test):
    """An address that nobody else gets until the test ends: bound here, and not listened on. A node binds it all the same, since both say
    SO_REUSEADDR."""
    kept = socket.socket()
    test.addCleanup(kept.close)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    return "127.0.0.1:%d" % kept.getsockname()[1]


def eventually(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it does not come")
        time.sleep(0.02)  # a poll with a deadline, not a guess


def redis(address, *words):
    """What redis-cli prints."""
    host, port = address.rsplit(":", 1)
    done = subprocess.run([REDIS_CLI, "-h", host, "-p", port, *words], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    return done.stdout.strip()


def orbitctl(node, *words):
    return subprocess.run([str(BUILD / "bin/orbitctl"), "--url", f"http://127.0.0.1:{node.admin_port}", *words], cwd=node.folder,
                          capture_output=True, text=True, timeout=PATIENCE_S, check=False)


class Wire(unittest.TestCase):
    def test_a_second_redis_is_loaded_served_shown_drained_and_there_again_after_a_restart(self):
        with Node(BUILD, storage="cow_btree", admin={}) as node:
            admin = Admin(node)
            (node.folder / "cache.toml").write_text('listen = "127.0.0.1:0"\ntypes = "cache"\ndurability = "async"\n')
            done = orbitctl(node, "plugin", "load", "cache", "--id", RESP, "--config", "cache.toml")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"(?m)^cache +orbit\.protocol\.resp +\S+ +running ")
            self.assertIn("It lasts until the node ends.", done.stdout)
            toml = done.stdout[done.stdout.index("[[plugin]]"):]
            self.assertIn('types = "cache"', toml)

            address = admin.address("cache")
            first = node.listeners["redis"]
            self.assertEqual(redis(address, "PING"), "PONG")
            self.assertEqual(redis(address, "SET", "greeting", "hello"), "OK")
            self.assertEqual(redis(address, "GET", "greeting"), "hello")
            self.assertEqual(redis(first, "GET", "greeting"), "", "its keys are its own")
            self.assertEqual(redis(first, "SET", "greeting", "other"), "OK")
            self.assertEqual(redis(address, "GET", "greeting"), "hello")

            status = next(one for one in admin.get("/v1/plugins")["plugins"] if one["instance"] == "cache")
            self.assertEqual((status["id"], status["state"], status["configured"]), (RESP, "running", False))
            self.assertTrue(all(one["configured"] for one in admin.get("/v1/plugins")["plugins"] if one["instance"] != "cache"))
            self.assertIn("cache.db0", [one["name"] for one in admin.get("/v1/types")["types"]])
            self.assertIn('"types":"cache"', json.dumps(admin.get("/v1/config"), separators=(",", ":")))
            metrics = admin.get("/metrics")
            self.assertRegex(metrics, r'(?m)^orbit_plugin_running\{plugin="cache",id="orbit\.protocol\.resp",version="[^"]+"\} 1$')
            self.assertRegex(metrics, r'(?m)^orbit_resp_commands_total\{command="set",types="cache"\} 1$')

            # A client that waits keeps its connection until the node has answered, or says that it stops.
            client = connect(address)
            client.sendall(b"*3\r\n$3\r\nSET\r\n$4\r\nlast\r\n$4\r\nword\r\n*1\r\n$4\r\nPING\r\n")
            reader = client.makefile("rb")
            self.assertEqual([reader.readline(), reader.readline()], [b"+OK\r\n", b"+PONG\r\n"])
            node.signal(signal.SIGTERM)
            self.assertEqual(reader.read(), b"")
            self.assertEqual(node.wait(), 0, node.log())
            client.close()

            # With what the answer said in the configuration the next node has it from the start.
            store = {"path": str(node.folder / "data")}
            with Node(BUILD, storage="cow_btree", store=store, extra=toml) as again:
                self.assertEqual(redis(again.listeners["cache"], "GET", "last"), "word")
                self.assertEqual(redis(again.listeners["cache"], "GET", "greeting"), "hello")
                self.assertEqual(redis(again.listeners["redis"], "GET", "greeting"), "other")

    def test_other_wires_are_loaded_too_and_settings_may_name_variables(self):
        with Node(BUILD, admin={}, environment={"REST_LISTEN": "127.0.0.1:0"}) as node:
            admin = Admin(node)
            answer = admin.loaded("web", "orbit.protocol.rest", listen="${REST_LISTEN}")
            self.assertIn('listen = "${REST_LISTEN}"', answer["toml"])
            client = http.client.HTTPConnection(admin.address("web"), timeout=PATIENCE_S)
            client.request("GET", "/openapi.json")
            self.assertEqual(client.getresponse().status, 200)
            admin.loaded("rpc", "orbit.protocol.grpc", listen="127.0.0.1:0")
            connect(admin.address("rpc")).close()
            second = admin.loaded("door", "orbit.protocol.admin", listen="127.0.0.1:0")
            self.assertEqual(second["plugin"]["state"], "running")
            host = admin.address("door")
            done = subprocess.run([CURL, "-sS", "-H", "Content-Type: application/json", "-d",
                                   json.dumps({"name": "third", "id": RESP, "config": {"listen": "127.0.0.1:0", "types": "third"}}),
                                   f"http://{host}/v1/plugins"], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
            self.assertEqual(json.loads(done.stdout)["plugin"]["instance"], "third", done.stdout)
            self.assertEqual(redis(admin.address("third"), "PING"), "PONG")


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(BUILD, admin={}, limits={"probe_timeout_ms": HANGS_MS})
        cls.admin = Admin(cls.node)

    @classmethod
    def tearDownClass(cls):
        cls.node.close()

    def refused(self, status, code, patterns, *arguments, **config):
        before = self.admin.all()
        got, problem = self.admin.load(*arguments, **config)
        self.assertEqual((got, problem.get("code")), (status, code), problem)
        for pattern in patterns:
            self.assertRegex(problem["detail"], pattern)
        self.assertEqual(self.admin.all(), before)
        self.assertEqual(redis(self.node.listeners["redis"], "PING"), "PONG")
        return problem

    def test_a_name_and_types_that_are_taken(self):
        self.refused(409, "ALREADY_EXISTS", ["the name 'redis' is taken"], "redis", RESP, listen="127.0.0.1:0", types="x")
        self.refused(409, "ALREADY_EXISTS", ["actor type redis.db0 is provided by module redis"], "more", RESP, listen="127.0.0.1:0")

    def test_an_address_that_is_taken_or_open_to_others(self):
        busy = self.node.listeners["redis"]
        self.refused(400, "FAILED_PRECONDITION", ["plugin 'more'", "`start` failed", re.escape(busy), "Address already in use"],
                     "more", RESP, listen=busy, types="more")
        self.refused(400, "FAILED_PRECONDITION", ["can be reached by other machines, and nothing says who may"],
                     "more", RESP, listen="0.0.0.0:0", types="more")
        self.assertEqual(self.admin.loaded("more", RESP, listen="127.0.0.1:0", types="more")["plugin"]["state"], "running")
        self.assertEqual(self.admin("DELETE", "/v1/plugins/more")[0], 204)

    def test_all_mistakes_of_the_settings_at_once(self):
        problem = self.refused(400, "INVALID_ARGUMENT", ["did you mean 'listen'"], "more", RESP, lisen="127.0.0.1:0", durability="never",
                               connections_max=0, bulk_bytes_max=None)
        self.assertEqual(len(problem["errors"]), 4, problem)
        self.assertRegex(problem["detail"], "'bulk_bytes_max' .*expected an integer, found null")
        done = orbitctl(self.node, "plugin", "load", "more", "--id", RESP, "--config", '{"lisen": "x", "connections_max": 0}')
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^orbitctl: 2 mistakes \[INVALID_ARGUMENT\]\n  .*did you mean 'listen'\?\n  .*connections_max")
        self.refused(400, "INVALID_ARGUMENT", ["\\$\\{NO_SUCH\\}|NO_SUCH"], "more", RESP, listen="${NO_SUCH}")
        status, problem = self.admin("POST", "/v1/plugins", {"nme": "x", "path": "relative.so"})
        self.assertEqual(status, 400)
        self.assertRegex(problem["detail"], "did you mean 'name'")
        self.assertRegex(problem["detail"], "missing key 'id'")
        self.assertRegex(problem["detail"], "expected an absolute path")

    def test_files_that_are_no_good(self):
        self.refused(404, "NOT_FOUND", ["found no file with the id 'orbit.protocol.rsp'", f"did you mean '{RESP}'"], "more",
                     "orbit.protocol.rsp")
        for kind, pattern in {"no_symbol": "found no symbol", "wrong_major": "found ABI major 9", "entry_crashes": "expected an intact ELF",
                              "entry_hangs": "probe_timeout_ms", "missing_needs": "needs 'orbit.teleport/1'",
                              "false_provides": "returned null", "create_fails": "the disk is on fire",
                              "create_throws": "thrown across the edge", "start_fails": "the port is taken"}.items():
            with self.subTest(kind):
                problem = self.admin.load("more", "test.broken", BROKEN / f"{kind}.so")[1]
                self.refused(problem["status"], problem["code"], ["plugin 'more'", f"{kind}.so", pattern], "more", "test.broken",
                             BROKEN / f"{kind}.so")

    def test_kinds_that_a_node_takes_up_only_when_it_starts_are_told_why_and_what_to_do(self):
        users = self.node.folder / "users"
        users.write_text("")
        self.refused(400, "FAILED_PRECONDITION",
                     ["orbit.authenticator/1, which cannot be added to a running node", "settled when a node starts",
                      "into the configuration and restart"], "users", "orbit.access.user_file", file=str(users))


class Hangs(unittest.TestCase):
    def test_a_create_and_a_start_that_hang_are_given_up_and_the_node_serves_on(self):
        node = Node(BUILD, admin={}, limits={"plugin_create_timeout_ms": HANGS_MS})
        self.addCleanup(node.close)
        admin = Admin(node)
        for kind in "create_hangs", "start_hangs":
            before = admin.all()
            status, problem = admin.load("more", "test.broken", BROKEN / f"{kind}.so")
            self.assertEqual(status, 400, problem)
            self.assertRegex(problem["detail"], r"did not return within plugin_create_timeout_ms \(%d ms\)" % HANGS_MS)
            self.assertEqual(admin.all(), before)
            self.assertEqual(redis(node.listeners["redis"], "PING"), "PONG")
        node.signal(signal.SIGTERM)
        self.assertEqual(node.wait(), 0, node.log())

    def test_a_start_that_comes_back_after_it_was_given_up_cannot_listen_any_more(self):
        node = Node(BUILD, admin={}, limits={"plugin_create_timeout_ms": HANGS_MS})
        self.addCleanup(node.close)
        admin = Admin(node)
        address = kept_address(self)
        gate = node.folder / "gate"
        status, problem = admin.load("late", "test.throwing", THROWING, where="late", gate=str(gate), listen=address)
        self.assertEqual(status, 400, problem)
        self.assertIn("`start` did not return", problem["detail"])
        gate.touch()
        eventually(lambda: "late: cannot listen: listen: the node has given this instance up" in node.log())
        with self.assertRaises(ConnectionRefusedError):
            connect(address)
        self.assertEqual(redis(node.listeners["redis"], "PING"), "PONG")
        node.signal(signal.SIGTERM)
        self.assertEqual(node.wait(), 0, node.log())


    def test_a_start_that_comes_back_after_it_was_given_up_is_not_listed_as_listening(self):
        node = Node(BUILD, admin={}, limits={"plugin_create_timeout_ms": HANGS_MS})
        self.addCleanup(node.close)
        admin = Admin(node)
        before = admin.all()
        gate = node.folder / "gate"
        status, problem = admin.load("late", "test.throwing", THROWING, where="announces", gate=str(gate), listen="127.0.0.1:7")
        self.assertEqual(status, 400, problem)
        gate.touch()
        eventually(lambda: "late: has announced" in node.log())
        self.assertEqual(admin.all(), before)
        node.signal(signal.SIGTERM)
        self.assertEqual(node.wait(), 0, node.log())


class Unload(unittest.TestCase):
    def test_a_wire_is_unloaded_its_connections_end_and_its_name_and_types_are_free(self):
        with Node(BUILD, storage="cow_btree", admin={}) as node:
            admin = Admin(node)
            before = admin.all()
            admin.loaded("cache", RESP, listen="127.0.0.1:0", types="cache")
            address = admin.address("cache")
            self.assertEqual(redis(address, "SET", "k", "v"), "OK")
            client = connect(address)
            client.sendall(b"*1\r\n$4\r\nPING\r\n")
            reader = client.makefile("rb")
            self.assertEqual(reader.readline(), b"+PONG\r\n")
            done = orbitctl(node, "plugin", "unload", "cache")
            self.assertEqual((done.returncode, done.stdout), (0, "unloaded cache\n"), done.stderr)
            self.assertEqual(reader.read(), b"")
            client.close()
            with self.assertRaises(ConnectionRefusedError):
                connect(address)
            after = admin.all()
            self.assertEqual([one["state"] for one in after["modules"] if one["name"] == "cache"], ["retired"])
            for what in set(before) - {"modules"}:
                self.assertEqual(after[what], before[what], what)
            admin.loaded("cache", RESP, listen="127.0.0.1:0", types="cache")
            self.assertEqual(redis(admin.address("cache"), "GET", "k"), "v")

    def test_an_idle_connection_of_a_wire_that_leaves_it_open_is_closed_by_the_node(self):
        with Node(BUILD, admin={}) as node:
            admin = Admin(node)
            admin.loaded("web", "orbit.protocol.rest", listen="127.0.0.1:0")
            client = http.client.HTTPConnection(admin.address("web"), timeout=PATIENCE_S)
            client.request("GET", "/openapi.json")
            client.getresponse().read()
            self.addCleanup(client.close)
            self.assertEqual(admin("DELETE", "/v1/plugins/web")[0], 204)
            self.assertEqual(client.sock.recv(1), b"")

    def test_an_unload_whose_connection_cannot_be_closed_yet_says_so_and_frees_the_name(self):
        with Node(BUILD, admin={}, workers=2) as node:
            gate = node.folder / "gate"
            Admin(node).loaded("storm", "test.throwing", THROWING, where="held", gate=str(gate), listen="127.0.0.1:0")
            # One connection of each to each worker; the worker that accepts stays free.
            admins = [http.client.HTTPConnection("127.0.0.1", node.admin_port, timeout=PATIENCE_S) for _ in range(2)]
            clients = [connect(Admin(node).address("storm")) for _ in range(2)]
            for one in admins + clients:
                self.addCleanup(one.close)
            for one in admins:
                one.request("GET", "/v1/node")
                one.getresponse().read()
            clients[1].sendall(b"x")
            for one in admins:
                one.request("GET", "/v1/node")
            free = select.select([one.sock for one in admins], [], [], PATIENCE_S)[0]
            asks = next(one for one in admins if one.sock in free)
            asks.getresponse().read()
            asks.request("DELETE", "/v1/plugins/storm")
            answer = asks.getresponse()
            text = answer.read().decode()
            self.assertEqual(answer.status, 504, text)
            problem = json.loads(text)
            self.assertEqual(problem["code"], "DEADLINE_EXCEEDED", problem)
            self.assertIn("the plugin is stopped, but 1 of its connections are not closed yet", problem["detail"])
            self.assertEqual(clients[0].recv(1), b"")
            gate.touch()
            clients[1].settimeout(PATIENCE_S)
            while clients[1].recv(1):
                pass
            Admin(node).loaded("storm", "test.throwing", THROWING, where="nothing", listen="127.0.0.1:0")

    def test_what_others_may_use_is_not_unloaded(self):
        with Node(BUILD, admin={}) as node:
            admin = Admin(node)
            before = admin.all()
            for name, status, pattern in (("store", 400, "provides orbit.storage/1, which others may be using"),
                                          ("admin", 400, "carries this very request"), ("nobody", 404, "no plugin has the name 'nobody'")):
                got, problem = admin("DELETE", f"/v1/plugins/{name}")
                self.assertEqual(got, status, problem)
                self.assertRegex(problem["detail"], pattern)
            self.assertEqual(admin.all(), before)


class Storage(unittest.TestCase):
    def test_a_storage_that_is_loaded_is_the_target_of_a_migration_and_is_worked_on(self):
        with Node(BUILD, storage="cow_btree", admin={}) as node:
            admin = Admin(node)
            self.assertEqual(redis(node.listeners["redis"], "SET", "k", "v"), "OK")
            before = admin.all()
            status, problem = admin.load("spare", "orbit.storage.cow_btree", path="/proc/no/such/folder")
            self.assertEqual(status, 400, problem)
            self.assertEqual(admin.all(), before)
            answer = admin.loaded("spare", "orbit.storage.lsm", path=str(node.folder / "spare"))
            self.assertIn("before anything is migrated to it", answer["lasts"])
            self.assertEqual([(one["name"], one["used"]) for one in admin.get("/v1/storage")["storages"]], [("store", True), ("spare", False)])
            done = orbitctl(node, "storage", "migrate", "--from", "store", "--to", "spare", "--online")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual([one["name"] for one in admin.get("/v1/storage")["storages"] if one["used"]], ["spare"])
            self.assertEqual(redis(node.listeners["redis"], "GET", "k"), "v")
            self.assertEqual(redis(node.listeners["redis"], "SET", "k", "w"), "OK")
            done = orbitctl(node, "storage", "check", "--storage", "spare", "--online")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            node.stop()
            # The configuration must have it now; what the answer said is enough.
            store = {"path": str(node.folder / "data")}
            with self.assertRaisesRegex(RuntimeError, "no \\[\\[plugin\\]\\] has the name 'spare'"):
                Node(BUILD, storage="cow_btree", store=store)
            with Node(BUILD, storage="cow_btree", store=store, extra='[storage]\ninstance = "store"\n' + answer["toml"]) as again:
                self.assertEqual(redis(again.listeners["redis"], "GET", "k"), "w")

    def test_a_storage_that_has_state_of_types_that_belong_elsewhere_is_refused(self):
        with Node(BUILD, storage="cow_btree") as other:
            self.assertEqual(redis(other.listeners["redis"], "SET", "k", "other"), "OK")
            other.stop()
            with Node(BUILD, storage="memory", admin={}) as node:
                admin = Admin(node)
                before = admin.all()
                status, problem = admin.load("spare", "orbit.storage.cow_btree", path=str(other.folder / "data"))
                self.assertEqual(status, 400, problem)
                self.assertRegex(problem["detail"], "actor type redis.db0 has state in the storage 'spare', but belongs to 'store'")
                self.assertEqual(admin.all(), before)


class Throwing(unittest.TestCase):
    def setUp(self):
        self.node = Node(BUILD, admin={})
        self.addCleanup(self.node.close)
        self.admin = Admin(self.node)

    def ends_well(self):
        self.assertEqual(redis(self.node.listeners["redis"], "PING"), "PONG")
        self.node.stop()

    def test_a_start_that_throws_after_it_listened_leaves_nobody_listening(self):
        address = kept_address(self)
        before = self.admin.all()
        status, problem = self.admin.load("storm", "test.throwing", THROWING, where="start", listen=address)
        self.assertEqual(status, 400, problem)
        self.assertRegex(problem["detail"], "plugin 'storm': .*throwing_wire.so: `start` failed with INTERNAL: thrown by start")
        with self.assertRaises(ConnectionRefusedError):
            connect(address)
        self.assertEqual(self.admin.all(), before)
        self.admin.loaded("storm", "test.throwing", THROWING, where="nothing", listen=address)
        with connect(address) as client:
            client.sendall(b"echo")
            self.assertEqual(client.recv(4), b"echo")
        self.ends_well()

    def test_a_start_that_throws_after_it_listened_leaves_nobody_listening_when_the_node_starts_either(self):
        address = kept_address(self)
        entry = {"name": "storm", "id": "test.throwing", "path": THROWING, "required": False}
        extra = toml_section("[[plugin]]", entry) + toml_section("[plugin.config]", {"where": "start", "listen": address})
        with Node(BUILD, admin={}, extra=extra) as node:
            state = next(one for one in Admin(node).get("/v1/plugins")["plugins"] if one["instance"] == "storm")
            self.assertEqual(state["state"], "failed", state)
            with self.assertRaises(ConnectionRefusedError):
                connect(address)
            self.assertNotIn(address, json.dumps(Admin(node).get("/v1/node")["listeners"]))

    def test_a_connection_whose_handler_throws_is_closed_and_the_log_names_the_plugin(self):
        self.admin.loaded("storm", "test.throwing", THROWING, where="received", listen="127.0.0.1:0")
        for _ in range(3):
            with connect(self.admin.address("storm")) as client:
                client.sendall(b"x")
                self.assertEqual(client.recv(1), b"")
        self.ends_well()
        self.assertRegex(self.node.log(), r"storm: connection closed: its handler threw.*thrown by received")

    def test_a_stop_that_throws_ends_in_the_log_when_it_is_unloaded_and_when_the_node_stops(self):
        for name in "storm", "gale":
            self.admin.loaded(name, "test.throwing", THROWING, where="stop", listen="127.0.0.1:0")
        address = self.admin.address("storm")
        self.assertEqual(self.admin("DELETE", "/v1/plugins/storm")[0], 204)
        with self.assertRaises(ConnectionRefusedError):
            connect(address)  # the plugin never stopped listening; the node did
        self.ends_well()
        for name in "storm", "gale":
            self.assertRegex(self.node.log(), rf"{name}: the plugin threw.*function=stop.*thrown by stop")


class Access(unittest.TestCase):
    def test_loading_is_an_action_of_its_own_for_the_rules_and_the_audit_log(self):
        rules = toml_section("[[rule]]", {"roles": ["modules"], "admin": ["modules.*", "node.*"]})
        rules += toml_section("[[rule]]", {"roles": ["plugins"], "admin": ["plugins.*", "node.*"]})
        rules += plugin("door", "orbit.protocol.admin", listen="127.0.0.1:0", token="other", token_roles=["plugins"])
        with Node(BUILD, admin={"token": "secret", "token_roles": ["modules"]}, extra=rules) as node:
            some = Admin(node, "secret")
            entry = {"name": "more", "id": RESP, "config": {"listen": "127.0.0.1:0", "types": "more"}}
            status, problem = some("POST", "/v1/plugins", entry)
            self.assertEqual((status, problem["code"]), (403, "PERMISSION_DENIED"), problem)
            self.assertEqual(some("DELETE", "/v1/plugins/redis")[0], 403)
            self.assertNotIn("more", [one["instance"] for one in some.get("/v1/plugins")["plugins"]])
            self.assertEqual(Admin(node)("POST", "/v1/plugins", entry)[0], 401)
            client = http.client.HTTPConnection(node.listeners["door"], timeout=PATIENCE_S)
            for method, path, body, expected in (("POST", "/v1/plugins", json.dumps(entry), 200), ("DELETE", "/v1/plugins/more", None, 204)):
                client.request(method, path, body, {"Content-Type": "application/json", "Authorization": "Bearer other"})
                answer = client.getresponse()
                self.assertEqual((answer.status, answer.read()[:0]), (expected, b""))
            node.stop()
            self.assertRegex(node.log(), r"audit: .*plugins\.loadPlugin")
            self.assertRegex(node.log(), r"audit: .*plugins\.unloadPlugin.*more")

    def test_rules_name_the_types_of_a_redis_by_its_own_word(self):
        rules = toml_section("[access]", {"anonymous_roles": ["nobody"]})
        rules += toml_section("[[rule]]", {"roles": ["nobody"], "types": ["cache.db0"]})
        rules += toml_section("[[rule]]", {"roles": ["nobody"], "types": ["redis.channels"]})
        with Node(BUILD, admin={"token": "secret"}, extra=rules) as node:
            Admin(node, "secret").loaded("cache", RESP, listen="127.0.0.1:0", types="cache")
            address, first = Admin(node, "secret").address("cache"), node.listeners["redis"]
            self.assertEqual(redis(address, "SET", "k", "v"), "OK")
            self.assertRegex(redis(first, "SET", "k", "v"), "^NO(AUTH|PERM)")
            self.assertEqual(redis(first, "PUBLISH", "c", "m"), "0")
            self.assertRegex(redis(address, "PUBLISH", "c", "m"), "^NO(AUTH|PERM)")

    def test_the_word_of_a_redis_is_a_word(self):
        with Node(BUILD, admin={}) as node:
            for word in "", "a.b", "x" * 65:
                status, problem = Admin(node).load("cache", RESP, listen="127.0.0.1:0", types=word)
                self.assertEqual(status, 400, problem)
                self.assertIn("expected 1 to 64 letters, digits, '_' or '-', found '" + word, problem["detail"])


if __name__ == "__main__":
    unittest.main()
