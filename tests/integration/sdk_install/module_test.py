#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""A third party's actor module that was built outside the tree with the installed SDK, loaded into a running node. ORBIT_BUILD names
the build tree, MODULE the library."""

import base64
import http.client
import json
import os
import socket
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from orbit_node import PATIENCE_S, Node  # noqa: E402

BUILD = os.environ["ORBIT_BUILD"]
MODULE = os.environ["MODULE"]


class ThirdParty(unittest.TestCase):
    def test_it_is_loaded_while_the_node_serves_called_on_two_wires_and_there_again_after_a_restart(self):
        with Node(BUILD, storage="cow_btree", admin={}) as node:
            self.assertEqual(self.ask(node, "POST", "/v1/actors/shop.Cart/mine/Show", {})[0], 404)
            status, module = self.ask(node, "POST", "/v1/modules", {"path": MODULE})
            self.assertEqual((status, module["name"], module["version"], module["state"]), (200, "actors.shop", "0.3.1", "active"), module)
            self.assertEqual(module["types"], ["shop.Cart"])
            item = {"name": "apple", "count": 3}
            self.assertEqual(self.ask(node, "POST", "/v1/actors/shop.Cart/mine/Put", item), (200, {"items": [item]}))
            # One of its actors calls another.
            owner = {"key": base64.b64encode(b"mine").decode()}
            self.assertEqual(self.ask(node, "POST", "/v1/actors/shop.Cart/yours/TakeOver", owner), (200, {"items": [item]}))
            self.assertEqual(self.redis(node, "ACTOR.CALL shop.Cart mine Show {}"), {"items": []})
            status, problem = self.ask(node, "POST", "/v1/actors/shop.Cart/mine/Put", {"name": "air"})
            self.assertEqual((status, problem["detail"]), (400, "nothing to put into the cart"))
            node.stop()
            store = {"path": str(node.folder / "data")}
            with Node(BUILD, storage="cow_btree", store=store, admin={}, node={"data_dir": str(node.folder / "node")}) as again:
                self.assertEqual(self.redis(again, "ACTOR.CALL shop.Cart yours Show {}"), {"items": [item]})

    def ask(self, node, method, path, body):
        client = http.client.HTTPConnection("127.0.0.1", node.admin_port, timeout=PATIENCE_S)
        self.addCleanup(client.close)
        client.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        answer = client.getresponse()
        return answer.status, json.loads(answer.read())

    def redis(self, node, line):
        with socket.create_connection(("127.0.0.1", node.port), timeout=PATIENCE_S) as client, client.makefile("rb") as answers:
            client.sendall(line.encode() + b"\r\n")
            size = answers.readline()
            self.assertEqual(size[:1], b"$", size)
            return json.loads(answers.readline())


if __name__ == "__main__":
    unittest.main()
