#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""redis-benchmark against Orbit's Redis wire and against redis-server, in turn on this machine, with equal durability.

Every round starts fresh servers in temporary folders; they take turns command by command, so that what else the machine does
meets all of them. One worker is compared with Redis on one core, redis-benchmark on the others: left alone, Linux now and then
puts a server and the client on the same one, which halves either's throughput. Several workers have all cores, as Redis beside them has.
The tables tell medians over the rounds; x, the ratio to Redis, is the median of the rounds' ratios, whose two runs follow each other.
"""

import argparse
import contextlib
import csv
import io
import itertools
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


@contextlib.contextmanager
def on_cores(cores):
    """What is started meanwhile stays on these cores; None: anywhere."""
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def matches(args):
    """(cores of servers, cores of the client, [(contestant, its start)]), None: all cores."""
    redis = ("redis", lambda durability: Redis(args.redis_server, DURABILITY[durability][0]))
    cores = sorted(os.sched_getaffinity(0))
    pins = not args.no_pin and len(cores) > 1
    for pinned in (True, False):
        orbits = [(f"orbit/{workers or 'cores'}", lambda durability, workers=workers: Node(
            args.build, storage="rocksdb", workers=workers, resp=DURABILITY[durability][1]))
            for workers in args.workers if (pins and workers == 1) == pinned]
        if orbits:
            yield (set(cores[:1]), set(cores[1:]), [redis, *orbits]) if pinned else (None, None, [redis, *orbits])


def measure(port, clients, pipeline, tests, requests, seconds_max):
    """[(command, requests per second, p99 in ms)] of one redis-benchmark pass."""
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-c", str(clients), "-P", str(pipeline),
               "-n", str(max(requests, clients * pipeline)), "-t", tests, "--csv", "--precision", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds_max, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}")
    return [(row["test"].split(" (")[0], float(row["rps"]), float(row["p99_latency_ms"]))
            for row in csv.DictReader(io.StringIO(done.stdout)) if "needed to" not in row["test"]]


def play(args, match, durability, clients, pipeline, groups, requests):
    """All runs of one table: [{contestant, round, command, rps, p99_ms}]."""
    server_cores, client_cores, peers = match
    runs = []
    for turn in range(args.rounds):
        # The order turns round too: no contestant always runs after the same other one.
        order = peers[turn % len(peers):] + peers[:turn % len(peers)]
        with contextlib.ExitStack() as stack:
            with on_cores(server_cores):
                servers = {name: stack.enter_context(start(durability)) for name, start in order}
            for tests, divisor in groups:
                for test in tests.split(","):
                    for name, _ in order:
                        print(f"\r-c {clients} -P {pipeline} {durability}: round {turn + 1}, {test}, {name}      ",
                              end="", file=sys.stderr)
                        with on_cores(client_cores):
                            rows = measure(servers[name].port, clients, pipeline, test, requests // divisor, args.seconds_max)
                        runs += [{"contestant": name, "round": turn, "command": command, "rps": rps, "p99_ms": p99}
                                 for command, rps, p99 in rows]
    print("\r" + " " * 70 + "\r", end="", file=sys.stderr)
    return runs


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


def ratio(runs, command, name, field):
    """The median over the rounds of a contestant's figure to Redis's in the same round."""
    of = {(run["contestant"], run["round"]): run[field] for run in runs if run["command"] == command}
    rounds = {turn for _, turn in of}
    return statistics.median(of[name, turn] / of["redis", turn] if of["redis", turn] else 1 for turn in rounds)


def table(title, names, medians, runs):
    peers = [name for name in names if name != "redis"]
    print(f"\n{title}")
    print(f"{'':22}{'redis':>20}" + "".join(f"{name:>32}" for name in peers))
    print(f"{'command':22}{'req/s':>11}{'p99 ms':>9}" + f"{'req/s':>12}{'x':>6}{'p99 ms':>8}{'x':>6}" * len(peers))
    for command, by_name in medians.items():
        rps, p99 = by_name["redis"]
        line = f"{command:22}{rps:11,.0f}{p99:9.3f}"
        for name in peers:
            ours = by_name[name]
            line += (f"{ours[0]:12,.0f}{ratio(runs, command, name, 'rps'):6.2f}"
                     f"{ours[1]:8.3f}{ratio(runs, command, name, 'p99_ms'):6.2f}")
        print(line)
    for name in peers:
        of = {command: (ratio(runs, command, name, "rps"), ratio(runs, command, name, "p99_ms")) for command in medians}
        slower = [command for command, (rps, _) in of.items() if rps < 1]
        later = [command for command, (_, p99) in of.items() if p99 > 1]
        geometric = statistics.geometric_mean(rps for rps, _ in of.values())
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
    parser.add_argument("--no-pin", action="store_true", help="all cores for all, also with one worker")
    parser.add_argument("--tests", help="redis-benchmark's -t, instead of its default set")
    parser.add_argument("--seconds-max", type=int, default=600, help="bound of one redis-benchmark pass")
    parser.add_argument("--json", default=None, help="where to write all numbers (build tree: bench-SUITE.json)")
    args = parser.parse_args()
    unknown = set(args.durability) - set(DURABILITY)
    if unknown or args.rounds < 1:
        parser.error(f"durability is one of {', '.join(DURABILITY)}; rounds at least 1")
    if not args.redis_server or not shutil.which("redis-benchmark"):
        parser.error("no redis-server or redis-benchmark here; ./dev bench installs them")

    version = subprocess.run([args.redis_server, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{version}\n{os.cpu_count()} cores, {platform.platform()}; medians of {args.rounds} rounds; x: ratio to Redis")
    report = {"redis": version, "cores": os.cpu_count(), "platform": platform.platform(), "rounds": args.rounds,
              "passes": []}
    for (durability, clients, pipeline, groups, requests), match in itertools.product(passes(args), list(matches(args))):
        runs = play(args, match, durability, clients, pipeline, groups, requests)
        names = [name for name, _ in match[2]]
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
        where = "servers on one core, the client on the others" if match[0] else "all cores for all"
        table(f"-c {clients} -P {pipeline}, durability {durability} (Redis: appendfsync {fsync}), {where}", names, medians, runs)
        report["passes"].append({"durability": durability, "clients": clients, "pipeline": pipeline, "pinned": match[0] is not None,
                                 "requests": requests, "medians": medians, "runs": runs})
    path = Path(args.json or Path(args.build) / f"bench-{args.suite}.json")
    path.write_text(json.dumps(report, indent=1))
    print(f"\nall numbers: {path}")


if __name__ == "__main__":
    main()
