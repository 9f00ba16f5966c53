# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Work on the storage of a node that serves: checks, counts, compactions, checkpoints, and how fast it may go; and what a dump
tells of the state of actors whose module is known."""

import json
import time
import unittest
import urllib.request

from stores import BUILD, Place, Redis, orbitctl, orbitctl_json
from orbit_node import toml_section

KEYS = 5000
BACKGROUND_WORK = {"cow_btree": "checkpoints", "lsm": "flushes", "rocksdb": "flushes"}


def url(node):
    return f"http://127.0.0.1:{node.admin_port}"


def fill(node, value="value"):
    redis = Redis(node)
    for i in range(KEYS):
        redis.send("SET", f"key{i}", f"{value} {i}" * 10)
    for _ in range(KEYS):
        redis.reply()
    return redis


class Jobs(unittest.TestCase):
    def test_a_node_under_load_checks_counts_compacts_and_copies_each_engine(self):
        for engine in ("cow_btree", "lsm", "rocksdb"):
            with self.subTest(engine), Place(a=engine) as place:
                with place.node("a") as node:
                    fill(node).close()
                    redis = fill(node, "another")
                    redis.call("DEL", *[f"key{i}" for i in range(1000)])
                    for i in range(2000, 3000):  # answered while the work goes on
                        redis.send("SET", f"key{i}", f"written meanwhile {i}")
                    checked = orbitctl_json("storage", "check", "--online", "--storage", "a", url=url(node))
                    self.assertEqual((checked["stage"], checked["result"]["damaged"]), ("done", 0), checked)
                    self.assertTrue(checked["result"]["verified"] and checked["result"]["counts_compared"])
                    for _ in range(1000):
                        redis.reply()
                    counted = orbitctl_json("storage", "stats", "--online", "--storage", "a", url=url(node))["result"]
                    actors = {row["type"]: row["main"]["keys"] for row in counted["types"] if "main" in row}
                    self.assertEqual(actors["redis.db0"], KEYS - 1000)
                    self.assertIn("bytes before", orbitctl("storage", "compact", "--online", "--storage", "a", url=url(node)))
                    metrics = urllib.request.urlopen(url(node) + "/metrics").read().decode()
                    work = [line for line in metrics.splitlines() if line.startswith(f"orbit_{engine}_{BACKGROUND_WORK[engine]}")]
                    self.assertEqual(len(work), 1, work)
                    self.assertGreater(float(work[0].split()[-1]), 0, work)
                    copy = place.folder / "copy"
                    orbitctl("storage", "checkpoint", "--storage", "a", "--to", str(copy), url=url(node))
                    if engine in ("lsm", "rocksdb"):  # tables are linked, not copied
                        self.assertTrue(any(file.stat().st_nlink > 1 for file in copy.rglob("*") if file.is_file()))
                    self.assertIn("exists", orbitctl("storage", "checkpoint", "--storage", "a", "--to", str(copy), code=1,
                                                     url=url(node)))
                    redis.call("SET", "key4000", "after the checkpoint")
                    redis.close()
                    told = [(job["kind"], job["stage"]) for job in
                            json.load(urllib.request.urlopen(url(node) + "/v1/storage/jobs"))["jobs"]]
                    self.assertEqual(told, [("check", "done"), ("stats", "done"), ("compact", "done"), ("checkpoint", "done"),
                                            ("checkpoint", "failed")])
                place.engines = {"copy": engine}
                with place.node("copy") as node:
                    redis = Redis(node)
                    self.assertEqual(redis.call("DBSIZE"), KEYS - 1000)
                    self.assertEqual(redis.call("GET", "key4000"), "another 4000" * 10)
                    self.assertEqual(redis.call("GET", "key2500"), "written meanwhile 2500")
                    redis.close()

    def test_damage_is_found_while_the_node_serves(self):
        with Place(a="cow_btree") as place:
            with place.node("a") as node:
                fill(node).close()
            path = place.folder / "a" / "data.cow"
            data = bytearray(path.read_bytes())
            at = data.index(b"value 1234")
            data[at] ^= 1
            path.write_bytes(data)
            with place.node("a") as node:
                told = orbitctl("storage", "check", "--online", "--storage", "a", code=1, url=url(node))
                self.assertIn("damaged: ", told)
                self.assertIn(str(path), told)
                redis = Redis(node)
                self.assertEqual(redis.call("SET", "another", "key"), "OK")
                redis.close()
            self.assertIn(str(path), orbitctl("storage", "check", "--config", place.config("a"), "--storage", "a", code=1))

    def test_what_an_engine_cannot_do_and_what_there_is_not_is_refused(self):
        with Place(a="memory") as place, place.node("a") as node:
            self.assertIn("orbit.storage.maintenance/1", orbitctl("storage", "compact", "--online", "--storage", "a", code=1, url=url(node)))
            self.assertIn("orbit.storage.checkpoint/1",
                          orbitctl("storage", "checkpoint", "--storage", "a", "--to", "/nowhere", code=1, url=url(node)))
            self.assertIn("no storage", orbitctl("storage", "check", "--online", "--storage", "b", code=1, url=url(node)))
            checked = orbitctl_json("storage", "check", "--online", "--storage", "a", url=url(node))["result"]
            self.assertEqual((checked["damaged"], checked["verified"]), (0, False))

    def test_a_migration_and_a_backup_keep_to_the_pace_which_can_be_changed_while_they_run(self):
        with Place(a="rocksdb", b="lsm") as place, place.node("a") as node:
            fill(node).close()
            size = sum(row["main"]["bytes"] for row in
                       orbitctl_json("storage", "stats", "--online", "--storage", "a", url=url(node))["result"]["types"] if "main" in row)
            self.assertEqual(orbitctl_json("storage", "pace", "--bytes-per-second", "1000", url=url(node)), {"bytes_per_second": 1000})
            body = json.dumps({"from": "a", "to": "b"}).encode()
            urllib.request.urlopen(urllib.request.Request(url(node) + "/v1/storage/migrations", body, {"Content-Type": "application/json"}))
            # At a thousand bytes a second it takes minutes.
            running = orbitctl_json("migrations", url=url(node))["migrations"][-1]
            self.assertIn(running["stage"], ("copying", "verifying"))
            self.assertGreater(size / 1000, 60)
            self.assertIn("no limit", orbitctl("storage", "pace", "--bytes-per-second", "0", url=url(node)))
            while orbitctl_json("migrations", url=url(node))["migrations"][-1]["stage"] not in ("done", "failed"):
                time.sleep(0.02)
            self.assertEqual(orbitctl_json("migrations", url=url(node))["migrations"][-1]["stage"], "done")

            folder = str(place.folder / "backups")
            orbitctl("storage", "backup", "--online", "--storage", "b", "--to", folder, "--bytes-per-second", str(size), url=url(node))
            self.assertEqual(orbitctl_json("storage", "pace", url=url(node)), {"bytes_per_second": size})

    def test_a_dump_tells_state_in_the_words_of_its_module(self):
        with Place(a="cow_btree") as place:
            place.extra = toml_section("[[module]]", {"path": str(BUILD / "lib/orbit/modules/counter.so")})
            with place.node("a") as node:
                for key, by in (("clicks", 7), ("views", 35)):
                    body = json.dumps({"by": by}).encode()
                    urllib.request.urlopen(urllib.request.Request(
                        f"{url(node)}/v1/actors/counter.Counter/{key}/Add", body, {"Content-Type": "application/json"}))
            config = place.config("a")
            lines = [json.loads(line) for line in
                     orbitctl("storage", "dump", "--config", config, "--type", "counter.Counter", "--json").splitlines()]
            states = {line["key"]: line["state"] for line in lines if line["kind"] == "main"}
            self.assertEqual(states, {"clicks": {"value": "7"}, "views": {"value": "35"}})
            place.extra = ""
            lines = [json.loads(line) for line in
                     orbitctl("storage", "dump", "--config", place.config("a"), "--type", "counter.Counter", "--json").splitlines()]
            self.assertEqual({line["key"]: line["value"] for line in lines if line["kind"] == "main"}, {"clicks": "0807", "views": "0823"})


if __name__ == "__main__":
    unittest.main()
