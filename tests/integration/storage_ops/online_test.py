# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Migrations of a node that serves, also of one that is killed meanwhile."""

import json
import os
import random
import signal
import subprocess
import threading
import time
import unittest

from stores import BUILD, PATIENCE_S, Place, Redis, orbitctl, orbitctl_json

SEED = int(os.environ.get("ORBIT_TEST_SEED", "20000")) if os.environ.get("ORBIT_TEST_SEED") != "random" else random.randrange(1 << 32)
KILLS = int(os.environ.get("ORBIT_MIGRATION_KILLS", "5"))


class Writer(threading.Thread):
    """Writes until the node is gone. `promised`: what was acknowledged; `asked`: what may have happened."""

    def __init__(self, number, seed, promised):
        super().__init__(daemon=True)
        self.number, self.random, self.promised, self.asked = number, random.Random(seed), promised, {}
        self.node, self.stopping, self.count = None, False, 0

    def run(self):
        redis = Redis(self.node)
        try:
            while not self.stopping:
                key = f"w{self.number}-{self.random.randrange(400)}"
                if self.random.random() < 0.1:
                    value = None
                    self.asked[key] = [value]
                    redis.call("DEL", key)
                else:
                    value = str(self.random.randrange(1 << 48)) * self.random.randrange(1, 20)
                    self.asked[key] = [value]
                    redis.call("SET", key, value)
                self.promised[key] = value
                del self.asked[key]
                self.count += 1
        except OSError:
            pass  # the node was killed
        finally:
            redis.close()


def check(case, node, promised, maybe):
    redis = Redis(node)
    for key, value in promised.items():
        found = redis.call("GET", key)
        if key in maybe and found in maybe[key]:
            promised[key] = found  # it was not acknowledged, but it happened
        else:
            case.assertEqual(found, value, f"key {key}, seed {SEED}")
    redis.close()


def fill(node, keys, value):
    redis = Redis(node)
    for i in range(keys):
        redis.send("SET", f"old{i}", value(i))
    for _ in range(keys):
        redis.reply()
    redis.close()


def url(node):
    return f"http://127.0.0.1:{node.admin_port}"


class Online(unittest.TestCase):
    def test_a_node_under_load_goes_over_to_another_engine(self):
        with Place(a="rocksdb", b="cow_btree") as place:
            promised = {}
            with place.node("a", durability="async") as node:
                fill(node, 20_000, lambda i: f"value {i}")
                writers = [Writer(n, SEED + n, promised) for n in range(3)]
                for writer in writers:
                    writer.node = node
                    writer.start()
                told = orbitctl("storage", "migrate", "--online", "--from", "a", "--to", "b", url=url(node))
                self.assertIn("'b' has what 'a' had", told)
                done = orbitctl_json("migrations", url=url(node))["migrations"]
                self.assertEqual([one["stage"] for one in done], ["done"])
                used = {one["name"]: one["used"] for one in orbitctl_json("storages", url=url(node))["storages"]}
                self.assertEqual((used["a"], used["b"]), (False, True))
                for writer in writers:
                    writer.stopping = True
                    writer.join(PATIENCE_S)
                self.assertGreater(sum(writer.count for writer in writers), 0)
                self.assertIn("in use", orbitctl("storage", "migrate", "--online", "--from", "b", "--to", "b", code=1, url=url(node)))
                check(self, node, promised | {"old777": "value 777"}, {})
            for instance in ("a", "b"):  # the old name leads to the new one
                with place.node(instance) as node:
                    check(self, node, promised, {})
            self.assertIn(" 0 damaged", orbitctl("storage", "check", "--config", place.config("b"), "--storage", "b"))

    def test_a_node_that_is_killed_at_any_moment_has_every_acknowledged_write_wherever_it_counts(self):
        chance = random.Random(SEED)
        kills = interrupted = finished = 0
        while kills < KILLS:
            with Place(a=chance.choice(["rocksdb", "lsm"]), b="cow_btree") as place:
                promised, maybe = {}, {}
                with place.node("a", durability="async") as node:
                    fill(node, 40_000, lambda i: f"value {i}" * 20)
                moved = False
                while not moved and kills < KILLS:
                    node = place.node("a")
                    try:
                        check(self, node, promised, maybe)
                        redis = Redis(node)
                        for i in range(0, 40_000, 1501):
                            self.assertEqual(redis.call("GET", f"old{i}"), f"value {i}" * 20)
                        redis.close()
                        maybe = {}
                        moved = "the storage 'a' was migrated to 'b'" in node.log()
                        interrupted += "a migration did not end" in node.log()
                        if moved:
                            finished += 1
                            node.stop()
                            break
                        writers = [Writer(n, chance.randrange(1 << 32), promised) for n in range(3)]
                        for writer in writers:
                            writer.node = node
                            writer.start()
                        tool = subprocess.Popen(
                            [str(BUILD / "bin/orbitctl"), "--url", url(node), "storage", "migrate", "--online", "--from", "a",
                             "--to", "b"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                        time.sleep(chance.random() ** 3 * 0.7)  # when it dies is what is random here, early more often
                        node.signal(signal.SIGKILL)
                        node.wait()
                        kills += 1
                        tool.wait(PATIENCE_S)
                        for writer in writers:
                            writer.join(PATIENCE_S)
                            maybe |= writer.asked
                            for key, values in writer.asked.items():
                                promised.setdefault(key, None)
                    finally:
                        node.close()
                with place.node("a") as node:
                    check(self, node, promised, maybe)
                    if "the storage 'a' was migrated to 'b'" not in node.log():
                        orbitctl("storage", "migrate", "--online", "--from", "a", "--to", "b", url=url(node))
                        check(self, node, promised, {})
                with place.node("b") as node:
                    check(self, node, promised, {})
        print(json.dumps({"seed": SEED, "kills": kills, "found_unfinished": interrupted, "found_moved": finished}))
        self.assertGreater(kills, 0)


if __name__ == "__main__":
    unittest.main()
