#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Runs the commands of a document as they are written: `run_doc.py DOCUMENT --source ROOT --build BUILD_TREE`.

Works in a copy of the source tree, as a fresh clone would be, whose build/release is the build tree given. Fenced blocks
are told apart by what stands behind the three backticks:

  sh test          run with bash -eu; must exit 0. The working directory carries over to the next block.
  sh run           started and left running until the end; goes on when it has printed "Orbit is ready" (./dev run)
                   or "orbit 1.2.3 is ready" (orbitd).
  LANG file=PATH   written to PATH, relative to the working directory.
  output           what the block before must have printed: these lines, in order; `...` stands for anything. What still runs may
                   print them a moment later.

Everything else is only text. Where the system lets us, all of it happens in a network namespace of its own, so that the
default ports are free; elsewhere the test is skipped (exit 77) when something listens on them.
"""

import argparse
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEFAULT_PORTS = (6379, 7080)
READY = re.compile(r"^orbit\b.* is ready", re.IGNORECASE | re.MULTILINE)
SKIPPED = 77


class DocError(Exception):
    pass


class Block:
    def __init__(self, line, info, text):
        self.line, self.info, self.text = line, info.split(), text

    def is_shell(self, word):
        return self.info[:2] == ["sh", word]

    @property
    def file(self):
        return next((word[5:] for word in self.info if word.startswith("file=")), None)


def blocks(text):
    out, begin, info, lines, fence = [], None, "", [], ""
    for number, line in enumerate(text.splitlines(), start=1):
        if begin is None:
            found = re.match(r"^(`{3,})(.*)$", line)
            if found:
                begin, fence, info, lines = number, found.group(1), found.group(2), []
        elif line.rstrip() == fence:
            out.append(Block(begin, info, "\n".join(lines) + "\n"))
            begin = None
        else:
            lines.append(line)
    if begin is not None:
        raise DocError(f"line {begin}: the block is never closed")
    return out


def check_output(expected, printed):
    """The first expected line that is not there, or None."""
    rest = printed.splitlines()
    for line in expected.splitlines():
        pattern = ".*".join(re.escape(part.strip()) for part in line.split("...")) if "..." in line else re.escape(line.strip())
        while rest and not re.fullmatch(pattern, rest[0].strip()):
            rest.pop(0)
        if not rest:
            return line
        rest.pop(0)
    return None


class Output:
    """What a block printed, or prints as long as its process runs."""

    def __init__(self, log, process):
        self.log, self.process = log, process

    def text(self):
        return self.log.read_text(errors="replace")

    def ended(self):
        return self.process.poll() is not None


class Runner:
    def __init__(self, home, seconds_max):
        self.home, self.cwd, self.seconds_max = home, home, seconds_max
        self.environment = dict(os.environ) | {
            "ORBIT_BUILT": "1", "HOME": str(home.parent), "TMPDIR": str(home.parent), "TERM": "dumb"}
        self.running = []

    def start(self, script, log_path):
        log = open(log_path, "wb")
        process = subprocess.Popen(["bash", "-eu", "-c", script], cwd=self.cwd, env=self.environment,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        log.close()
        self.running.append(process)
        return process

    def test(self, block):
        log = self.home.parent / f"block-{block.line}.log"
        where = self.home.parent / "cwd"
        process = self.start(f'{block.text}\npwd >"{where}"\n', log)
        try:
            status = process.wait(timeout=self.seconds_max)
        except subprocess.TimeoutExpired:
            raise DocError(f"not finished after {self.seconds_max} s; it printed:\n{log.read_text(errors='replace')}") from None
        printed = log.read_text(errors="replace")
        if status != 0:
            raise DocError(f"ended with {status}; it printed:\n{printed}")
        self.running.remove(process)
        self.cwd = Path(where.read_text().strip())
        return Output(log, process)

    def serve(self, block):
        log = self.home.parent / f"block-{block.line}.log"
        process = self.start(block.text, log)
        deadline = time.monotonic() + self.seconds_max
        while time.monotonic() < deadline:
            printed = log.read_text(errors="replace")
            if READY.search(printed):
                return Output(log, process)
            if process.poll() is not None:
                raise DocError(f"ended with {process.returncode}; it printed:\n{printed}")
            time.sleep(0.05)  # a poll with a deadline
        raise DocError(f"not ready after {self.seconds_max} s; it printed:\n{printed}")

    def expect(self, expected, output):
        deadline = time.monotonic() + min(self.seconds_max, 30)
        while True:
            ended = output.ended() or time.monotonic() >= deadline
            missing = check_output(expected, output.text())
            if missing is None:
                return
            if ended:
                raise DocError(f"the line '{missing}' was not printed; this was:\n{output.text()}")
            time.sleep(0.05)  # a poll with a deadline

    def close(self):
        """Ends what was started here, and what that started in its session; nothing else."""
        for process in self.running:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, number)
                except ProcessLookupError:
                    break
                try:
                    process.wait(timeout=20)
                except subprocess.TimeoutExpired:
                    continue


def copy_tree(source, target):
    """What a clone would have, with today's edits."""
    listed = subprocess.run(["git", "-C", str(source), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("build", "data", ".git"))
        return
    for name in filter(None, listed.stdout.split("\0")):
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)


def own_network():
    """Starts this program again in an empty network namespace, if the system lets us; returns otherwise."""
    if "ORBIT_DOC_NETWORK" in os.environ:
        request = struct.pack("16sh", b"lo", 0x1 | 0x40)  # IFF_UP | IFF_RUNNING
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS
        return
    command = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    if shutil.which("unshare") and subprocess.run(command + ["true"], capture_output=True, check=False).returncode == 0:
        os.environ["ORBIT_DOC_NETWORK"] = "own"
        os.execvp(command[0], command + [sys.executable, "-B"] + sys.argv)
    for port in DEFAULT_PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                print(f"skipped: no network namespace allowed here, and something listens on port {port}")
                sys.exit(SKIPPED)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("document")
    parser.add_argument("--source", required=True, type=Path)
    parser.add_argument("--build", required=True, type=Path)
    parser.add_argument("--seconds-max", type=int, default=240, help="bound of each block")
    args = parser.parse_args()
    own_network()

    source = args.source.resolve()
    document = source / args.document
    if not document.is_file():
        sys.exit(f"{args.document}: no such document")
    folder = Path(tempfile.mkdtemp(prefix="orbit-doc-"))
    home = folder / "orbit"
    runner = Runner(home, args.seconds_max)
    block = None
    try:
        copy_tree(source, home)
        (home / "build").mkdir()
        (home / "build/release").symlink_to(args.build.resolve())
        count, output = 0, None
        for block in blocks(document.read_text(encoding="utf-8")):
            if block.file:
                path = runner.cwd / block.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            elif block.is_shell("run"):
                output = runner.serve(block)
            elif block.is_shell("test"):
                output = runner.test(block)
                print(f"{args.document}:{block.line}: ran", flush=True)
                count += 1
            elif block.info == ["output"]:
                if output is None:
                    raise DocError("output of no block")
                runner.expect(block.text, output)
        if count == 0:
            sys.exit(f"{args.document}: no block is marked `sh test`")
    except DocError as error:
        for process in runner.running:
            if process.poll() is None:
                print(f"still running: {process.args[-1].strip()}")
        for log in sorted(folder.glob("block-*.log")):
            print(f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}")
        sys.exit(f"{args.document}:{block.line}: {error}")
    finally:
        runner.close()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{args.document}: {count} blocks ran")


if __name__ == "__main__":
    main()
