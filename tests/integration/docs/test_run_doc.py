#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""The doc runner must fail where a document is wrong."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

RUNNER = Path(__file__).resolve().with_name("run_doc.py")


class RunDocTest(unittest.TestCase):
    def run_doc(self, text, seconds_max=20):
        with tempfile.TemporaryDirectory() as root:
            (Path(root) / "build").mkdir()
            (Path(root) / "doc.md").write_text(text)
            return subprocess.run([sys.executable, "-B", str(RUNNER), "doc.md", "--source", root, "--build",
                                   str(Path(root) / "build"), "--seconds-max", str(seconds_max)],
                                  capture_output=True, text=True, check=False)

    def assert_fails(self, text, why, seconds_max=20):
        done = self.run_doc(text, seconds_max)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(why, done.stderr)

    def test_blocks_run_in_order_and_the_working_directory_carries_over(self):
        done = self.run_doc("```sh test\nmkdir a && cd a\n```\n```txt file=b/c\nhello\n```\n```sh test\ncat b/c\npwd\n```\n"
                            "```output\nhello\n.../a\n```\n```sh\nexit 1\n```\n")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("2 blocks ran", done.stdout)

    def test_a_command_that_fails_is_an_error(self):
        self.assert_fails("text\n```sh test\nfalse\ntrue\n```\n", "doc.md:2: ended with 1")

    def test_another_output_is_an_error(self):
        self.assert_fails("```sh test\necho one\n```\n```output\ntwo\n```\n", "the line 'two' was not printed")

    def test_output_in_another_order_is_an_error(self):
        self.assert_fails("```sh test\necho one; echo two\n```\n```output\ntwo\none\n```\n", "the line 'one' was not printed")

    def test_a_command_that_hangs_is_an_error(self):
        self.assert_fails("```sh test\nsleep 600\n```\n", "not finished after 1 s", seconds_max=1)

    def test_a_node_that_does_not_start_is_an_error(self):
        self.assert_fails("```sh run\nexit 3\n```\n```sh test\ntrue\n```\n", "ended with 3")

    def test_what_runs_in_the_background_may_print_its_lines_later(self):
        done = self.run_doc("```sh run\necho Orbit is ready; until [[ -e go ]]; do sleep 0.1; done; echo later; exec sleep 600\n```\n"
                            "```sh test\necho >go\n```\n```sh run\necho Orbit is ready; sleep 0.3; echo next; exec sleep 600\n```\n"
                            "```output\n... ready\nnext\n```\n")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_lines_that_what_runs_never_prints_are_an_error(self):
        run = "```sh run\necho Orbit is ready; {}\n```\n```output\nnever\n```\n```sh test\ntrue\n```\n"
        self.assert_fails(run.format("exec sleep 600"), "the line 'never' was not printed", seconds_max=1)
        self.assert_fails(run.format("exit 0"), "the line 'never' was not printed")

    def test_what_runs_in_the_background_ends_with_the_document(self):
        with tempfile.TemporaryDirectory() as folder:
            pid_file = Path(folder) / "pid"
            done = self.run_doc(f"```sh run\necho $$ >{pid_file}; echo Orbit is ready; exec sleep 600\n```\n"
                                f"```sh test\nkill -0 $(cat {pid_file})\n```\n")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertFalse(Path(f"/proc/{pid_file.read_text().strip()}").exists())

    def test_a_document_that_runs_nothing_is_an_error(self):
        self.assert_fails("```sh\ntrue\n```\n", "no block is marked")


if __name__ == "__main__":
    unittest.main()
