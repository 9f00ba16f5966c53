# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""The example clients against a real node: examples_test.py BUILD CPP_PROGRAM NODEJS cpp|javascript|python"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/support"))
from orbit_node import PATIENCE_S, Node, plugin, toml_section  # noqa: E402

# As examples/clients/README.md says it.
EXPECTED = """7001 has 500 cents
an overdraft is refused with FAILED_PRECONDITION
anna moved 200 cents: 300 and 200
by names alone: 300 cents
"""


def run(*command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=PATIENCE_S, check=False, **more)
    if done.returncode != 0:
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def main():
    build, cpp, nodejs, language = sys.argv[1:]
    extra = plugin("grpc", "orbit.protocol.grpc", listen="127.0.0.1:0")
    extra += toml_section("[[module]]", {"path": str(Path(build) / "lib/orbit/modules/bank.so"), "required": True})
    with Node(build, extra=extra) as node, tempfile.TemporaryDirectory() as stubs:
        address = node.listeners["grpc"]
        if language == "cpp":
            said = run(cpp, address)
        elif language == "javascript":
            said = run(nodejs, ROOT / "examples/clients/javascript/bank.js", address)
        else:
            run("protoc", "-I", ROOT / "examples/bank", "-I", ROOT / "sdk/proto", f"--python_out={stubs}", f"--grpc_out={stubs}",
                "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin", "bank.proto", "orbit/v1/options.proto",
                "orbit/v1/actor_service.proto")
            said = run(sys.executable, "-B", ROOT / "examples/clients/python/bank.py", address, env=dict(os.environ) | {"PYTHONPATH": stubs})
        if said != EXPECTED:
            sys.exit(f"expected\n{EXPECTED}found\n{said}")
    readme = (ROOT / "examples/clients/README.md").read_text()
    if f"```\n{EXPECTED}```" not in readme:
        sys.exit("examples/clients/README.md shows something else than what the clients print")


if __name__ == "__main__":
    main()
