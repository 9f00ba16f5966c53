#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Checks of the source tree. `lint.py CHECK [ROOT]` prints what is wrong, one line each, and exits 1 if anything is."""

import re
import subprocess
import sys
from pathlib import Path

SPDX = "SPDX-License-Identifier: MIT OR BSD-3-Clause"
CODE = {".c", ".h", ".cpp", ".hpp", ".cc", ".proto", ".py", ".sh", ".js", ".mjs", ".ts"}
LINES_MAX = 900
# Files that a released version froze, or that other programs write.
GENERATED = {"package-lock.json"}


class Tree:
    """The files that belong to the tree: those that git tracks or would, else (an unpacked archive) all of them."""

    def __init__(self, root):
        self.root = Path(root).resolve()
        listed = subprocess.run(
            ["git", "-C", str(self.root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True, text=True, check=False)
        if listed.returncode == 0:
            names = [name for name in listed.stdout.split("\0") if name]
        else:
            names = [str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()]
            names = [name for name in names if not name.startswith(("build/", "data/", ".git/"))]
        self.files = sorted(name for name in set(names) if (self.root / name).is_file())

    def text(self, name):
        try:
            return (self.root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return None  # binary: a corpus file

    def texts(self, wanted=lambda name: True):
        for name in self.files:
            if wanted(name) and "/corpus/" not in name:
                text = self.text(name)
                if text is not None:
                    yield name, text


def is_code(name):
    path = Path(name)
    return path.suffix in CODE or path.name in {"CMakeLists.txt", "dev", "run"} or path.suffix == ".cmake"


def numbered(text):
    return enumerate(text.splitlines(), start=1)


def spdx(tree):
    """Every source file says its licence in its first three lines. Templates become other people's files."""
    for name, text in tree.texts(lambda name: is_code(name) and not name.startswith("sdk/template/")):
        if Path(name).suffix == ".cmake" or Path(name).name == "CMakeLists.txt":
            continue
        if not any(SPDX in line for line in text.splitlines()[:3]):
            yield f"{name}:1: no line '{SPDX}' at the top"


def words(tree):
    """Nothing that is true of one machine only, and no note to self, is in the tree."""
    # Put together here, so that this file does not contain them.
    unfinished = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3 + r"(?=[: ])")) + r")\b")
    home = re.compile(r"(?<![\w.])/(?:" + "|".join(("ho" + "me/\\w", "wo" + "rk/", "Us" + "ers/\\w", "root/\\w")) + ")")
    temporary = re.compile(r"(?<![\w.])/t" + r"mp/(?:build|orbit)-(?!XX)\w")
    registry = re.compile(r"https?://[\w.-]*(?:registry|artifactory|nexus|mirror)[\w.-]*[.:/]|:48" + "73/", re.I)
    for name, text in tree.texts():
        for number, line in numbered(text):
            for pattern, what in ((unfinished, "an unfinished note"), (home, "a path of one machine"),
                                  (temporary, "a path of one machine"), (registry, "a package registry's host")):
                found = pattern.search(line)
                if found:
                    yield f"{name}:{number}: {what}: {found.group(0)}"


INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def includes(tree):
    """A plugin includes <orbit/...>, libraries and its own files; nothing of the kernel or of another plugin."""
    for name, text in tree.texts(lambda n: re.match(r"plugins/[^/]+/[^/]+/", n) and Path(n).suffix in CODE):
        parts = name.split("/")
        home = tree.root / "/".join(parts[:3])
        if parts[3] == "tests":
            continue  # tests of a plugin may drive it through the test kit or a whole node
        for number, line in numbered(text):
            found = INCLUDE.match(line)
            if not found:
                continue
            kind, path = found.groups()
            if kind == '"' and not path.startswith("orbit/"):
                places = [(tree.root / name).parent / path, home / path]
                if not any(place.is_file() and home in place.resolve().parents for place in places):
                    yield f'{name}:{number}: "{path}" is not a file of this plugin'
            elif (tree.root / "kernel/src" / path).is_file():
                yield f"{name}:{number}: <{path}> is the kernel's"
            elif path.startswith("orbit/") and not path.startswith("orbit/v1/") \
                    and not (tree.root / "sdk/include" / path).is_file() \
                    and not list(tree.root.glob(f"sdk/*/include/{path}")):
                yield f"{name}:{number}: <{path}> is not a header of the SDK"


def kernel_names(tree):
    """The kernel knows no protocol, engine, strategy or coordinator by name."""
    plugins = {}
    for name, text in tree.texts(lambda n: re.fullmatch(r"plugins/[^/]+/[^/]+/plugin\.cpp", n)):
        for plugin_id in re.findall(r'\.id\s*=\s*"([^"]+)"', text):
            plugins[plugin_id] = re.compile(re.escape(plugin_id) + r"(?![\w/])")
    # Words that mean one thing only. A folder named with a common word (memory, static) is covered by its plugin's id.
    products = ["redis", "rocksdb", "postgres(?:ql)?", "pgwire", "neo4j", "cypher", "bolt", "grpc", "etcd", "kubernetes",
                "s3", "lsm", "cow_btree", "round_robin", "least_connections", "two_phase_commit", "saga", "resp2", "resp3"]
    for name in tree.files:
        found = re.match(r"plugins/[^/]+/([^/]+)/plugin\.cpp$", name)
        if found and found.group(1) not in {"memory", "static", "admin", "resp", "rest"}:
            products.append(re.escape(found.group(1)))
    word = re.compile(r"(?<![A-Za-z0-9])(?:" + "|".join(sorted(set(products))) + r")(?![A-Za-z0-9])", re.I)
    for name, text in tree.texts(lambda n: n.startswith("kernel/") and Path(n).suffix in CODE):
        if "/tests/" in name:
            continue
        for number, line in numbered(text):
            for plugin_id, pattern in plugins.items():
                if pattern.search(line):
                    yield f"{name}:{number}: the kernel names the plugin {plugin_id}"
            found = word.search(line)
            if found:
                yield f"{name}:{number}: the kernel names '{found.group(0)}'"
            found = INCLUDE.match(line)
            if found and "plugins/" in found.group(2):
                yield f"{name}:{number}: the kernel includes a plugin's file {found.group(2)}"


def sizes(tree):
    """A file fits in the head."""
    for name, text in tree.texts(is_code):
        count = text.count("\n")
        if count > LINES_MAX and Path(name).name not in GENERATED:
            yield f"{name}: {count} lines; at most {LINES_MAX}: split it by what it does"


def links(tree):
    """A link of a document to a file of the tree leads somewhere."""
    link = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
    for name, text in tree.texts(lambda n: n.endswith(".md")):
        fenced = False
        for number, line in numbered(text):
            if line.lstrip().startswith("```"):
                fenced = not fenced
            if fenced:
                continue
            for target in link.findall(line):
                path = target.split("#")[0]
                if not path or re.match(r"[a-z]+:", target):
                    continue
                if not ((tree.root / name).parent / path).exists():
                    yield f"{name}:{number}: the link to {target} leads nowhere"


def plugin_folders(tree):
    """A plugin's folder says what it guarantees, keeps the ABI in one file and shows how to configure it."""
    folders = {"/".join(name.split("/")[:3]) for name in tree.files if re.match(r"plugins/[^/]+/[^/]+/", name)}
    for folder in sorted(folders):
        for needed in ("README.md", "plugin.cpp", "example.toml"):
            if f"{folder}/{needed}" not in tree.files:
                yield f"{folder}: no {needed}"


CHECKS = {check.__name__: check for check in (spdx, words, includes, kernel_names, sizes, links, plugin_folders)}


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in CHECKS:
        sys.exit(f"usage: lint.py {{{'|'.join(CHECKS)}}} [ROOT]")
    check = CHECKS[sys.argv[1]]
    tree = Tree(sys.argv[2] if len(sys.argv) == 3 else Path(__file__).resolve().parents[2])
    wrong = list(check(tree))
    for line in wrong:
        print(line)
    print(f"{check.__name__}: {len(tree.files)} files, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
