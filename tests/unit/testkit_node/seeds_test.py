# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""A test that fails prints its seed, and runs the same with it: across processes, whose addresses differ."""
import os
import re
import subprocess
import sys
import unittest

PROGRAM = sys.argv.pop(1)


def run(case, **environment):
    clean = {name: value for name, value in os.environ.items() if name != "ORBIT_SEED"}
    done = subprocess.run([PROGRAM, f"--test-case={case}", "--no-colors"], env=clean | environment,
                          capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


class Seeds(unittest.TestCase):
    def seed_of(self, case):
        code, text = run(case)
        self.assertNotEqual(code, 0)
        told = re.findall(r"^ORBIT_SEED=(\d+) runs it again$", text, re.M)
        self.assertEqual(len(told), 1, text)
        return told[0], re.findall(r"^seed \d+ trace \d+$", text, re.M)[-1]

    def test_a_failing_test_prints_its_seed_and_runs_the_same_with_it(self):
        for case in ("a check fails", "an exception"):
            seed, line = self.seed_of(case)
            code, text = run(case, ORBIT_SEED=seed)
            self.assertNotEqual(code, 0)
            self.assertIn(line, text)

    def test_for_seeds_names_the_seed_that_failed_and_runs_it_alone(self):
        seed, line = self.seed_of("one of many seeds")
        self.assertEqual(seed, "17")
        code, text = run("one of many seeds", ORBIT_SEED="17")
        self.assertNotEqual(code, 0)
        self.assertEqual(re.findall(r"^seed \d+ trace \d+$", text, re.M), [line])
        self.assertEqual(run("one of many seeds", ORBIT_SEED="18")[0], 0)

    def test_a_passing_test_says_nothing(self):
        code, text = run("passes")
        self.assertEqual(code, 0)
        self.assertNotIn("ORBIT_SEED", text)


unittest.main()
