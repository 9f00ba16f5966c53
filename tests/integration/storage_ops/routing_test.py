# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Actor types that lie in different storages."""

import unittest

from stores import Place, Redis, orbitctl, orbitctl_json

ROUTES = [(["redis.db1"], "ledger")]


def actors(place, instance, name, routes=()):
    stats = orbitctl_json("storage", "stats", "--config", place.config(instance, routes), "--storage", name)
    return {row["type"]: row["main"]["keys"] for row in stats["types"] if "main" in row}


class Routing(unittest.TestCase):
    def test_each_type_is_in_its_storage_and_survives_as_that_does(self):
        with Place(hot="memory", ledger="cow_btree", archive="rocksdb") as place:
            routes = ROUTES + [(["redis.db1*"], "archive")]
            with place.node("hot", routes) as node:
                redis = Redis(node)
                for database in (0, 1, 10, 12):
                    redis.call("SELECT", database)
                    self.assertEqual(redis.call("SET", "key", f"of {database}"), "OK")
                    self.assertEqual(redis.call("DBSIZE"), 1)
                types = {row["name"]: row["storage"] for row in orbitctl_json(
                    "types", url=f"http://127.0.0.1:{node.admin_port}")["types"]}
                self.assertEqual((types["redis.db0"], types["redis.db1"], types["redis.db12"]), ("hot", "ledger", "archive"))
                redis.close()
            with place.node("hot", routes) as node:
                redis = Redis(node)
                for database, value in ((0, None), (1, "of 1"), (10, "of 10"), (12, "of 12")):
                    redis.call("SELECT", database)
                    self.assertEqual(redis.call("GET", "key"), value)
                redis.close()
            self.assertEqual(actors(place, "hot", "ledger", routes), {"redis.db1": 1})
            self.assertEqual(actors(place, "hot", "archive", routes), {"redis.db10": 1, "redis.db12": 1})

    def test_what_would_change_two_storages_at_once_is_refused_whole(self):
        with Place(hot="memory", ledger="cow_btree") as place, place.node("hot", ROUTES) as node:
            redis = Redis(node)
            redis.call("SET", "a", "1")
            with self.assertRaisesRegex(RuntimeError, "'hot'.*'ledger'"):
                redis.call("MOVE", "a", "1")
            redis.call("MULTI")
            redis.call("SET", "a", "2")
            redis.call("SELECT", "1")
            redis.call("SET", "b", "2")
            with self.assertRaisesRegex(RuntimeError, "redis.db0.*redis.db1"):
                redis.call("EXEC")
            redis.call("SELECT", "0")
            self.assertEqual(redis.call("GET", "a"), "1")
            redis.call("SELECT", "1")
            self.assertIsNone(redis.call("GET", "b"))
            # Within one storage it is one turn as before.
            redis.call("MULTI")
            redis.call("SET", "a", "3")
            redis.call("SET", "b", "3")
            self.assertEqual(redis.call("EXEC"), ["OK", "OK"])
            # Whole databases among the keys: those of one storage go, all of them or an exchange would be two changes.
            for command in (["FLUSHALL"], ["SWAPDB", "1", "2"]):
                redis.call("MULTI")
                redis.call("SET", "b", "4")
                redis.call(*command)
                with self.assertRaisesRegex(RuntimeError, "'hot'|'ledger'"):
                    redis.call("EXEC")
                self.assertEqual(redis.call("GET", "b"), "3")
            redis.call("MULTI")
            redis.call("SET", "a", "5")
            redis.call("FLUSHDB")
            redis.call("SET", "c", "5")
            self.assertEqual(redis.call("EXEC"), ["OK", "OK", "OK"])
            self.assertEqual(redis.call("KEYS", "*"), ["c"])
            # Alone it erases one storage after the other.
            self.assertEqual(redis.call("FLUSHALL"), "OK")
            for database in (0, 1):
                redis.call("SELECT", database)
                self.assertEqual(redis.call("DBSIZE"), 0)
            redis.close()

    def test_a_type_whose_state_is_elsewhere_is_refused_until_it_is_migrated(self):
        with Place(main="rocksdb", ledger="cow_btree") as place:
            with place.node("main") as node:
                redis = Redis(node)
                for database in (0, 1):
                    redis.call("SELECT", database)
                    for i in range(300):
                        redis.call("SET", f"key{i}", f"value {database} {i}")
                        redis.call("PEXPIRE", f"key{i}", "3600000")
                redis.close()
            with self.assertRaises(RuntimeError) as refused:
                place.node("main", ROUTES)
            text = str(refused.exception)
            self.assertIn("redis.db1 has state in the storage 'main', but belongs to 'ledger'", text)
            self.assertIn("orbitctl storage migrate --config FILE --from main --to ledger --type redis.db1", text)
            config = place.config("main", ROUTES)
            told = orbitctl("storage", "migrate", "--config", config, "--from", "main", "--to", "ledger", "--type", "redis.db1")
            self.assertIn("601 entries", told)
            self.assertEqual(actors(place, "main", "main"), {"redis.db0": 300})
            self.assertEqual(actors(place, "main", "ledger"), {"redis.db1": 300})
            for name in ("main", "ledger"):
                self.assertIn(" 0 damaged", orbitctl("storage", "check", "--config", config, "--storage", name))
            with place.node("main", ROUTES) as node:
                redis = Redis(node)
                for database in (0, 1):
                    redis.call("SELECT", database)
                    self.assertEqual(redis.call("DBSIZE"), 300)
                    self.assertEqual(redis.call("GET", "key7"), f"value {database} 7")
                    self.assertGreater(redis.call("PTTL", "key7"), 0)
                redis.close()

    def test_mistakes_are_told_before_anything_runs(self):
        with Place(hot="memory", ledger="cow_btree") as place:
            for routes, expected in (([(["a"], "leger")], "did you mean 'ledger'?"), ([(["a"], "redis")], "does not provide orbit.storage/1"),
                                     ([(["a"], "hot"), (["a"], "ledger")], "bound to the storage 'hot' already")):
                with self.assertRaisesRegex(RuntimeError, expected.replace("?", r"\?")):
                    place.node("hot", routes)


if __name__ == "__main__":
    unittest.main()
