# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Every library in the given folders exports one symbol, orbit_plugin."""

import subprocess
import sys
from pathlib import Path

libraries = sorted(path for folder in sys.argv[1:] for path in Path(folder).glob("*.so"))
wrong = []
for library in libraries:
    listed = subprocess.run(["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True)
    symbols = [line.split()[-1] for line in listed.stdout.splitlines()]
    if symbols != ["orbit_plugin"]:
        wrong.append(f"{library}: exports {', '.join(symbols[:10]) or 'nothing'}; expected orbit_plugin alone")
for line in wrong:
    print(line)
if not libraries:
    print(f"no libraries in {' '.join(sys.argv[1:])}")
print(f"{len(libraries)} libraries, {len(wrong)} wrong")
sys.exit(bool(wrong) or not libraries)
