# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""The master key of an encrypted storage is changed by the node's settings, as an operator does it."""

import re
import secrets
import unittest

from stores import Place, Redis, orbitctl

KEYS = 1500


class Rotation(unittest.TestCase):
    def setUp(self):
        self.place = Place()
        self.addCleanup(self.place.__exit__)
        self.folder = self.place.folder
        for key in "ABC":
            (self.folder / key).write_text(secrets.token_hex(32) + "\n")

    def name_of(self, key):
        """Of a key, as errors say it."""
        self.use("memory", key, store=f"named-{key}")
        with self.place.node("a") as node:
            self.write(node, "any")
        self.use("memory", None, store=f"named-{key}")
        return re.search(r"is encrypted with key (\S+),", self.refused())[1]

    def use(self, kind, key, previous=None, store=None):
        settings = {"snapshot.path" if kind == "memory" else "path": str(self.folder / (store or kind))}
        if key is not None:
            settings["encryption_key"] = f"file:{self.folder / key}"
        if previous is not None:
            settings["encryption_key_previous"] = f"file:{self.folder / previous}"
        self.place.engines = {"a": (kind, settings)}

    def write(self, node, word):
        redis = Redis(node)
        for i in range(KEYS):
            redis.send("SET", f"{word}{i}", f"secret-{word} {i}")
        for _ in range(KEYS):
            redis.reply()
        redis.close()

    def read(self, node, *words):
        redis = Redis(node)
        for word in words:
            for i in range(0, KEYS, 61):
                self.assertEqual(redis.call("GET", f"{word}{i}"), f"secret-{word} {i}")
        redis.close()

    def refused(self):
        with self.assertRaises(RuntimeError) as caught, self.place.node("a"):
            pass
        return str(caught.exception)

    def assert_hidden(self, kind):
        for path in (self.folder / kind).iterdir():
            self.assertNotIn(b"secret-", path.read_bytes())

    def test_a_new_key_opens_what_the_old_one_wrote_and_the_old_one_is_not_needed_any_more(self):
        for kind in ("lsm", "cow_btree", "memory"):
            with self.subTest(kind):
                self.use(kind, "A")
                with self.place.node("a", durability="async") as node:
                    self.write(node, "old")
                self.assert_hidden(kind)

                self.use(kind, "B", previous="A")
                with self.place.node("a", durability="async") as node:
                    self.read(node, "old")
                    self.write(node, "new")
                    if kind != "memory":
                        orbitctl("storage", "compact", "--online", "--storage", "a", url=f"http://127.0.0.1:{node.admin_port}")
                    self.read(node, "old", "new")
                self.assert_hidden(kind)

                (self.folder / "A").rename(self.folder / "A.gone")
                self.use(kind, "B")
                with self.place.node("a") as node:
                    self.read(node, "old", "new")
                    self.assertIn(" 0 damaged", orbitctl("storage", "check", "--online", "--storage", "a",
                                                         url=f"http://127.0.0.1:{node.admin_port}"))
                (self.folder / "A.gone").rename(self.folder / "A")

    def test_a_wrong_key_is_refused_and_the_error_says_which_is_expected_and_which_were_given(self):
        names = {key: self.name_of(key) for key in "ABC"}
        self.assertEqual(len(set(names.values())), 3)
        for kind in ("lsm", "cow_btree", "memory"):
            self.use(kind, "A")
            with self.place.node("a") as node:
                self.write(node, "old")
            self.use(kind, "B", previous="A")
            self.place.node("a").stop()
            for key, previous in (("A", None), ("C", None), ("C", "A"), (None, None)):
                with self.subTest(kind, key=key, previous=previous):
                    self.use(kind, key, previous)
                    told = self.refused()
                    self.assertIn(f"is encrypted with key {names['B']}", told)
                    for given in (key, previous):
                        self.assertIn(names[given] if given else "encryption_key", told)
                    for one in "ABC":
                        self.assertNotIn((self.folder / one).read_text().strip(), told)
            self.use(kind, "B")
            with self.place.node("a") as node:  # no attempt has changed anything
                self.read(node, "old")


if __name__ == "__main__":
    unittest.main()
