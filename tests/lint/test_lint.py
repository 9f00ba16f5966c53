#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Each check of lint.py must find what it is for in a small tree made to be wrong, and nothing in one that is right."""

import tempfile
import unittest
from pathlib import Path

import lint

HEAD = f"// {lint.SPDX}\n"


class LintTest(unittest.TestCase):
    def wrong(self, check, files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = Path(root) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return list(lint.CHECKS[check](lint.Tree(root)))

    def test_a_source_without_licence_is_found(self):
        self.assertEqual(len(self.wrong("spdx", {"a.cpp": "int a;\n", "b.cpp": HEAD, "c.txt": "text"})), 1)

    def test_unfinished_notes_and_machine_paths_are_found(self):
        bad = ["// TO" + "DO later", "// FIX" + "ME", "x = '/wo" + "rk/tree'", "/ho" + "me/jane/x", "/t" + "mp/build-me/x",
               '"resolved": "https://npm-regi' + 'stry.example.org/x.tgz"']
        for line in bad:
            self.assertEqual(len(self.wrong("words", {"a.md": line + "\n"})), 1, line)
        good = "a method, /tmp/x, kernel/work/x, https://example.org/docs\n"
        self.assertEqual(self.wrong("words", {"a.md": good}), [])

    def test_a_plugin_that_includes_the_kernel_or_a_neighbour_is_found(self):
        files = {"kernel/src/net/socket.hpp": HEAD, "plugins/storage/b/b.hpp": HEAD, "plugins/storage/a/own.hpp": HEAD,
                 "sdk/include/orbit/abi.h": HEAD,
                 "plugins/storage/a/good.cpp": '#include "own.hpp"\n#include <vector>\n#include <orbit/abi.h>\n'}
        self.assertEqual(self.wrong("includes", files), [])
        for line in ('#include <net/socket.hpp>', '#include "../b/b.hpp"', '#include "../../../kernel/src/net/socket.hpp"',
                     '#include <orbit/kernel.h>'):
            self.assertEqual(len(self.wrong("includes", files | {"plugins/storage/a/bad.cpp": line + "\n"})), 1, line)

    def test_a_kernel_that_names_a_plugin_is_found(self):
        plugin = {"plugins/storage/fancy/plugin.cpp": '{.id = "orbit.storage.fancy"}\n'}
        self.assertEqual(self.wrong("kernel_names", plugin | {"kernel/src/a.cpp": '"orbit.storage/1" memory fanciful\n'}), [])
        for line in ('"orbit.storage.fancy"', "class RocksDB;", "if (fancy)", "redis_port", '#include "plugins/x.hpp"'):
            self.assertEqual(len(self.wrong("kernel_names", plugin | {"kernel/src/a.cpp": line + "\n"})) > 0, True, line)

    def test_a_file_that_does_not_fit_in_the_head_is_found(self):
        self.assertEqual(len(self.wrong("sizes", {"a.cpp": "\n" * (lint.LINES_MAX + 1), "b.cpp": "\n" * lint.LINES_MAX})), 1)

    def test_a_link_to_nowhere_is_found(self):
        text = "[a](b.md) [web](https://example.org) [part](#part)\n```\n[x](y)\n```\n"
        self.assertEqual(len(self.wrong("links", {"a.md": text})), 1)
        self.assertEqual(self.wrong("links", {"a.md": text, "b.md": ""}), [])

    def test_an_incomplete_plugin_folder_is_found(self):
        files = {f"plugins/storage/a/{name}": "" for name in ("README.md", "plugin.cpp", "example.toml")}
        self.assertEqual(self.wrong("plugin_folders", files), [])
        for name in files:
            self.assertEqual(len(self.wrong("plugin_folders", {k: v for k, v in files.items() if k != name})), 1, name)


if __name__ == "__main__":
    unittest.main()
