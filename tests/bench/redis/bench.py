#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""redis-benchmark against Orbit's Redis wire and against redis-server, in turn on this machine, with equal durability.

Every run starts a fresh server in a temporary folder; the contestants take turns, so that what else the machine does meets
all of them. The table tells medians over the rounds, and ratios to Redis.
"""

import argparse
import csv
import io
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from orbit_node import Node  # noqa: E402

QUICK = "ping_inline,ping_mbulk,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,mset"
# redis-benchmark's default set; LRANGE moves so many bytes that a tenth of the requests tells as much.
DEFAULT_SET = [(QUICK, 1), ("lrange", 10)]
DURABILITY = {
    # name: (Redis's appendfsync, Orbit's settings)
    "async": ("everysec", {"durability": "async", "flush_delay_ms": 1000}),
    "sync": ("always", {"durability": "sync"}),
}


class Redis:
    """redis-server as a child process; the same shape as orbit_node.Node."""

    def __init__(self, binary, appendfsync):
        self.folder = tempfile.mkdtemp(prefix="orbit-bench-redis-")
        for _ in range(5):
            with socket.socket() as probe:  # the port may be taken until redis-server binds it: then it ends, and we retry
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            self.process = subprocess.Popen(
                [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes",
                 "--appendfsync", appendfsync, "--dir", self.folder],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if self._ready():
                return
        raise RuntimeError("redis-server did not start")

    def _ready(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return True
            except OSError:
                time.sleep(0.02)
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def contestants(args):
    yield "redis", lambda durability: Redis(args.redis_server, DURABILITY[durability][0])
    for workers in args.workers:
        name = f"orbit/{workers or 'cores'}"
        yield name, lambda durability, workers=workers: Node(
            args.build, storage="rocksdb", workers=workers, resp=DURABILITY[durability][1])


def measure(port, clients, pipeline, groups, requests, seconds_max):
    """[(command, requests per second, p99 in ms)] of one redis-benchmark pass."""
    out = []
    for tests, divisor in groups:
        command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-c", str(clients), "-P", str(pipeline),
                   "-n", str(max(requests // divisor, clients * pipeline)), "-t", tests, "--csv", "--precision", "3"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds_max, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}")
        for row in csv.DictReader(io.StringIO(done.stdout)):
            name = row["test"].split(" (")[0] if "needed to" not in row["test"] else None
            if name:
                out.append((name, float(row["rps"]), float(row["p99_latency_ms"])))
    return out


def passes(args):
    """(durability, clients, pipeline, groups, requests) of each table."""
    if args.suite == "net":  # the wire alone: no actor is called
        for clients, pipeline in ((1, 1), (50, 1), (50, 16), (50, 128), (500, 16)):
            yield "async", clients, pipeline, [("ping_inline,ping_mbulk", 1)], args.requests * (1 if pipeline == 1 else 4)
        return
    groups = [(args.tests, 1)] if args.tests else DEFAULT_SET
    for durability in args.durability:
        for pipeline in args.pipeline:
            yield durability, args.clients, pipeline, groups, args.requests * (1 if pipeline == 1 else 4)


def table(title, names, medians):
    peers = [name for name in names if name != "redis"]
    print(f"\n{title}")
    print(f"{'':22}{'redis':>20}" + "".join(f"{name:>32}" for name in peers))
    print(f"{'command':22}{'req/s':>11}{'p99 ms':>9}" + f"{'req/s':>12}{'x':>6}{'p99 ms':>8}{'x':>6}" * len(peers))
    for command, by_name in medians.items():
        rps, p99 = by_name["redis"]
        line = f"{command:22}{rps:11,.0f}{p99:9.3f}"
        for name in peers:
            ours = by_name[name]
            line += f"{ours[0]:12,.0f}{ours[0] / rps:6.2f}{ours[1]:8.3f}{ours[1] / p99 if p99 else 0:6.2f}"
        print(line)
    for name in peers:
        slower = [command for command, by in medians.items() if by[name][0] < by["redis"][0]]
        later = [command for command, by in medians.items() if by[name][1] > by["redis"][1]]
        geometric = statistics.geometric_mean(by[name][0] / by["redis"][0] for by in medians.values())
        print(f"{name}: {geometric:.2f} of Redis's throughput (geometric mean); slower: {', '.join(slower) or 'none'}; "
              f"p99 worse: {', '.join(later) or 'none'}")
    sys.stdout.flush()


def main():
    numbers = lambda text: [int(part) for part in text.split(",")]  # noqa: E731
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=("redis", "net"), default="redis")
    parser.add_argument("--build", default="build/release", help="build tree with bin/orbitd")
    parser.add_argument("--redis-server", default=shutil.which("redis-server"), help="Redis 7.0's server")
    parser.add_argument("--workers", type=numbers, default=[1, 0],
                        help="Orbit's worker threads, one contestant each; 0: the node's default, one per core (1,0)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=100_000, help="per command; four times as many when pipelined")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--pipeline", type=numbers, default=[1, 16])
    parser.add_argument("--durability", type=lambda text: text.split(","), default=["async", "sync"])
    parser.add_argument("--tests", help="redis-benchmark's -t, instead of its default set")
    parser.add_argument("--seconds-max", type=int, default=600, help="bound of one redis-benchmark pass")
    parser.add_argument("--json", default=None, help="where to write all numbers (build tree: bench-SUITE.json)")
    args = parser.parse_args()
    unknown = set(args.durability) - set(DURABILITY)
    if unknown or args.rounds < 1:
        parser.error(f"durability is one of {', '.join(DURABILITY)}; rounds at least 1")
    if not args.redis_server or not shutil.which("redis-benchmark"):
        parser.error("no redis-server or redis-benchmark here; ./dev bench installs them")

    peers = list(contestants(args))
    names = [name for name, _ in peers]
    version = subprocess.run([args.redis_server, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{version}\n{os.cpu_count()} cores, {platform.platform()}; medians of {args.rounds} rounds; x: ratio to Redis")
    report = {"redis": version, "cores": os.cpu_count(), "platform": platform.platform(), "rounds": args.rounds,
              "passes": []}
    for durability, clients, pipeline, groups, requests in passes(args):
        runs = []
        for turn in range(args.rounds):
            # The order turns round too: no contestant always runs after the same other one.
            for name, start in peers[turn % len(peers):] + peers[:turn % len(peers)]:
                print(f"\r-c {clients} -P {pipeline} {durability}: round {turn + 1}, {name}    ", end="", file=sys.stderr)
                with start(durability) as server:
                    for command, rps, p99 in measure(server.port, clients, pipeline, groups, requests, args.seconds_max):
                        runs.append({"contestant": name, "round": turn, "command": command, "rps": rps, "p99_ms": p99})
        print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
        medians = {}
        for command in dict.fromkeys(run["command"] for run in runs):
            medians[command] = {}
            for name in names:
                of = [run for run in runs if run["command"] == command and run["contestant"] == name]
                if of:
                    medians[command][name] = (statistics.median(run["rps"] for run in of),
                                              statistics.median(run["p99_ms"] for run in of))
        missing = [command for command, by in medians.items() if len(by) != len(names)]
        if missing:
            raise RuntimeError(f"not every contestant answered {missing}")
        fsync = DURABILITY[durability][0]
        table(f"-c {clients} -P {pipeline}, durability {durability} (Redis: appendfsync {fsync})", names, medians)
        report["passes"].append({"durability": durability, "clients": clients, "pipeline": pipeline,
                                 "requests": requests, "medians": medians, "runs": runs})
    path = Path(args.json or Path(args.build) / f"bench-{args.suite}.json")
    path.write_text(json.dumps(report, indent=1))
    print(f"\nall numbers: {path}")


if __name__ == "__main__":
    main()
