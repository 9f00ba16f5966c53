#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Who gets in, over what, and to do what: a real node with TLS and access control, and the clients that people use (openssl,
redis-cli, curl). ORBIT_BUILD names the build tree."""

import base64
import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from certificates import Authority, Issuer  # noqa: E402
from orbit_node import PATIENCE_S, Node, plugin, toml_section  # noqa: E402

BUILD = os.environ.get("ORBIT_BUILD", "build/release")
SANITIZED = bool(os.environ.get("ORBIT_SANITIZE"))  # its allocator keeps freed memory aside
ORBITD = str(Path(BUILD).resolve() / "bin/orbitd")


def run(*command, text=None, check=False):
    return subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S,
                          check=check)


def hashed(option, secret):
    return run(ORBITD, option, text=secret + "\n", check=True).stdout.strip()


def cheaply_hashed(password):
    """As `orbitd --hash-password` does it, with less work."""
    salt = os.urandom(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=2**10, r=8, p=1, dklen=32)
    texts = [base64.b64encode(data).rstrip(b"=").decode() for data in (salt, digest)]
    return "$scrypt$ln=10,r=8,p=1$" + "$".join(texts)


def eventually(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {PATIENCE_S} s still not: {what}")
        time.sleep(0.05)  # a poll with a deadline, not a guess


class Redis:
    """redis-cli's answers, one command a call or several in one connection."""

    def __init__(self, node, *options):
        self.command = ["redis-cli", "-h", "127.0.0.1", "-p", str(node.port), *options]

    def __call__(self, *args):
        return run(*self.command, *args).stdout.strip()

    def lines(self, *commands):
        return run(*self.command, text="\n".join(commands) + "\n").stdout.strip().split("\n")


class WithFolder(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="orbit-access-")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = Path(cls.temporary.name)

    @classmethod
    def start(cls, **options):
        node = Node(BUILD, **options)
        cls.addClassCleanup(cls.end, node)
        return node

    @staticmethod
    def end(node):
        try:
            node.stop()
        finally:
            node.close()


class WithTls(WithFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority = Authority(cls.folder)
        cls.certificate, cls.key = cls.authority.sign("server", "node.test", "DNS:node.test,IP:127.0.0.1")
        cls.ca = cls.authority.pem("authority")
        cls.tls = {"tls.certificate": cls.certificate, "tls.key": cls.key}

    def s_client(self, port, *options, text=""):
        return run("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", self.ca, "-verify_return_error",
                   *options, text=text)


class Tls(WithTls):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.node = cls.start(resp=cls.tls | {"tls.handshake_timeout_ms": 1000}, admin=cls.tls)

    def test_openssl_gets_in_with_both_versions_and_no_older_one(self):
        for version in ("-tls1_2", "-tls1_3"):
            result = self.s_client(self.node.port, version, "-quiet", text="PING\r\nQUIT\r\n")
            self.assertEqual(result.stdout.replace("\r", ""), "+PONG\n+OK\n", result.stderr)
        for version in ("-tls1", "-tls1_1"):
            result = self.s_client(self.node.port, version, "-cipher", "ALL@SECLEVEL=0", text="PING\r\n")
            self.assertNotEqual(result.returncode, 0)
            self.assertNotIn("+PONG", result.stdout)

    def test_redis_cli_and_curl_speak_tls(self):
        redis = Redis(self.node, "--tls", "--cacert", self.ca)
        value = "x" * 100_000
        self.assertEqual(redis("set", "big", value), "OK")
        self.assertEqual(redis("get", "big"), value)
        answer = run("curl", "-sS", "--cacert", self.ca, f"https://127.0.0.1:{self.node.admin_port}/v1/node")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        listeners = {entry["plugin"]: entry for entry in json.loads(answer.stdout)["listeners"]}
        self.assertTrue(listeners["redis"]["tls"])
        self.assertEqual(listeners["redis"]["open_to"], "this machine only; TLS; no credentials asked, everything allowed")

    def test_clients_refuse_another_name_and_an_unknown_authority(self):
        result = self.s_client(self.node.port, "-verify_hostname", "other.test")
        self.assertIn("hostname mismatch", (result.stdout + result.stderr).lower())
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(self.s_client(self.node.port, "-verify_hostname", "node.test", text="QUIT\r\n").returncode, 0)
        other = Authority(self.folder, "other")
        answer = run("curl", "-sS", "--cacert", other.pem("other"), f"https://127.0.0.1:{self.node.admin_port}/v1/node")
        self.assertEqual(answer.returncode, 60, answer.stderr)  # curl: the peer's certificate cannot be authenticated

    def test_clients_refuse_an_expired_certificate(self):
        certificate, key = self.authority.sign("expired", "node.test", "DNS:node.test,IP:127.0.0.1", days=-1)
        node = self.start(resp={"tls.certificate": certificate, "tls.key": key})
        result = self.s_client(node.port)
        self.assertIn("certificate has expired", result.stdout + result.stderr)
        self.assertNotEqual(result.returncode, 0)
        self.assertNotEqual(Redis(node, "--tls", "--cacert", self.ca)("ping"), "PONG")

    def test_plain_text_gets_no_further_than_the_handshake(self):
        with self.node.connect() as client:
            client.sendall(b"*1\r\n$4\r\nPING\r\n")
            client.shutdown(socket.SHUT_WR)
            answer = b""
            while part := client.recv(4096):
                answer += part
        self.assertNotIn(b"PONG", answer)
        answer = run("curl", "-sS", f"http://127.0.0.1:{self.node.admin_port}/v1/node")
        self.assertNotEqual(answer.returncode, 0)

    def test_a_half_open_handshake_ends_after_its_time(self):
        with self.node.connect() as client:
            client.sendall(b"\x16\x03\x01\x02\x00\x01")
            self.assertEqual(client.recv(1), b"")

    def test_idle_connections_cost_little_and_give_back_what_they_had(self):
        context = ssl.create_default_context(cafile=self.ca)
        count = 300
        before_kb = self.node.status("VmRSS")
        clients = []
        for _ in range(count):
            client = context.wrap_socket(self.node.connect(), server_hostname="node.test")
            client.sendall(b"*2\r\n$4\r\nECHO\r\n$8192\r\n" + b"x" * 8192 + b"\r\n")
            size = len("$8192\r\n") + 8192 + 2
            while size > 0:
                size -= len(client.recv(size))
            clients.append(client)
        each_kb = (self.node.status("VmRSS") - before_kb) / count
        print(f"an idle TLS connection: {each_kb:.1f} KB", file=sys.stderr)
        for client in clients:
            client.close()
        if not SANITIZED:
            self.assertLess(each_kb, 64)

    def test_renegotiation_is_refused(self):
        result = self.s_client(self.node.port, "-tls1_2", text="R\nPING\r\n")
        self.assertIn("no renegotiation", result.stdout + result.stderr)
        self.assertNotIn("+PONG", result.stdout)


class Listeners(WithTls):
    """Every kind of listener, and orbitctl as a client: old versions, expired certificates and those of other hosts."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.good = cls.serve(cls.tls)
        cls.bad = {}
        for name, san, days in (("expired", "DNS:node.test,IP:127.0.0.1", -1), ("elsewhere", "DNS:other.test", 30)):
            certificate, key = cls.authority.sign(name, name, san, days=days)
            cls.bad[name] = cls.serve({"tls.certificate": certificate, "tls.key": key})
        other = Authority(cls.folder, "stranger")
        certificate, key = other.sign("unknown", "node.test", "DNS:node.test,IP:127.0.0.1")
        cls.bad["unknown"] = cls.serve({"tls.certificate": certificate, "tls.key": key})

    @classmethod
    def serve(cls, tls):
        wires = "".join(plugin(name, f"orbit.protocol.{name}", listen="127.0.0.1:0", **tls) for name in ("rest", "mcp", "grpc"))
        return cls.start(resp=tls, admin=tls, extra=wires)

    def handshake(self, address, host="127.0.0.1"):
        context = ssl.create_default_context(cafile=self.ca)
        context.set_alpn_protocols(["h2", "http/1.1"])
        name, port = address.rsplit(":", 1)
        with socket.create_connection((name, int(port)), timeout=PATIENCE_S) as plain:
            with context.wrap_socket(plain, server_hostname=host) as client:
                return client.version()

    def test_each_listener_takes_new_versions_and_no_old_one(self):
        self.assertEqual(sorted(self.good.listeners), ["admin", "grpc", "mcp", "redis", "rest"])
        for wire, address in self.good.listeners.items():
            self.assertIn(self.handshake(address), ("TLSv1.2", "TLSv1.3"), wire)
            for version, works in (("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False), ("-tls1", False)):
                result = run("openssl", "s_client", "-connect", address, "-CAfile", self.ca, "-verify_return_error", version,
                             "-alpn", "h2,http/1.1", "-cipher", "ALL@SECLEVEL=0", text="")
                self.assertEqual("Verify return code: 0 (ok)" in result.stdout and "Cipher is (NONE)" not in result.stdout, works,
                                 f"{wire} {version}: {result.stdout} {result.stderr}")

    def test_a_client_refuses_each_listener_with_a_bad_certificate(self):
        for name, node in self.bad.items():
            for wire, address in node.listeners.items():
                with self.assertRaises(ssl.SSLCertVerificationError, msg=f"{wire} {name}"):
                    self.handshake(address)

    def orbitctl(self, node, *words, wire="admin", path="", ca=True, text=None):
        return run(Path(BUILD).resolve() / "bin/orbitctl", *words, "--url", f"https://{node.listeners[wire]}{path}",
                   *(("--ca", self.ca) if ca else ()), text=text)

    MCP = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}) + "\n"

    def test_orbitctl_speaks_https_with_a_good_node(self):
        for words in (("status",), ("plugins",), ("ready",), ("metrics",), ("access", "list")):
            result = self.orbitctl(self.good, *words)
            self.assertEqual((result.returncode, result.stderr), (0, ""), words)
        answer = self.orbitctl(self.good, "mcp", wire="mcp", path="/mcp", text=self.MCP)
        self.assertEqual(json.loads(answer.stdout)["result"]["protocolVersion"], "2025-11-25", answer.stderr)

    def test_orbitctl_refuses_a_bad_certificate_and_says_what_may_be_wrong(self):
        cases = [(node, True) for node in self.bad.values()] + [(self.good, False)]  # without --ca nobody knows the authority
        for node, ca in cases:
            result = self.orbitctl(node, "status", ca=ca)
            self.assertEqual(result.returncode, 3, result.stdout)
            self.assertIn("certificate verify failed", result.stderr)
            self.assertIn("--ca", result.stderr)
            answer = self.orbitctl(node, "mcp", wire="mcp", path="/mcp", ca=ca, text=self.MCP)
            self.assertIn("certificate verify failed", json.loads(answer.stdout)["error"]["message"])

    def test_orbitctl_refuses_an_old_version_and_files_that_are_none(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        context.set_ciphers("ALL@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        failures = []

        def accept(listener):
            client, _ = listener.accept()
            try:
                context.wrap_socket(client, server_side=True).close()
            except OSError as error:
                failures.append(error)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=accept, args=(listener,))
            thread.start()
            result = run(Path(BUILD).resolve() / "bin/orbitctl", "status", "--ca", self.ca, "--url",
                         f"https://127.0.0.1:{listener.getsockname()[1]}")
            thread.join()
        self.assertEqual(result.returncode, 3, result.stdout)
        self.assertIn("no TLS with the node", result.stderr)
        self.assertEqual(len(failures), 1)
        for options, what in ((("--ca", "/none.pem"), "--ca '/none.pem'"), (("--cert", self.certificate), "--cert and --key belong together"),
                              (("--cert", "/none.pem", "--key", self.key), "--cert '/none.pem'")):
            result = self.orbitctl(self.good, "status", *options, ca=False)
            self.assertEqual(result.returncode, 2, result.stdout)
            self.assertIn(what, result.stderr)


class ClientCertificates(WithTls):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        certificates = plugin("certificates", "orbit.access.tls_client", principals=["alice -> reader"])
        rule = toml_section("[[rule]]", {"roles": ["reader"], "types": ["redis.db0"], "read_only": True})
        admin_rule = toml_section("[[rule]]", {"roles": ["reader"], "admin": ["*"], "read_only": True})
        mutual = cls.tls | {"tls.client_ca": cls.ca}
        cls.node = cls.start(resp=mutual, admin=mutual | {"tls.client_certificate": "optional"},
                             extra=certificates + rule + admin_rule)
        cls.authority.sign("alice", "alice")
        cls.authority.sign("mallory", "mallory")
        cls.authority.sign("late", "alice", days=-1)
        cls.foreign = Authority(cls.folder, "foreign")
        cls.foreign.sign("foreign-alice", "alice")

    def redis(self, name):
        return Redis(self.node, "--tls", "--cacert", self.ca, "--cert", self.authority.pem(name), "--key", self.authority.key(name))

    def curl(self, path, *options):
        return run("curl", "-sS", "--cacert", self.ca, *options, f"https://127.0.0.1:{self.node.admin_port}{path}")

    def test_the_certificate_says_who_it_is_and_the_rules_what_that_one_may(self):
        redis = self.redis("alice")
        self.assertEqual(redis("acl", "whoami"), "alice")
        self.assertEqual(redis("get", "x"), "")
        self.assertEqual(redis("set", "x", "1"), "NOPERM 'alice' may not call set of redis.db0 'x'")

    def test_no_certificate_or_a_bad_one_does_not_get_in(self):
        self.assertNotEqual(Redis(self.node, "--tls", "--cacert", self.ca)("ping"), "PONG")
        for name in ("late", "foreign-alice"):
            self.assertNotEqual(self.redis(name)("ping"), "PONG", name)

    def test_a_good_certificate_of_somebody_unlisted_is_nobody(self):
        self.assertEqual(self.redis("mallory")("get", "x"), "NOAUTH Authentication required.")

    def test_where_it_is_optional_http_asks_who_it_is(self):
        alice = ("--cert", self.authority.pem("alice"), "--key", self.authority.key("alice"))
        self.assertEqual(json.loads(self.curl("/v1/node", *alice).stdout)["state"], "ready")
        ctl = run(Path(BUILD).resolve() / "bin/orbitctl", "status", "--json", "--url", f"https://127.0.0.1:{self.node.admin_port}",
                  "--ca", self.ca, *alice)
        self.assertEqual(json.loads(ctl.stdout)["state"], "ready", ctl.stderr)
        nobody = json.loads(self.curl("/v1/node").stdout)
        self.assertEqual(nobody["status"], 401)
        self.assertEqual(nobody["detail"], "nobody may not do node.getNode without credentials")


class Reload(WithTls):
    def served(self, node):
        result = self.s_client(node.port, text="QUIT\r\n")
        return [line for line in result.stdout.split("\n") if line.startswith("subject=")]

    def test_a_new_certificate_is_served_without_a_restart_and_nobody_is_cut_off(self):
        node = self.start(resp=self.tls)
        self.assertEqual(self.served(node), ["subject=CN = node.test"])
        stop = threading.Event()
        failures = []

        def load():
            redis = Redis(node, "--tls", "--cacert", self.ca)
            while not stop.is_set():
                if (answer := redis("ping")) != "PONG":
                    failures.append(answer)

        # A connection from before, and new ones all the time.
        before = subprocess.Popen([*Redis(node, "--tls", "--cacert", self.ca).command], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        before.stdin.write("ping\n")
        before.stdin.flush()
        self.assertEqual(before.stdout.readline(), "PONG\n")
        thread = threading.Thread(target=load)
        thread.start()
        try:
            self.replace("second", "second.test")  # seen by the node itself
            eventually(lambda: self.served(node) == ["subject=CN = second.test"], "the second certificate is served")
            self.replace("third", "third.test")
            node.signal(signal.SIGHUP)
            eventually(lambda: self.served(node) == ["subject=CN = third.test"], "the third certificate is served")
        finally:
            stop.set()
            thread.join()
        out, _ = before.communicate("ping\n")
        self.assertEqual(out, "PONG\n")
        self.assertEqual(failures, [])

    def replace(self, name, common_name):
        certificate, key = self.authority.sign(name, common_name, "IP:127.0.0.1")
        os.rename(key, self.key)
        os.rename(certificate, self.certificate)


USERS = "users"


class Rules(WithFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.file = cls.folder / USERS
        cls.alice = cheaply_hashed("alice's")
        cls.file.write_text(f"# people\nalice:{cls.alice}:own,teller\nroot:{cheaply_hashed('root')}:admin\n"
                            f"reader:{cheaply_hashed('reads')}:reader\n")
        rules = [
            {"roles": ["own"], "types": ["redis.db0"], "keys": ["{name}:*"]},
            {"roles": ["own"], "types": ["redis.channels"], "keys": ["news"], "methods": ["subscribe", "publish"]},
            {"roles": ["reader"], "types": ["redis.*"], "read_only": True},
            {"roles": ["reader"], "types": ["redis.*"], "keys": ["secret*"], "effect": "deny"},
            {"roles": ["reader"], "admin": ["redis.info"]},
            {"roles": ["teller"], "types": ["bank.Account"], "keys": ["7"], "methods": ["Get*"]},
            {"roles": ["teller"], "types": ["bank.Account"], "keys": ["8"], "read_only": True},
        ]
        module = Path(BUILD).resolve() / "lib/orbit/modules/bank.so"
        cls.audit = cls.folder / "audit.json"
        cls.node = cls.start(
            extra=plugin("users", "orbit.access.user_file", file=cls.file) + "".join(toml_section("[[rule]]", rule) for rule in rules) +
            toml_section("[access]", {"audit_file": cls.audit, "remember_ms": 0}) + toml_section("[[module]]", {"path": module}))
        cls.nobody = Redis(cls.node)

    def as_user(self, name, password):
        return Redis(self.node, "--user", name, "--pass", password, "--no-auth-warning")

    def test_without_credentials_nobody_may_do_anything(self):
        for command in (("get", "x"), ("ping",), ("info",), ("subscribe", "news"), ("actor.types",), ("multi",)):
            self.assertEqual(self.nobody(*command), "NOAUTH Authentication required.", command)

    def test_a_wrong_password_and_an_unknown_user_are_told_the_same(self):
        wrong = "WRONGPASS invalid username-password pair or user is disabled."
        self.assertEqual(self.nobody("auth", "alice", "x"), wrong)
        self.assertEqual(self.nobody("auth", "nobody", "x"), wrong)
        self.assertEqual(self.nobody("auth", "x"), wrong)
        self.assertEqual(self.nobody("hello", "3", "auth", "alice", "x"), wrong)

    def test_keys_with_ones_own_name_are_ones_own(self):
        redis = self.as_user("alice", "alice's")
        self.assertEqual(redis("acl", "whoami"), "alice")
        self.assertEqual(redis("set", "alice:1", "a"), "OK")
        self.assertEqual(redis("mset", "alice:2", "b", "alice:3", "c"), "OK")
        denied = "NOPERM 'alice' may not call {} of redis.db0 '{}'"
        self.assertEqual(redis("get", "bob:1"), denied.format("get", "bob:1"))
        self.assertEqual(redis("mget", "alice:1", "bob:1"), denied.format("mget", "bob:1"))
        self.assertEqual(redis("rename", "alice:1", "bob:1"), denied.format("rename", "bob:1"))
        self.assertEqual(redis("copy", "alice:1", "alice:9", "db", "1"), "NOPERM 'alice' may not call copy of redis.db1 'alice:9'")
        self.assertEqual(redis("move", "alice:1", "1"), "NOPERM 'alice' may not call move of redis.db1 'alice:1'")
        self.assertEqual(redis("blpop", "bob:1", "1"), denied.format("blpop", "bob:1"))
        self.assertEqual(redis("zunionstore", "alice:z", "2", "alice:1", "bob:1"), denied.format("zunionstore", "bob:1"))
        self.assertEqual(redis("sort", "alice:l", "by", "bob:*"), denied.format("sort", "*"))
        for whole in (("keys", "*"), ("scan", "0"), ("randomkey",), ("dbsize",), ("flushdb",)):
            self.assertEqual(redis(*whole), denied.format(whole[0], "*"))
        self.assertEqual(redis("publish", "news", "x"), "0")
        self.assertEqual(redis("publish", "other", "x"), "NOPERM 'alice' may not call publish of redis.channels 'other'")
        self.assertEqual(redis("info"), "NOPERM 'alice' may not do redis.info")
        self.assertEqual(redis("config", "set", "timeout", "1"), "NOPERM 'alice' may not do redis.config.set on 'timeout'")
        self.assertEqual(redis("client", "kill", "id", "1"), "NOPERM 'alice' may not do redis.client.kill on 'id'")

    def test_a_transaction_is_checked_command_by_command_in_the_database_it_has_come_to(self):
        redis = self.as_user("alice", "alice's")
        self.assertEqual(redis.lines("MULTI", "SET alice:t 1", "GET bob:t", "EXEC"),
                         ["OK", "QUEUED", "NOPERM 'alice' may not call get of redis.db0 'bob:t'", "",
                          "EXECABORT Transaction discarded because of previous errors."])
        out = redis.lines("MULTI", "SELECT 1", "GET alice:t", "DISCARD")
        self.assertIn("NOPERM 'alice' may not call get of redis.db1 'alice:t'", out)
        self.assertEqual(redis("exists", "alice:t"), "0")

    def test_a_denying_rule_counts_more_and_read_only_is_what_it_says(self):
        redis = self.as_user("reader", "reads")
        self.assertEqual(redis("get", "x"), "")
        self.assertEqual(redis("get", "secret1"), "NOPERM 'reader' may not call get of redis.db0 'secret1'")
        self.assertEqual(redis("set", "x", "1"), "NOPERM 'reader' may not call set of redis.db0 'x'")
        self.assertEqual(redis("getdel", "x"), "NOPERM 'reader' may not call getdel of redis.db0 'x'")
        self.assertIn("redis_version", redis("info"))

    def test_actors_of_modules_have_the_same_rules_and_their_types_say_what_is_read_only(self):
        redis = self.as_user("alice", "alice's")
        self.assertIn("cents", redis("actor.call", "bank.Account", "7", "GetBalance") + '"cents"')
        self.assertTrue(redis("actor.call", "bank.Account", "8", "GetBalance").startswith("{"))
        self.assertEqual(redis("actor.call", "bank.Account", "7", "Deposit", '{"cents":1}'),
                         "NOPERM 'alice' may not call Deposit of bank.Account '7'")
        self.assertEqual(redis("actor.call", "bank.Account", "8", "Deposit", '{"cents":1}'),
                         "NOPERM 'alice' may not call Deposit of bank.Account '8'")
        self.assertEqual(redis("actor.list", "bank.Account"), "NOPERM 'alice' may not call list of bank.Account '*'")
        root = self.as_user("root", "root")
        self.assertIn('"cents"', root("actor.call", "bank.Account", "9", "Deposit", '{"cents":1}'))

    def test_a_hash_of_the_usual_work_lets_in(self):
        self.file.write_text(self.file.read_text() + f"usual:{hashed('--hash-password', 'usual')}:reader\n")
        self.assertEqual(self.as_user("usual", "usual")("acl", "whoami"), "usual")

    def test_users_come_and_go_with_their_file(self):
        self.file.write_text(self.file.read_text() + f"late:{cheaply_hashed('late')}:reader\n")
        self.assertEqual(self.as_user("late", "late")("acl", "whoami"), "late")
        self.assertIn("late", self.as_user("root", "root")("acl", "users").split("\n"))
        self.assertIn("user late on @reader", self.as_user("root", "root")("acl", "list").split("\n"))
        self.file.write_text("\n".join(line for line in self.file.read_text().split("\n") if not line.startswith("late")))
        self.assertIn("WRONGPASS", self.nobody("auth", "late", "late"))
        self.file.write_text(self.file.read_text() + "\nbroken line\n")
        self.assertEqual(self.as_user("reader", "reads")("acl", "whoami"), "reader")
        self.file.write_text(self.file.read_text().replace("\nbroken line\n", ""))

    def test_what_was_denied_is_in_the_audit_log(self):
        redis = self.as_user("alice", "alice's")
        redis("get", "bob:audit")
        self.nobody("auth", "eve", "x")
        self.as_user("root", "root")("config", "set", "timeout", "0")

        def logged(**fields):
            return any(all(line.get(name) == value for name, value in fields.items())
                       for line in map(json.loads, self.audit.read_text().splitlines()))

        eventually(lambda: logged(message="denied", principal="alice", type="redis.db0", key="bob:audit", method="get", wire="redis"),
                   "the denied call is logged")
        eventually(lambda: logged(message="credentials refused", name="eve", mechanism="password"), "bad credentials are logged")
        eventually(lambda: logged(message="administrative action", principal="root", action="redis.config.set", target="timeout"),
                   "the administrative action is logged")


class Tokens(WithFolder):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.issuer = Issuer(cls.folder)
        cls.jwks = cls.folder / "jwks.json"
        cls.jwks.write_text(json.dumps({"keys": [cls.issuer.jwk()]}))
        file = cls.folder / USERS
        file.write_text(f"ci:{hashed('--hash-token', 'ci-token')}:deployer\n")
        rules = [{"roles": ["deployer"], "admin": ["modules.*", "node.*"]},
                 {"roles": ["viewer"], "admin": ["*"], "read_only": True}]
        cls.node = cls.start(
            admin={"token": "the-admin-token"},
            extra=plugin("users", "orbit.access.user_file", file=file) +
            plugin("jwt", "orbit.access.jwt", jwks=cls.jwks, issuer="https://login.test/", audiences=["orbit"],
                   roles_claim="realm.roles") + "".join(toml_section("[[rule]]", rule) for rule in rules) +
            toml_section("[access]", {"remember_ms": 0}))

    def ask(self, method, path, token=None, body=None):
        command = ["curl", "-sS", "-X", method, "-w", "\n%{http_code}", f"http://127.0.0.1:{self.node.admin_port}{path}"]
        if token is not None:
            command += ["-H", f"Authorization: Bearer {token}"]
        if body is not None:
            command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        *lines, status = run(*command).stdout.split("\n")
        return int(status), "\n".join(lines)

    def claims(self, **more):
        return {"sub": "victor", "iss": "https://login.test/", "aud": ["orbit"], "exp": int(time.time()) + 300,
                "realm": {"roles": ["viewer", "admin"]}} | more

    def test_the_configured_token_is_a_principal_that_may_do_everything(self):
        self.assertEqual(self.ask("GET", "/v1/node", "the-admin-token")[0], 200)
        self.assertEqual(self.ask("PUT", "/v1/log/levels", "the-admin-token", {"default": "info"})[0], 200)

    def test_nobody_and_a_wrong_token_are_refused_but_probes_are_open(self):
        self.assertEqual(self.ask("GET", "/v1/node")[0], 401)
        self.assertEqual(self.ask("GET", "/v1/node", "wrong")[0], 401)
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)

    def test_a_stored_token_has_its_roles(self):
        self.assertEqual(self.ask("GET", "/v1/node", "ci-token")[0], 200)
        status, body = self.ask("GET", "/v1/activations", "ci-token")
        self.assertEqual(status, 403)
        self.assertEqual(json.loads(body)["detail"], "'ci' may not do actors.listActivations")

    def test_a_signed_token_is_believed_and_what_is_wrong_with_one_is_not_told(self):
        good = self.issuer.token(self.claims())
        self.assertEqual(self.ask("GET", "/v1/node", good)[0], 200)
        # The claim's role "admin" does not count unless the configuration says so.
        self.assertEqual(self.ask("PUT", "/v1/log/levels", good, {"default": "info"})[0], 403)
        other = Issuer(self.folder, "k2")
        now = int(time.time())
        for name, token in {
                "expired": self.issuer.token(self.claims(exp=now - 300)),
                "not yet": self.issuer.token(self.claims(nbf=now + 300)),
                "no expiry": self.issuer.token({name: value for name, value in self.claims().items() if name != "exp"}),
                "issuer": self.issuer.token(self.claims(iss="https://evil.test/")),
                "audience": self.issuer.token(self.claims(aud="somebody else")),
                "key": other.token(self.claims()),
                "none": self.issuer.token(self.claims(), alg="none"),
                "HS256": self.issuer.token(self.claims(), alg="HS256"),
                "changed": good[:-10] + ("A" * 10),
        }.items():
            status, body = self.ask("GET", "/v1/node", token)
            self.assertEqual((name, status), (name, 401))
            self.assertEqual(json.loads(body)["detail"], "the credentials are wrong or have expired")

    def test_a_signed_token_is_revoked_by_its_id_or_by_its_hash(self):
        named, unnamed = self.issuer.token(self.claims(jti="t-17")), self.issuer.token(self.claims())
        digest = "sha256:" + hashlib.sha256(unnamed.encode()).hexdigest()
        for token, value in ((named, "t-17"), (unnamed, digest)):
            self.assertEqual(self.ask("GET", "/v1/node", token)[0], 200)
            self.assertEqual(self.ask("PUT", f"/v1/access/revocations/token/{value}", "the-admin-token")[0], 204)
            self.assertEqual(self.ask("GET", "/v1/node", token)[0], 401)
            self.assertEqual(self.ask("DELETE", f"/v1/access/revocations/token/{value}", "the-admin-token")[0], 204)
            self.assertEqual(self.ask("GET", "/v1/node", token)[0], 200)

    def test_new_keys_count_when_their_file_changes(self):
        other = Issuer(self.folder, "k3")
        token = other.token(self.claims())
        self.assertEqual(self.ask("GET", "/v1/node", token)[0], 401)
        self.jwks.write_text(json.dumps({"keys": [self.issuer.jwk(), other.jwk()]}))
        self.assertEqual(self.ask("GET", "/v1/node", token)[0], 200)

    def test_a_call_of_an_actor_is_refused_in_the_words_of_every_wire(self):
        status, body = self.ask("POST", "/v1/actors/bank.Account/7/Deposit", "ci-token", {"cents": 1})
        self.assertEqual(status, 403)
        self.assertEqual(json.loads(body)["detail"], "'ci' may not call Deposit of bank.Account '7'")


class Revocation(WithFolder):
    """Who is logged in, and is not let in any more."""

    def setUp(self):
        self.file = self.folder / "users"
        self.lines = {"alice": f"alice:{cheaply_hashed('alice')}:teller", "root": f"root:{cheaply_hashed('root')}:admin",
                      "ci": f"ci:{hashed('--hash-token', 'ci-token')}:teller", "ops": f"ops:{hashed('--hash-token', 'ops-token')}:admin"}
        self.write()
        rules = [{"roles": ["teller"], "types": ["*"], "methods": ["*"]}]
        wires = plugin("rest", "orbit.protocol.rest", listen="127.0.0.1:0") + plugin("mcp", "orbit.protocol.mcp", listen="127.0.0.1:0")
        modules = Path(BUILD).resolve() / "lib/orbit/modules"
        self.settings = dict(
            node={"data_dir": self.folder / self._testMethodName},
            admin={}, extra=plugin("users", "orbit.access.user_file", file=self.file) + wires +
            "".join(toml_section("[[rule]]", rule) for rule in rules) +
            "".join(toml_section("[[module]]", {"path": modules / f"{name}.so"}) for name in ("bank", "chat")))
        self.node = self.start(**self.settings)

    def write(self, **changed):
        beside = self.folder / "users.new"
        beside.write_text("\n".join(line for line in (self.lines | changed).values() if line) + "\n")
        os.rename(beside, self.file)

    def url(self, wire, path):
        return f"http://{self.node.listeners[wire]}{path}"

    def curl(self, *options):
        *lines, status = run("curl", "-sS", "-w", "\n%{http_code}", *options).stdout.split("\n")
        return int(status), "\n".join(lines)

    def admin(self, method, path, *, user="root:root"):
        return self.curl("-X", method, "-u", user, self.url("admin", path))

    def log_in(self, *words):
        client = self.node.connect()
        replies = client.makefile("rb")

        def ask(*command):
            client.sendall("".join([f"*{len(command)}\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in command)]).encode())
            return replies.readline().decode().strip()

        self.addCleanup(client.close)
        self.assertEqual(ask("AUTH", *words), "+OK")
        return ask

    def test_a_connection_that_has_logged_in_loses_it_when_its_user_goes_and_another_ones_stays(self):
        alice, token, root = self.log_in("alice", "alice"), self.log_in("ci-token"), self.log_in("root", "root")
        self.assertEqual(alice("SET", "x", "1"), "+OK")
        self.assertEqual(token("SET", "x", "1"), "+OK")
        self.write(alice=None)
        self.assertEqual(self.admin("POST", "/v1/access/reload")[0], 204)
        self.assertEqual(alice("SET", "x", "1"), "-NOAUTH Authentication required.")
        self.assertEqual(token("SET", "x", "1"), "+OK")
        self.assertEqual(root("SET", "x", "1"), "+OK")
        # So it does when its roles are others, or its token is; and the node sees that by itself.
        self.write(ci=f"ci:{hashed('--hash-token', 'another')}:teller", root=self.lines["root"].replace(":admin", ":teller"))
        eventually(lambda: token("SET", "x", "1").startswith("-NOAUTH"), "the old token counts no more")
        self.assertTrue(root("SET", "x", "1").startswith("-NOAUTH"))

    def test_a_subscriber_gets_nothing_more_and_is_let_go(self):
        client = self.node.connect()
        self.addCleanup(client.close)
        replies = client.makefile("rb")
        client.sendall(b"AUTH alice alice\r\nSUBSCRIBE news\r\n")
        while replies.readline().strip() != b":1":
            pass
        root = self.log_in("root", "root")
        self.assertEqual(root("PUBLISH", "news", "one"), ":1")
        self.assertIn(b"one", b"".join(replies.readline() for _ in range(7)))
        self.assertEqual(self.admin("PUT", "/v1/access/revocations/user/alice")[0], 204)
        root("PUBLISH", "news", "two")
        self.assertEqual(replies.read(), b"")

    def test_streams_end_and_say_why_when_their_caller_is_revoked(self):
        with subprocess.Popen(["curl", "-sSN", "-u", "alice:alice", self.url("rest", "/v1/streams/chat.ChatMessage%2Fr?from=1")],
                              stdout=subprocess.PIPE, text=True) as events:
            self.assertEqual(events.stdout.readline(), ":\n")
            self.assertEqual(self.admin("PUT", "/v1/access/revocations/user/alice")[0], 204)
            # An event makes it look; so would the heartbeat.
            status, body = self.curl("-u", "root:root", "-H", "Content-Type: application/json", "-d", '{"author":"root","text":"hi"}',
                                     self.url("rest", "/v1/actors/chat.Room/r/Say"))
            self.assertEqual(status, 200, body)
            rest = events.stdout.read()
        self.assertIn("event: end", rest)
        self.assertIn("the credentials of 'alice' count no more", rest)
        self.assertNotIn("hi", rest)

    def test_a_revoked_user_and_token_are_refused_on_every_wire_over_a_restart_until_it_is_taken_back(self):
        call = lambda *who: self.curl(*who, self.url("rest", "/v1/actors/bank.Account/1/GetBalance"))[0]
        alice, ci = ("-u", "alice:alice"), ("-H", "Authorization: Bearer ci-token")
        token = "sha256:" + hashlib.sha256(b"ci-token").hexdigest()
        self.assertEqual([call(*alice), call(*ci)], [200, 200])
        self.assertEqual(self.admin("PUT", "/v1/access/revocations/user/alice")[0], 204)
        self.assertEqual([call(*alice), call(*ci)], [401, 200])
        self.assertEqual(self.admin("PUT", f"/v1/access/revocations/token/{token}")[0], 204)
        self.assertEqual([call(*alice), call(*ci)], [401, 401])
        self.assertIn("WRONGPASS", Redis(self.node)("auth", "alice", "alice"))
        self.assertIn("WRONGPASS", Redis(self.node)("auth", "ci-token"))
        listed = json.loads(self.admin("GET", "/v1/access/revocations")[1])["revocations"]
        self.assertEqual([(one["kind"], one["value"]) for one in listed], [("token", token), ("user", "alice")])
        self.node.stop()
        self.node = self.start(**self.settings)
        self.assertEqual([call(*alice), call(*ci)], [401, 401])
        self.assertEqual(self.admin("DELETE", "/v1/access/revocations/user/alice")[0], 204)
        self.assertEqual([call(*alice), call(*ci)], [200, 401])

    def test_who_may_not_administer_may_not_revoke(self):
        status, body = self.admin("PUT", "/v1/access/revocations/user/root", user="alice:alice")
        self.assertEqual(status, 403)
        self.assertEqual(json.loads(body)["detail"], "'alice' may not do access.revoke on 'user/root'")

    def test_guessing_is_slowed_down_and_the_guessed_one_gets_in_from_where_it_was(self):
        self.assertEqual(self.admin("GET", "/v1/node")[0], 200)  # root has logged in from here
        codes = [self.admin("GET", "/v1/node", user=f"alice:guess{number}")[0] for number in range(11)]
        self.assertEqual(codes, [401] * 10 + [429])
        self.assertIn("alice", json.loads(self.admin("GET", "/v1/node", user="alice:alice")[1])["detail"])
        codes = [self.admin("GET", "/v1/node", user=f"root:guess{number}")[0] for number in range(12)]
        self.assertEqual(codes, [401] * 12)
        self.assertEqual(self.admin("GET", "/v1/node")[0], 200)

    def test_lists_of_types_have_what_the_caller_may_call(self):
        def names(*who):
            status, body = self.curl(*who, self.url("rest", "/v1/actors"))
            self.assertEqual(status, 200)
            return [each["name"] for each in json.loads(body)["types"]]

        def paths(*who):
            return [path for path in json.loads(self.curl(*who, self.url("rest", "/openapi.json"))[1])["paths"] if "bank" in path]

        self.assertEqual(names(), [])
        self.assertEqual(paths(), [])
        self.assertIn("bank.Account", names("-u", "alice:alice"))
        self.assertIn("/v1/actors/bank.Account/{key}/Deposit", paths("-u", "alice:alice"))
        self.assertEqual(Redis(self.node, "--user", "alice", "--pass", "alice", "--no-auth-warning")("actor.types").count("bank.Account"), 1)


class Defaults(WithFolder):
    def configured(self, extra="", **resp):
        return "\n".join([
            toml_section("[node]", {"data_dir": self.folder / "node", "plugin_paths": [str(Path(BUILD).resolve() / "lib/orbit/plugins")]}),
            plugin("store", "orbit.storage.memory"), plugin("redis", "orbit.protocol.resp", **({"listen": "0.0.0.0:0"} | resp)), extra])

    def check(self, text):
        file = self.folder / "node.toml"
        file.write_text(text)
        return run(ORBITD, "--check-config", file)

    def test_nothing_is_open_to_other_machines_until_something_says_who_may(self):
        result = self.check(self.configured())
        self.assertEqual(result.returncode, 1)
        for word in ("'0.0.0.0:0' can be reached by other machines", "[[rule]]", "tls.certificate", "docs/access.md",
                     "listen on 127.0.0.1", "access.open_listeners = true"):
            self.assertIn(word, result.stderr)
        # And so does a node that is started.
        result = run(ORBITD, "--config", self.folder / "node.toml")
        self.assertEqual(result.returncode, 1)
        self.assertIn("'0.0.0.0:0' can be reached by other machines", result.stdout + result.stderr)

    def test_what_says_who_may_opens_it(self):
        rule = toml_section("[[rule]]", {"roles": ["x"], "types": ["*"]})
        certificate, key = Authority(self.folder).sign("server", "node.test", "DNS:node.test")
        for text in (self.configured(password="secret"), self.configured(rule), self.configured(listen="127.0.0.1:0"),
                     self.configured(toml_section("[access]", {"open_listeners": True})),
                     self.configured(**{"tls.certificate": certificate, "tls.key": key})):
            result = self.check(text)
            self.assertEqual(result.returncode, 0, result.stderr)

    def test_the_node_says_at_its_start_what_is_open_to_whom(self):
        node = self.start(resp={"listen": "0.0.0.0:0", "password": "secret"})
        self.assertIn("(open to: whoever reaches it; by the plugin's own password or token)", node.log())
        node = self.start()
        self.assertIn("(open to: this machine only; no credentials asked, everything allowed)", node.log())

    def test_a_password_that_alone_guards_a_listener_stays(self):
        def answers(port, *lines):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client, client.makefile("rb") as replies:
                client.sendall("".join(line + "\r\n" for line in lines).encode())
                return [replies.readline().decode().strip() for _ in lines]

        node = self.start(resp={"listen": "0.0.0.0:0", "password": "secret"})
        refused = answers(node.port, "AUTH secret", 'CONFIG SET requirepass ""')[1]
        self.assertIn("only the password guards it", refused)
        self.assertIn("NOAUTH", answers(node.port, "GET key")[0])
        self.assertEqual(answers(node.port, "AUTH secret", "CONFIG SET requirepass other"), ["+OK", "+OK"])
        # Where nobody else comes, it may go.
        node = self.start(resp={"password": "secret"})
        self.assertEqual(answers(node.port, "AUTH secret", 'CONFIG SET requirepass ""', "GET key"), ["+OK", "+OK", "$-1"])

    def test_rules_that_mean_nothing_are_mistakes(self):
        for rule, what in (({"roles": ["x"]}, "expected 'types' or 'admin'"),
                           ({"roles": [], "types": ["*"]}, "expected at least one role"),
                           ({"roles": ["x"], "types": ["*"], "keys": ["{nam}"]}, "expected {name} or"),
                           ({"roles": ["x"], "types": ["*"], "effect": "maybe"}, "'effect'")):
            result = self.check(self.configured(toml_section("[[rule]]", rule), listen="127.0.0.1:0"))
            self.assertEqual(result.returncode, 1)
            self.assertIn(what, result.stderr)


if __name__ == "__main__":
    unittest.main()
