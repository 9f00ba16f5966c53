# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""orbitctl storage on the files of a node that is stopped: migrate, check, stats, backup, restore, dump."""

import json
import unittest

from stores import Place, Redis, orbitctl, orbitctl_json

KEYS = 3000


def fill(place, instance, start=0):
    with place.node(instance, durability="async", only=[instance]) as node:
        redis = Redis(node)
        for i in range(start, start + KEYS):
            redis.send("SET", f"key{i}", f"value {i}")
        for _ in range(KEYS):
            redis.reply()
        redis.call("RPUSH", "list", *range(200))
        redis.close()


def check_content(case, place, instance, keys=KEYS, only=None):
    with place.node(instance, only=only) as node:
        redis = Redis(node)
        case.assertEqual(redis.call("DBSIZE"), keys + 1)
        for i in range(0, keys, 97):
            case.assertEqual(redis.call("GET", f"key{i}"), f"value {i}")
        case.assertEqual(redis.call("LRANGE", "list", "0", "-1"), [str(i) for i in range(200)])
        redis.close()
        return node.log()


class Tools(unittest.TestCase):
    def test_an_instance_is_migrated_between_all_durable_engines_and_the_old_name_leads_to_the_new_one(self):
        with Place(a="rocksdb", b="cow_btree", c="lsm") as place:
            fill(place, "a")
            config = place.config("a")
            for source, target in (("a", "b"), ("b", "c")):
                moved = orbitctl_json("storage", "migrate", "--config", config, "--from", source, "--to", target)
                self.assertGreater(moved["entries"], KEYS)
                self.assertEqual(moved["chunks"], moved["written_chunks"])
            self.assertIn("migrated to 'b' already", orbitctl("storage", "migrate", "--config", config, "--from", "a", "--to", "b",
                                                             code=1))
            check_content(self, place, "c")
            log = check_content(self, place, "a")
            self.assertIn("the storage 'a' was migrated to 'b', which is used", log)
            self.assertIn("the storage 'b' was migrated to 'c', which is used", log)
            orbitctl("storage", "check", "--config", config, "--storage", "c")

    def test_a_target_that_holds_something_else_is_refused(self):
        with Place(a="rocksdb", b="cow_btree") as place:
            fill(place, "a")
            fill(place, "b")
            told = orbitctl("storage", "migrate", "--config", place.config("a"), "--from", "a", "--to", "b", code=1)
            self.assertIn("'b' holds something that is not from a migration", told)
            check_content(self, place, "a", only=["a"])

    def test_backups_are_incremental_and_a_restored_instance_serves(self):
        with Place(a="cow_btree", b="lsm") as place:
            saved = str(place.folder / "saved")
            config = place.config("a")
            fill(place, "a")
            first = orbitctl_json("storage", "backup", "--config", config, "--storage", "a", "--to", saved)
            with place.node("a") as node:
                redis = Redis(node)
                url = f"http://127.0.0.1:{node.admin_port}"
                served = orbitctl_json("storage", "backup", "--online", "--storage", "a", "--to", saved, url=url)
                self.assertEqual((served["number"], served["new_chunks"], served["entries"]), (2, 0, first["entries"]))
                self.assertIn("no storage in use has the name 'b'",
                              orbitctl("storage", "backup", "--online", "--storage", "b", "--to", saved, code=1, url=url))
                redis.call("SET", "key0", "changed")
                redis.close()
            second = orbitctl_json("storage", "backup", "--config", config, "--storage", "a", "--to", saved, "--keep", "3")
            self.assertEqual(second["removed_backups"], 0)
            self.assertEqual((first["number"], second["number"]), (1, 3))
            self.assertEqual(first["new_chunks"], first["chunks"])
            self.assertEqual(second["new_chunks"], 1)
            self.assertIn("is whole", orbitctl("storage", "check", "--backup", saved, "--number", "1"))
            told = orbitctl("storage", "restore", "--config", config, "--storage", "b", "--from", saved, "--number", "1")
            self.assertIn("verified", told)
            check_content(self, place, "b", only=["b"])
            self.assertIn("not empty", orbitctl("storage", "restore", "--config", config, "--storage", "b", "--from", saved, code=1))

    def test_damage_is_found_and_named(self):
        with Place(a="cow_btree", b="lsm") as place:
            saved = place.folder / "saved"
            config = place.config("a")
            fill(place, "a")
            orbitctl("storage", "backup", "--config", config, "--storage", "a", "--to", str(saved))
            chunk = max(saved.glob("chunks/*/*"), key=lambda path: path.stat().st_size)
            content = bytearray(chunk.read_bytes())
            content[len(content) // 2] ^= 1
            chunk.write_bytes(content)
            self.assertIn(f"{chunk.name}' is damaged", orbitctl("storage", "check", "--backup", str(saved), code=1))
            file = place.folder / "a" / "data.cow"
            content = bytearray(file.read_bytes())
            at = content.find(b"value 1000")
            self.assertGreater(at, 0)
            content[at] ^= 1
            file.write_bytes(content)
            checked = orbitctl_json("storage", "check", "--config", config, "--storage", "a", code=1)
            self.assertGreater(checked["damaged"], 0)
            self.assertRegex(checked["damages"][0], "data.cow|checksum|damaged|page")

    def test_stats_and_dump_tell_types_and_keys(self):
        with Place(a="rocksdb") as place:
            fill(place, "a")
            config = place.config("a")
            rows = orbitctl_json("storage", "stats", "--config", config, "--storage", "a")["types"]
            stats = {row["type"]: row for row in rows}
            self.assertEqual(stats["redis.db0"]["main"]["keys"], KEYS + 1)
            self.assertIn("redis.db0", orbitctl("storage", "stats", "--config", config, "--storage", "a"))
            lines = orbitctl("storage", "dump", "--config", config, "--storage", "a", "--type", "redis.db0", "--json").splitlines()
            main = [entry for entry in map(json.loads, lines) if entry["kind"] == "main"]
            self.assertEqual(len(main), KEYS + 1)
            self.assertIn("key77", {entry["key"] for entry in main})
            self.assertIn(b"value 77".hex(), next(entry["value"] for entry in main if entry["key"] == "key77"))

    def test_a_wrong_command_line_is_refused_with_2(self):
        for words in (("storage", "migrate"), ("storage", "check"), ("storage", "backup", "--config", "x"),
                      ("storage", "migrate", "--online", "--config", "x"), ("storage", "dump", "--from", "x")):
            orbitctl(*words, code=2)


if __name__ == "__main__":
    unittest.main()
