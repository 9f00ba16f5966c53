#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""An access plugin that was built outside the tree from its template, in a real node. ORBIT_BUILD names the build tree,
ACCESS_WORK the folder with the project/ and its build/."""

import os
import socket
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from orbit_node import PATIENCE_S, Node, toml_section  # noqa: E402

BUILD = os.environ["ORBIT_BUILD"]
WORK = Path(os.environ["ACCESS_WORK"])
TOKEN = "0123456789abcdef"


def entry(token):
    return (toml_section("[[plugin]]", {"name": "first_try", "id": "access.first_try", "required": True,
                                        "path": str(WORK / "build/first_try.so")}) +
            toml_section("[plugin.config]", {"token": token, "name": "anna", "roles": ["reader"]}) +
            toml_section("[[rule]]", {"roles": ["reader"], "types": ["redis.*"], "read_only": True}))


class Access(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node(BUILD, extra=entry(TOKEN))

    @classmethod
    def tearDownClass(cls):
        try:
            cls.node.stop()
        finally:
            cls.node.close()

    def ask(self, *lines):
        host, port = self.node.listeners["redis"].rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as client, client.makefile("rb") as answers:
            client.sendall("".join(line + "\r\n" for line in lines).encode())
            return [answers.readline().decode().split()[0] for _ in lines]

    def test_who_has_the_token_may_do_what_the_rule_says(self):
        self.assertEqual(self.ask(f"AUTH {TOKEN}", "STRLEN k", "SET k v"), ["+OK", ":0", "-NOPERM"])

    def test_who_has_none_or_another_may_nothing(self):
        self.assertEqual(self.ask("STRLEN k"), ["-NOAUTH"])
        for wrong in (TOKEN[:-1], TOKEN + "0", TOKEN[:-1] + "g", TOKEN * 2):
            self.assertEqual(self.ask(f"AUTH {wrong}", "STRLEN k"), ["-WRONGPASS", "-NOAUTH"])

    def test_a_token_that_is_too_short_keeps_the_node_from_starting(self):
        with self.assertRaisesRegex(RuntimeError, "'token': found 5 bytes, expected at least 16"):
            Node(BUILD, extra=entry("short"))

    def test_the_example_configuration_is_valid_and_its_settings_are_explained(self):
        file = str(WORK / "project/example.toml")
        for arguments in (["--check-config", file], ["--config", file, "--describe", "access.first_try"]):
            done = subprocess.run([str(Path(BUILD) / "bin/orbitd"), *arguments], cwd=WORK, capture_output=True, text=True,
                                  timeout=PATIENCE_S, check=False, env=dict(os.environ) | {"FIRST_TRY_TOKEN": TOKEN})
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("What the caller shows", done.stdout)


if __name__ == "__main__":
    unittest.main()
