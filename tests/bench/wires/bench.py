#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Actors over gRPC against a bare gRPC C++ server, and over REST against nginx with a constant: in turn on this machine, the same
client for both. The table tells medians over the rounds, and ratios to the peer.
"""

import argparse
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from orbit_node import Node, plugin, toml_section  # noqa: E402

CONSTANT = '{"calls":"1"}'  # what the actor answers to a GET after one call
NGINX = """
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    default_type application/json;
    location / {{ return 200 '{constant}'; }}
  }}
}}
"""


class Peer:
    """The bare gRPC server."""

    def __init__(self, build):
        self.process = subprocess.Popen([str(build / "bin/bench_wires_peer")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.address = "127.0.0.1:" + self.process.stdout.readline().decode().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=30)


class Nginx:
    def __init__(self, binary):
        self.folder = tempfile.mkdtemp(prefix="orbit-bench-nginx-")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        config = Path(self.folder) / "nginx.conf"
        config.write_text(NGINX.format(folder=self.folder, port=port, constant=CONSTANT))
        self.process = subprocess.Popen([binary, "-c", str(config), "-e", f"{self.folder}/error.log"])
        self.address = f"127.0.0.1:{port}"
        deadline = time.monotonic() + 10
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1):
                    return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("nginx did not start: " + Path(self.folder, "error.log").read_text()) from None
                time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)


def node(build, workers, name, plugin_id, **config):
    module = build / "lib/orbit/modules/bench_wires_module.so"
    extra = plugin(name, plugin_id, listen="127.0.0.1:0", **config)
    return Node(build, workers=workers, extra=extra + toml_section("[[module]]", {"path": str(module), "required": True}))


def grpc_call(build, mode, address, in_flight, seconds):
    """{calls per second, p50 and p99 in microseconds}"""
    done = subprocess.run([str(build / "bin/bench_wires_client"), mode, address, str(in_flight), str(seconds)],
                          capture_output=True, text=True, timeout=seconds + 60, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    rate, p50, p99 = map(float, done.stdout.split())
    return {"rate": rate, "p50_us": p50, "p99_us": p99}


def to_us(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 60e6}[unit]


def wrk(address, path, connections, seconds, script=None):
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency"]
    done = subprocess.run(command + (["-s", str(script)] if script else []) + [f"http://{address}{path}"],
                          capture_output=True, text=True, timeout=seconds + 60, check=True)
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"not every request was answered well:\n{done.stdout}")
    percentile = {name: to_us(value) for name, value in re.findall(r"^\s+(\d+)%\s+(\S+)$", done.stdout, re.MULTILINE)}
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout).group(1)),
            "p50_us": percentile["50"], "p99_us": percentile["99"]}


def check_rest(address):
    """The answers are what they are to be, and as large as nginx's."""
    def ask(method, path, body=""):
        with socket.create_connection(tuple(address.split(":")), timeout=10) as client:
            head = "Content-Type: application/json\r\n" if body else ""
            client.sendall(f"{method} {path} HTTP/1.1\r\nHost: {address}\r\n{head}Content-Length: {len(body)}\r\n"
                           f"Connection: close\r\n\r\n{body}".encode())
            answer = b"".join(iter(lambda: client.recv(65536), b"")).decode()
        return answer.split("\r\n\r\n", 1)[1]
    if ask("POST", "/v1/actors/bench_wires.Echo/one/Say", '{"text":"x"}') != '{"text":"x"}':
        raise RuntimeError("the actor does not answer what it was told")
    if (found := ask("GET", "/v1/actors/bench_wires.Echo/one/Calls")) != CONSTANT:
        raise RuntimeError(f"the actor answered {found}, expected {CONSTANT}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release", help="build tree with bin/orbitd")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement; as much again does not count, or nearly")
    parser.add_argument("--connections", type=int, default=64, help="of wrk")
    parser.add_argument("--nginx", default=shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), help="nginx's program")
    parser.add_argument("--only", default="unary,stream,rest", help="some of unary, stream, rest")
    parser.add_argument("--json", default=None, help="where to write all numbers (build tree: bench-wires.json)")
    args = parser.parse_args()
    build, only, seconds = Path(args.build).resolve(), args.only.split(","), args.seconds
    if "rest" in only and (args.nginx is None or shutil.which("wrk") is None):
        parser.error("no nginx or no wrk here; ./dev bench wires installs them")

    script = build / "bench-wires-post.lua"
    script.write_text('wrk.method = "POST"\nwrk.body = \'{"text":"the quick brown fox"}\'\n'
                      'wrk.headers["Content-Type"] = "application/json"\n')
    measurements = []  # (what, peer's name, goal, lower is better for, function of the contestant)
    runs = {}
    with node(build, 0, "grpc", "orbit.protocol.grpc") as grpc_node, Peer(build) as peer, \
            node(build, 1, "rest", "orbit.protocol.rest") as rest_node:
        grpc = {"orbit": grpc_node.listeners["grpc"], "bare gRPC": peer.address}
        if "unary" in only:
            measurements.append(("unary, 64 in flight", grpc, 1.0, lambda at: grpc_call(build, "unary", at, 64, seconds)))
            measurements.append(("unary, 1 in flight", grpc, None, lambda at: grpc_call(build, "unary", at, 1, seconds)))
        if "stream" in only:
            measurements.append(("streaming invoke, 64 in flight", grpc, 1.0, lambda at: grpc_call(build, "stream", at, 64, seconds)))
        if "rest" in only:
            server = Nginx(args.nginx)
            rest = {"orbit": rest_node.listeners["rest"], "nginx": server.address}
            check_rest(rest["orbit"])
            base = "/v1/actors/bench_wires.Echo/one/"
            measurements.append(("REST GET, one worker", rest, 0.8, lambda at: wrk(at, base + "Calls", args.connections, seconds)))
            measurements.append(("REST POST, one worker", rest, 0.8, lambda at: wrk(at, base + "Say", args.connections, seconds, script)))
        try:
            for turn in range(args.rounds):
                for what, contestants, _, measure in measurements:
                    for name, address in list(contestants.items())[:: 1 if turn % 2 == 0 else -1]:
                        print(f"\rround {turn + 1}: {what}, {name}" + " " * 20, end="", file=sys.stderr)
                        runs.setdefault(what, {}).setdefault(name, []).append(measure(address))
        finally:
            if "rest" in only:
                server.__exit__()
    print("\r" + " " * 70 + "\r", end="", file=sys.stderr)
    print(f"{os.cpu_count()} cores, {platform.platform()}; medians of {args.rounds} rounds of {seconds} s; x: ratio to the peer")
    print(f"{'':32}{'orbit 1/s':>11}{'p50 us':>8}{'p99 us':>8}  {'peer':10}{'1/s':>9}{'p50 us':>8}{'p99 us':>8}{'x':>6}{'asked':>7}")
    for what, contestants, goal, _ in measurements:
        median = {name: {key: statistics.median(run[key] for run in all_runs) for key in ("rate", "p50_us", "p99_us")}
                  for name, all_runs in runs[what].items()}
        other = next(name for name in contestants if name != "orbit")
        cells = [f"{median[name]['rate']:,.0f} {median[name]['p50_us']:.0f} {median[name]['p99_us']:.0f}".split()
                 for name in ("orbit", other)]
        print(f"{what:32}{cells[0][0]:>11}{cells[0][1]:>8}{cells[0][2]:>8}  {other:10}{cells[1][0]:>9}{cells[1][1]:>8}{cells[1][2]:>8}"
              f"{median['orbit']['rate'] / median[other]['rate']:6.2f}{goal if goal else '':>7}")
    path = Path(args.json or build / "bench-wires.json")
    path.write_text(json.dumps({"cores": os.cpu_count(), "platform": platform.platform(), "runs": runs}, indent=1))
    print(f"all numbers: {path}")


if __name__ == "__main__":
    main()
