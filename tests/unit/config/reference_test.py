# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""configs/reference.toml is what `orbitd --print-reference` prints, and the configurations of the tree have no mistakes."""

import difflib
import subprocess
import sys
from pathlib import Path

orbitd, configs = sys.argv[1], Path(sys.argv[2])
printed = subprocess.run([orbitd, "--print-reference"], capture_output=True, text=True, timeout=60)
if printed.returncode != 0:
    sys.exit(f"orbitd --print-reference ended with {printed.returncode}: {printed.stderr}")
kept = (configs / "reference.toml").read_text()
if printed.stdout != kept:
    sys.stdout.writelines(difflib.unified_diff(kept.splitlines(True), printed.stdout.splitlines(True),
                                               "configs/reference.toml", "orbitd --print-reference"))
    sys.exit("configs/reference.toml is out of date: run orbitd --print-reference > configs/reference.toml")
checked = subprocess.run([orbitd, "--check-config", str(configs / "node.toml")], capture_output=True, text=True, timeout=60)
if checked.returncode != 0:
    sys.exit(f"configs/node.toml has mistakes:\n{checked.stderr}")
print("configs/reference.toml and configs/node.toml are in order")
