# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""State that is moved to stores which are not on the local disk, and back: a bucket, a PostgreSQL server. And a server that two nodes
share."""

import hashlib
import json
import os
import sys
import unittest

CONNINFO = sys.argv.pop()  # with_postgres puts it last

from stores import Place, Redis, orbitctl, orbitctl_json  # noqa: E402
from s3_server import Server, environment  # noqa: E402  (stores.py has added its folder)

KEYS = 2000


def fill(place, instance):
    with place.node(instance, durability="async", only=[instance]) as node:
        redis = Redis(node)
        for i in range(KEYS):
            redis.send("SET", f"key{i}", f"value {i} " * (1 + i % 7))
        redis.send("SET", "large", "x" * 300_000)
        redis.send("HSET", "hash", *(word for i in range(300) for word in (f"field{i}", i)))
        redis.send("SET", "mortal", "value", "EX", 100_000)
        for _ in range(KEYS + 3):
            redis.reply()
        redis.close()


def checksum(config, instance):
    """Over all that the engine says it has, in order; without what a migration itself notes."""
    told = orbitctl("storage", "dump", "--config", config, "--storage", instance, "--json").splitlines()
    entries = [line for line in told if line.startswith("{") and json.loads(line)["kind"] != "instance_note"]
    assert len(entries) > KEYS, told
    return hashlib.sha256("\n".join(entries).encode()).hexdigest()


class Elsewhere(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        before = dict(os.environ)
        self.addCleanup(lambda: (os.environ.clear(), os.environ.update(before)))
        os.environ.update(environment(self.server))  # where the plugin looks for credentials

    def bucket(self, prefix):
        return "s3", {"bucket": "bucket", "prefix": prefix, "endpoint": self.server.endpoint, "path_style": True,
                      "credentials": "environment", "retry_first_ms": 1}

    def test_state_goes_from_local_engines_to_a_bucket_to_a_server_and_back_and_is_the_same_everywhere(self):
        for kind in ("memory", "rocksdb", "cow_btree"):
            with self.subTest(kind), Place(b=self.bucket(f"from-{kind}"), c="lsm") as place:
                setting = "snapshot.path" if kind == "memory" else "path"
                place.engines["a"] = (kind, {setting: str(place.folder / "a")})
                place.engines["p"] = ("postgres", {"conninfo": CONNINFO, "table": f"from_{kind}"})
                fill(place, "a")
                config = place.config("a")
                expected = checksum(config, "a")
                entries = None
                for source, target in (("a", "b"), ("b", "p"), ("p", "c")):
                    moved = orbitctl_json("storage", "migrate", "--config", config, "--from", source, "--to", target)
                    self.assertEqual(moved["chunks"], moved["written_chunks"])
                    self.assertGreater(moved["entries"], KEYS)
                    self.assertEqual(moved["entries"], entries or moved["entries"])
                    entries = moved["entries"]
                    self.assertEqual(checksum(config, target), expected, f"{source} to {target}")
                self.assertGreater(sum(1 for _, key in self.server.state.objects if key.startswith(f"from-{kind}/")), 1)
                with place.node("c") as node:
                    redis = Redis(node)
                    self.assertEqual(redis.call("DBSIZE"), KEYS + 3)
                    for i in range(0, KEYS, 97):
                        self.assertEqual(redis.call("GET", f"key{i}"), f"value {i} " * (1 + i % 7))
                    self.assertEqual(redis.call("GET", "large"), "x" * 300_000)
                    self.assertEqual(redis.call("HGET", "hash", "field123"), "123")
                    self.assertGreater(redis.call("TTL", "mortal"), 1000)
                    redis.close()
                # The first name leads through all of them.
                with place.node("a") as node:
                    self.assertIn("the storage 'p' was migrated to 'c', which is used", node.log())

    def test_an_object_that_is_damaged_ends_a_migration_with_its_name_and_the_source_still_counts(self):
        with Place(a="cow_btree", b=self.bucket("damaged"), c="lsm") as place:
            fill(place, "a")
            config = place.config("a")
            orbitctl("storage", "migrate", "--config", config, "--from", "a", "--to", "b")
            place_of, table = max(((key, o) for key, o in self.server.state.objects.items() if key[1].startswith("damaged/")),
                                  key=lambda one: len(one[1]["body"]))
            good = table["body"]
            table["body"] = good[:1000] + bytes([good[1000] ^ 1]) + good[1001:]
            told = orbitctl("storage", "migrate", "--config", config, "--from", "b", "--to", "c", code=1)
            self.assertIn(place_of[1], told)
            table["body"] = good
            orbitctl("storage", "migrate", "--config", config, "--from", "b", "--to", "c")
            self.assertEqual(checksum(config, "c"), checksum(config, "b"))

    def test_two_nodes_on_one_server_see_what_the_other_has_committed(self):
        shared = ("postgres", {"conninfo": CONNINFO, "table": "two_nodes"})
        with Place(p=shared) as one, Place(p=shared) as other, one.node("p") as first, other.node("p") as second:
            a, b = Redis(first), Redis(second)
            a.call("SET", "of the first", "1")
            b.call("SET", "of the second", "2")
            self.assertEqual(b.call("GET", "of the first"), "1")
            self.assertEqual(a.call("GET", "of the second"), "2")
            a.close()
            b.close()
            first.stop()
            c = Redis(second)
            self.assertEqual(c.call("GET", "of the first"), "1")
            c.close()


if __name__ == "__main__":
    unittest.main()
