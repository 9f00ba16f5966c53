# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""orbitd as a process: its exit codes, what it prints, its ready file and its signals.

usage: orbitd_test.py ORBITD FOLDER_OF_BROKEN_PLUGINS PLUGIN_FOLDER
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ORBITD, BROKEN, PLUGINS = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
PATIENCE_S = float(os.environ.get("ORBIT_TEST_PATIENCE_S", "60"))


class Orbitd(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="orbit-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def config(self, extra="", storage=True, node=""):
        text = f'[node]\nworkers = 1\ndata_dir = "{self.folder}/data"\nplugin_paths = ["{PLUGINS}"]\n{node}\n'
        if storage:
            text += '[[plugin]]\nname = "store"\nid = "orbit.storage.memory"\n'
        file = self.folder / "node.toml"
        file.write_text(text + extra)
        return str(file)

    def broken(self, kind, required=True):
        return (f'[[plugin]]\nname = "thing"\nid = "test.broken"\npath = "{BROKEN / kind}.so"\n'
                f"required = {str(required).lower()}\n")

    def run_to_end(self, *arguments, **more):
        return subprocess.run([ORBITD, *arguments], capture_output=True, text=True, timeout=PATIENCE_S, cwd=self.folder, **more)

    def start(self, config, *arguments):
        ready = self.folder / "ready.json"
        process = subprocess.Popen([ORBITD, "--config", config, "--ready-file", str(ready), *arguments], cwd=self.folder,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + PATIENCE_S
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                self.fail(f"the node is not ready: {process.communicate()}")
            time.sleep(0.01)  # a poll with a deadline
        return process, json.loads(ready.read_text())

    def test_version_and_usage(self):
        self.assertRegex(self.run_to_end("--version").stdout, r"^orbitd \d+\.\d+\.\d+\n$")
        self.assertEqual(self.run_to_end("--no-such-option").returncode, 2)
        self.assertEqual(self.run_to_end("--help").returncode, 0)

    def test_a_good_configuration_passes_the_check(self):
        done = self.run_to_end("--check-config", self.config())
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_check_tells_all_mistakes_of_the_node_and_of_plugins(self):
        file = self.config("[plugin.config]\nbytes_mx = 1\n[limits]\nmailbox_max = 0\n" + self.broken("wrong_major"))
        done = self.run_to_end("--check-config", file)
        self.assertEqual(done.returncode, 1)
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 3, done.stderr)
        self.assertRegex(lines[0], r"node\.toml:\d+:1: unknown key 'bytes_mx' .* did you mean 'bytes_max'\?$")
        self.assertRegex(lines[1], r"node\.toml:\d+:15: 'mailbox_max' in \[limits\]: expected 1 to 1000000, found 0$")
        self.assertRegex(lines[2], r"node\.toml:\d+:1: plugin 'thing': .*wrong_major\.so: found ABI major 9 .* expected 1$")
        started = self.run_to_end("--config", file)
        self.assertEqual((started.returncode, started.stderr), (1, done.stderr))

    def test_an_address_that_is_none_is_a_mistake(self):
        for listen in ("nonsense", "127.0.0.1", "127.0.0.1:http", "::1:7080"):
            admin = f'[[plugin]]\nname = "api"\nid = "orbit.protocol.admin"\n[plugin.config]\nlisten = "{listen}"\n'
            ended = self.run_to_end("--check-config", self.config(admin))
            self.assertEqual(ended.returncode, 1, listen)
            self.assertIn(f"'listen' of the plugin 'api': address '{listen}'", ended.stderr)
            self.assertIn("expected host:port such as 127.0.0.1:6379 or [::1]:6379", ended.stderr)

    def check_lines(self, extra):
        """The mistakes of a file, each without the file's name, and the number of its last line."""
        file = self.config(extra)
        done = self.run_to_end("--check-config", file)
        self.assertEqual(done.returncode, 1, extra)
        return [line.split("node.toml:", 1)[1] for line in done.stderr.splitlines()], Path(file).read_text().count("\n")

    def test_mistakes_are_told_where_they_are(self):
        lines, last = self.check_lines('[[plugin]]\nname = "api"\nid = "orbit.protocol.admin"\n[plugin.config]\n\nlisten = "127.0.0.1:99999"\n')
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], rf"^{last}:10: 'listen' of the plugin 'api': ")
        lines, last = self.check_lines('[log]\nlevels = [\n  "foo",\n  "net=bar"]\n')
        self.assertEqual([line[:4 + len(str(last))] for line in lines], [f"{last - 1}:3: ", f"{last}:3: "])

    def test_a_plugin_without_a_name_hides_no_mistakes(self):
        lines, _ = self.check_lines('[[plugin]]\nid = "orbit.protocol.admin"\n[plugin.config]\nlistn = "x"\nconnections_max = -5\n')
        self.assertEqual(len(lines), 3, lines)
        self.assertIn("'name'", lines[0])
        self.assertIn("did you mean 'listen'?", lines[1])
        self.assertIn("'connections_max'", lines[2])

    def test_two_listeners_cannot_have_one_address(self):
        api = '[[plugin]]\nname = "{}"\nid = "orbit.protocol.admin"\n[plugin.config]\nlisten = "127.0.0.1:{}"\n'
        lines, last = self.check_lines(api.format("one", 7080) + api.format("other", 7080))
        self.assertEqual(lines, [f"{last}:10: 'listen' of the plugin 'other': 127.0.0.1:7080 is taken by the plugin 'one' (line {last - 9})"])
        self.assertEqual(self.run_to_end("--check-config", self.config(api.format("one", 0) + api.format("other", 0))).stderr, "")

    def test_tls_that_could_not_start_is_a_mistake(self):
        def certificate(name, *more):
            files = [str(self.folder / f"{name}.{what}") for what in ("pem", "key")]
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                            "2", "-subj", f"/CN={name}", "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
            return files
        mine, other = certificate("mine"), certificate("other")
        broken = self.folder / "broken.pem"
        broken.write_text("no certificate")

        def check(**tls):
            lines = "".join(f'tls.{key} = "{value}"\n' for key, value in tls.items())
            return self.run_to_end("--check-config", self.config(
                f'[[plugin]]\nname = "api"\nid = "orbit.protocol.admin"\n[plugin.config]\nlisten = "127.0.0.1:0"\n{lines}'))
        self.assertEqual(check(certificate=mine[0], key=mine[1], client_ca=other[0]).stderr, "")
        for tls, words in (
            ({"certificate": mine[0]}, "tls.certificate is set, but tls.key is not"),
            ({"certificate": "/nonexistent.pem", "key": mine[1]}, "/nonexistent.pem"),
            ({"certificate": mine[0], "key": "/nonexistent.key"}, "/nonexistent.key"),
            ({"certificate": mine[0], "key": other[1]}, other[1]),
            ({"certificate": broken, "key": mine[1]}, str(broken)),
            ({"certificate": mine[0], "key": mine[1], "client_ca": broken}, str(broken)),
        ):
            done = check(**tls)
            self.assertEqual(done.returncode, 1, tls)
            self.assertRegex(done.stderr, r"node\.toml:\d+:\d+: TLS of the plugin 'api': ")
            self.assertIn(words, done.stderr)

    def test_a_node_without_storage_is_told_so(self):
        done = self.run_to_end("--check-config", self.config(storage=False))
        self.assertEqual(done.returncode, 1)
        self.assertIn("no [[plugin]] provides orbit.storage/1", done.stderr)

    def test_a_file_that_is_not_there(self):
        self.assertEqual(self.run_to_end("--config", "/nonexistent.toml").returncode, 1)
        self.assertEqual(self.run_to_end("--check-config", "/nonexistent.toml").returncode, 1)

    def test_describe_has_text_and_json(self):
        described = json.loads(self.run_to_end("--describe", "--json", "--config", self.config()).stdout)
        self.assertIn("orbit.storage.memory", [plugin["id"] for plugin in described["plugins"]])
        self.assertIn("limits", [section["name"] for section in described["sections"]])
        text = self.run_to_end("--describe", "orbit.storage.memory", "--config", self.config()).stdout
        self.assertIn("bytes_max", text)
        self.assertNotIn("mailbox_max", text)
        self.assertEqual(self.run_to_end("--describe", "no.such", "--config", self.config()).returncode, 1)

    def test_a_node_becomes_ready_and_ends_well_on_either_signal(self):
        for number in signal.SIGTERM, signal.SIGINT:
            process, ready = self.start(self.config())
            self.assertEqual(ready, {"pid": process.pid, "listeners": []})
            process.send_signal(number)
            out, errors = process.communicate(timeout=PATIENCE_S)
            self.assertEqual(process.returncode, 0, errors)
            self.assertIn("is ready", out)
            self.assertIn("stopped", errors)
            (self.folder / "ready.json").unlink()

    def test_a_second_signal_ends_at_once(self):
        process, _ = self.start(self.config(self.broken("stop_hangs")), "--set", "limits.stop_timeout_ms=86400000",
                                "--set", f'log.file="{self.folder}/log"')
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_S
        while "draining" not in (self.folder / "log").read_text():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)  # a poll with a deadline
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 128 + signal.SIGTERM)

    def test_a_plugin_that_hangs_in_stop_is_left_behind(self):
        process, _ = self.start(self.config(self.broken("stop_hangs")), "--set", "limits.stop_timeout_ms=300")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 1)
        self.assertRegex(errors, r"stop_hangs\.so: `stop` did not return within stop_timeout_ms \(300 ms\)")

    def test_a_required_plugin_that_throws_stops_the_node_and_another_does_not(self):
        done = self.run_to_end("--config", self.config(self.broken("create_throws")))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.count("error plugins: plugin 'thing'"), 1, done.stderr)
        process, _ = self.start(self.config(self.broken("create_throws", required=False)))
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, 0)

    def test_two_nodes_cannot_share_a_data_dir(self):
        config = self.config()
        self.start(config)
        second = self.run_to_end("--config", config)
        self.assertEqual(second.returncode, 1)
        self.assertIn("is in use by another node", second.stderr)

    def test_secrets_come_from_the_environment(self):
        config = self.config(node='name = "${ORBIT_TEST_NAME}"')
        absent = {name: value for name, value in os.environ.items() if name != "ORBIT_TEST_NAME"}
        self.assertIn("environment variable 'ORBIT_TEST_NAME' is not set", self.run_to_end("--check-config", config, env=absent).stderr)
        self.assertEqual(self.run_to_end("--check-config", config, env=absent | {"ORBIT_TEST_NAME": "x"}).returncode, 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
