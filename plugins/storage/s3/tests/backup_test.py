#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Backups go to a bucket and come back, from a stopped and from a running node, by orbitctl."""

import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
sys.path[:0] = [str(ROOT / "tests/integration/storage_ops"), str(ROOT / "tests/support")]

from stores import Place, Redis, orbitctl, orbitctl_json, plugin  # noqa: E402
from s3_server import Server  # noqa: E402

KEYS = 3000


class BackupsInABucket(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.place = Place(a="cow_btree", b="lsm")
        self.addCleanup(self.place.__exit__)
        access_key, (secret, _) = next(iter(self.server.state.keys.items()))
        credentials = self.place.folder / "credentials"
        credentials.write_text(f"[default]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret}\n")
        self.place.extra = plugin("backups", "orbit.backup.s3", endpoint=self.server.endpoint, path_style=True, credentials="file",
                                  credentials_file=str(credentials), retry_first_ms=1, attempts_max=3)
        with self.place.node("a", durability="async", only=["a"]) as node:
            redis = Redis(node)
            for i in range(KEYS):
                redis.send("SET", f"key{i}", f"value {i}")
            for _ in range(KEYS):
                redis.reply()
            redis.close()
        self.config = self.place.config("a")

    def objects(self, prefix):
        return {key: found for (_, key), found in self.server.state.objects.items() if key.startswith(prefix)}

    def save(self, *words, **more):
        return orbitctl_json("storage", "backup", "--storage", "a", "--to", "s3://bucket/saved/main", *words, **more)

    def test_what_was_saved_offline_and_online_is_restored_and_serves(self):
        first = self.save("--config", self.config)
        self.assertEqual((first["number"], first["new_chunks"]), (1, first["chunks"]))
        with self.place.node("a") as node:
            redis = Redis(node)
            url = f"http://127.0.0.1:{node.admin_port}"
            served = self.save("--online", url=url)
            self.assertEqual((served["number"], served["new_chunks"], served["entries"]), (2, 0, first["entries"]))
            redis.call("SET", "key0", "changed")
            redis.close()
        third = self.save("--config", self.config, "--keep", "2")
        self.assertEqual((third["number"], third["new_chunks"], third["removed_backups"]), (3, 1, 1))
        self.assertEqual(sorted(self.objects("saved/main/manifests/")), ["saved/main/manifests/00000002", "saved/main/manifests/00000003"])
        self.assertEqual(self.objects("saved/main/claim"), {})
        where = ("--config", self.config, "--backup", "s3://bucket/saved/main")
        self.assertIn("is whole", orbitctl("storage", "check", *where))
        told = orbitctl("storage", "restore", "--config", self.config, "--storage", "b", "--from", "s3://bucket/saved/main", "--number", "2")
        self.assertIn("verified", told)
        with self.place.node("b", only=["b"]) as node:
            redis = Redis(node)
            self.assertEqual(redis.call("DBSIZE"), KEYS)
            for i in range(0, KEYS, 97):
                self.assertEqual(redis.call("GET", f"key{i}"), f"value {i}")
            redis.close()

    def test_damage_in_the_bucket_is_found_and_named(self):
        self.save("--config", self.config)
        name, chunk = max(self.objects("saved/main/chunks/").items(), key=lambda item: len(item[1]["body"]))
        body = bytearray(chunk["body"])
        body[len(body) // 2] ^= 1
        chunk["body"] = bytes(body)
        told = orbitctl("storage", "check", "--config", self.config, "--backup", "s3://bucket/saved/main", code=1)
        self.assertIn(f"s3://{'bucket/' + name}' is damaged", told)
        # The next backup does not believe it.
        self.assertEqual(self.save("--config", self.config)["new_chunks"], 1)
        orbitctl("storage", "check", "--config", self.config, "--backup", "s3://bucket/saved/main")

    def test_what_is_not_there_or_wrong_is_said(self):
        told = orbitctl("storage", "restore", "--config", self.config, "--storage", "b", "--from", "s3://bucket/nothing", code=1)
        self.assertIn("there is no backup in 's3://bucket/nothing'", told)
        told = orbitctl("storage", "backup", "--config", self.config, "--storage", "a", "--to", "s3://other/x", code=1)
        self.assertIn("NoSuchBucket", told)
        told = orbitctl("storage", "backup", "--config", self.config, "--storage", "a", "--to", "s3://", code=1)
        self.assertIn("expected s3://BUCKET", told)
        told = orbitctl("storage", "backup", "--config", self.config, "--storage", "a", "--to", "gs://bucket/x", code=1)
        self.assertIn("no plugin of the configuration opens 'gs://bucket/x'; found s3:// ('backups')", told)
        self.server.state.faults.append({"match": "PUT .*/chunks/", "action": "500", "count": 1000})
        told = orbitctl("storage", "backup", "--config", self.config, "--storage", "a", "--to", "s3://bucket/saved/main", code=1)
        self.assertIn("InternalError", told)
        self.server.state.faults.clear()
        self.assertEqual(self.save("--config", self.config)["number"], 1)


if __name__ == "__main__":
    unittest.main()
