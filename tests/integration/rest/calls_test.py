# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Calls over REST: paths, versions, idempotency keys."""

import signal
import tempfile
import threading
import unittest

import rest_node
from rest_node import Wire, request

COUNTER = "/v1/actors/counter.Counter"


class Calls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = rest_node.start()

    @classmethod
    def tearDownClass(cls):
        cls.node.stop()
        cls.node.close()

    def ask(self, *args, **kwargs):
        return request(self.node, *args, **kwargs)

    def refused(self, status, code, text, *args, **kwargs):
        answer = self.ask(*args, **kwargs)
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertEqual(answer.json["code"], code)
        self.assertIn(text, answer.json["detail"])
        return answer

    def test_a_method_is_called_by_its_path_and_a_read_only_one_with_get_too(self):
        self.assertEqual(self.ask("POST", f"{COUNTER}/plain/Add", {"by": 5}).json, {"value": "5"})
        self.assertEqual(self.ask("POST", f"{COUNTER}/plain/Get").json, {"value": "5"})
        self.assertEqual(self.ask("GET", f"{COUNTER}/plain/Get").json, {"value": "5"})
        head = self.ask("HEAD", f"{COUNTER}/plain/Get")
        self.assertEqual((head.status, head.headers["content-length"]), (200, "13"))
        refused = self.refused(405, "UNIMPLEMENTED", "POST only", "GET", f"{COUNTER}/plain/Add")
        self.assertEqual(refused.headers["allow"], "POST")

    def test_a_key_is_percent_encoded_bytes(self):
        self.ask("POST", f"{COUNTER}/a%2Fb%20%C3%A4/Add", {"by": 3})
        self.assertEqual(self.ask("GET", f"{COUNTER}/a%2Fb%20%C3%A4/Get").json, {"value": "3"})
        self.refused(400, "INVALID_ARGUMENT", "UTF-8", "GET", f"{COUNTER}/%FF/Get")

    def test_what_is_not_there_is_said_with_what_is(self):
        self.refused(404, "NOT_FOUND", "no actor type 'no.Such'", "POST", "/v1/actors/no.Such/k/M")
        self.refused(404, "NOT_FOUND", "it has Add, Bump, Get, Reset", "POST", f"{COUNTER}/k/Nope")
        self.refused(404, "NOT_FOUND", "/openapi.json", "GET", "/nowhere")
        self.refused(404, "NOT_FOUND", "/v1/actors/TYPE/KEY/METHOD", "GET", f"{COUNTER}/k")

    def test_a_wrong_request_says_what_was_found_and_what_was_expected(self):
        put = "/v1/actors/shelf.Shelf/wrong/Put"
        for body, text in [
            ('{"by": "x"}', "whole number"), ('{"by": 1.5}', "whole number"), ('{"by": 9223372036854775808}', "9223372036854775807"),
            ('{"by": true}', "is a number"), ('{"by": [1]}', "is a number"), ('{"by": {}}', "is a number"),
            ('{"to": 1}', "has no field 'to'"), ('[]', "expected an object"), ('', None), ('{', "expected a name"),
            ('{"by": 1,}', "another element"), ('{"by": 01}', "does not begin with 0"), ('{"by": 1} x', "nothing more"),
            ('{"by": 1', "',' or '}'"), ("{'by': 1}", "a name in quotes"),
        ]:
            with self.subTest(body=body):
                if text is None:
                    self.assertEqual(self.ask("POST", f"{COUNTER}/wrong/Add", body).status, 200)
                else:
                    self.refused(400, "INVALID_ARGUMENT", text, "POST", f"{COUNTER}/wrong/Add", body)
        # Put has a map in its answer only; Book's own fields.
        for body, text in [
            ('{"book": {"colour": "GREEN"}}', "one of shelf.Colour"), ('{"book": {"cover": "?"}}', "base64"),
            ('{"book": {"title": 5}}', "is a string"), ('{"book": {"authors": "x"}}', "a list"),
            ('{"book": {"authors": [null]}}', "null"), ('{"book": {"isbn": "a", "shelfMark": 1}}', "more than one of"),
            ('{"book": []}', "an object"), ('{"book": {"price": "NaNN"}}', "double"), ('{"book": {"title": ""}}', "a book has a title"),
        ]:
            with self.subTest(body=body):
                self.refused(400, "INVALID_ARGUMENT", text, "POST", put, body)

    def test_a_body_must_be_json_by_its_type(self):
        with Wire(self.node) as wire:
            wire.send(f"POST {COUNTER}/k/Add HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{{}}")
            self.assertEqual(wire.answer().status, 415)

    def test_every_kind_of_field_goes_there_and_back(self):
        book = {"title": "T \u00e4\U0001f600 \"q\" \\ \n", "pages": "-9223372036854775808", "colour": "BLUE", "authors": ["a", ""],
                "price": 0.1, "cover": "AP/+", "shelfMark": 4294967295}
        answer = self.ask("POST", "/v1/actors/shelf.Shelf/kinds/Put", {"book": book})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["books"], [book])
        self.assertEqual(answer.json["pagesByTitle"], {book["title"]: book["pages"]})
        self.assertEqual(self.ask("GET", "/v1/actors/shelf.Shelf/kinds/state").json, {"books": [book]})

    def test_an_error_of_a_method_keeps_its_code(self):
        self.refused(400, "OUT_OF_RANGE", 'this shelf is "full"', "POST", "/v1/actors/shelf.Shelf/k/Fail")

    def test_annotated_paths_take_their_fields_from_path_query_and_body(self):
        made = self.ask("POST", "/library/shelves/ann/books", {"title": "One", "pages": 10, "colour": "RED"})
        self.assertEqual(made.status, 200, made)
        self.assertEqual(self.ask("PUT", "/library/halls/h%201/shelves/s:put", {"book": {"title": "Far"}}).json["seen"], "1")
        self.assertEqual(self.ask("GET", "/v1/actors/shelf.Shelf/halls%2Fh%201%2Fshelves%2Fs/List").json["books"][0]["title"], "Far")
        self.ask("POST", "/library/shelves/ann/books", {"title": "Two/Three", "pages": 300, "colour": "BLUE"})
        titles = lambda target: [book["title"] for book in self.ask("GET", target).json["books"]]  # noqa: E731
        self.assertEqual(titles("/library/shelves/ann/books"), ["One", "Two/Three"])
        self.assertEqual(titles("/library/shelves/ann/books?newest_first=true"), ["Two/Three", "One"])
        self.assertEqual(titles("/library/shelves/ann/books?filter.pagesMin=11"), ["Two/Three"])
        self.assertEqual(titles("/library/shelves/ann/books?colours=RED&colours=2"), ["One", "Two/Three"])
        self.assertEqual([b["title"] for b in self.ask("GET", "/library/shelves/ann/titles/Two/Three").json], ["Two/Three"])
        self.refused(400, "INVALID_ARGUMENT", "has no field 'nope'", "GET", "/library/shelves/ann/books?nope=1")
        self.refused(400, "INVALID_ARGUMENT", "true or false", "GET", "/library/shelves/ann/books?newest_first=1")
        self.refused(400, "INVALID_ARGUMENT", "given twice", "GET", "/library/shelves/ann/books?title=a&title=b")
        self.refused(400, "INVALID_ARGUMENT", "no JSON value", "POST", "/library/shelves/ann/books", '{"title":"x"},"shelf":"other"')
        self.assertEqual(self.refused(405, "UNIMPLEMENTED", "only", "DELETE", "/library/shelves/ann/books").headers["allow"], "POST, GET")

    def test_an_etag_is_the_version_and_if_match_guards_the_turn(self):
        target = f"{COUNTER}/etag"
        self.assertEqual(self.ask("GET", f"{target}/state").status, 404)
        self.assertEqual(self.ask("POST", f"{target}/Add", {"by": 1}, {"If-None-Match": "*"}).headers["etag"], '"1"')
        self.refused(412, "FAILED_PRECONDITION", "version 1", "POST", f"{target}/Add", {"by": 1}, {"If-None-Match": "*"})
        self.assertEqual(self.ask("POST", f"{target}/Add", {"by": 1}, {"If-Match": '"1"'}).headers["etag"], '"2"')
        self.refused(412, "FAILED_PRECONDITION", "version 2", "POST", f"{target}/Add", {"by": 1}, {"If-Match": '"1", "7"'})
        self.refused(412, "FAILED_PRECONDITION", "version 2", "POST", f"{target}/Add", {"by": 1}, {"If-Match": 'W/"2"'})
        self.refused(400, "INVALID_ARGUMENT", "entity tags", "POST", f"{target}/Add", {"by": 1}, {"If-Match": "2"})
        self.refused(412, "FAILED_PRECONDITION", "version 0", "POST", f"{COUNTER}/none/Add", {"by": 1}, {"If-Match": "*"})
        for path in ("Get", "state"):
            answer = self.ask("GET", f"{target}/{path}", headers={"If-None-Match": '"2"'})
            self.assertEqual((answer.status, answer.body, answer.headers["etag"]), (304, b"", '"2"'))
            self.assertEqual(self.ask("GET", f"{target}/{path}", headers={"If-None-Match": '"1"'}).json, {"value": "2"})

    def test_of_many_who_saw_the_same_version_one_wins(self):
        target = f"{COUNTER}/race"
        self.ask("POST", f"{target}/Add", {"by": 1})
        results = []

        def attempt():
            results.append(self.ask("POST", f"{target}/Add", {"by": 1}, {"If-Match": '"1"'}).status)
        threads = [threading.Thread(target=attempt) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(results), [200] + [412] * 7)
        self.assertEqual(self.ask("GET", f"{target}/Get").json, {"value": "2"})

    def test_an_idempotency_key_gives_the_same_answer_again_and_is_for_one_request(self):
        target, headers = f"{COUNTER}/idem/Add", {"Idempotency-Key": '"8e03978e-40d5-43dd"'}
        first = self.ask("POST", target, {"by": 2}, headers)
        self.assertEqual(first.json, {"value": "2"})
        again = self.ask("POST", target, {"by": 2}, headers)
        self.assertEqual((again.status, again.json, again.headers["etag"]), (200, {"value": "2"}, first.headers["etag"]))
        self.refused(422, "INVALID_ARGUMENT", "another request", "POST", target, {"by": 3}, headers)
        self.refused(422, "INVALID_ARGUMENT", "another request", "POST", f"{COUNTER}/other/Add", {"by": 2}, headers)
        self.assertEqual(self.ask("POST", target, {"by": 2}, {"Idempotency-Key": "bare-key"}).json, {"value": "4"})
        self.refused(400, "INVALID_ARGUMENT", "at most 255", "POST", target, {"by": 2}, {"Idempotency-Key": "x" * 256})
        self.refused(400, "INVALID_ARGUMENT", "one string", "POST", target, {"by": 2}, {"Idempotency-Key": '"open'})
        # An error of the method is an answer as any other.
        for _ in range(2):
            self.refused(400, "OUT_OF_RANGE", "full", "POST", "/v1/actors/shelf.Shelf/k/Fail", None, {"Idempotency-Key": "f"})

    def test_a_retry_while_the_first_is_at_work_is_told_so(self):
        headers = {"Idempotency-Key": "at-work"}
        with Wire(self.node) as wire:
            wire.send("POST /v1/actors/shelf.Door/d/Wait HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: at-work\r\n\r\n")
            rest_node.await_waiting(self.node, "d", 1)
            self.refused(409, "ABORTED", "still at work", "POST", "/v1/actors/shelf.Door/d/Wait", None, headers)
            self.assertEqual(self.ask("POST", "/v1/actors/shelf.Door/d/Open").status, 200)
            self.assertEqual(wire.answer().status, 200)

    def test_a_call_ends_at_its_deadline(self):
        self.refused(504, "DEADLINE_EXCEEDED", "deadline", "POST", "/v1/actors/shelf.Door/late/Wait", None, {"Orbit-Timeout-Ms": "50"})
        self.assertEqual(self.ask("POST", "/v1/actors/shelf.Door/late/Open").status, 200)
        self.refused(400, "INVALID_ARGUMENT", "Orbit-Timeout-Ms", "POST", "/v1/actors/shelf.Door/late/Wait", None, {"Orbit-Timeout-Ms": "0"})

    def test_a_page_of_another_site_cannot_act_on_a_node_without_access_control(self):
        self.refused(403, "PERMISSION_DENIED", "evil.example", "POST", f"{COUNTER}/k/Add", {"by": 1}, {"Origin": "http://evil.example"})
        with Wire(self.node) as wire:
            wire.send(f"GET {COUNTER}/k/Get HTTP/1.1\r\nHost: evil.example\r\n\r\n")
            self.assertEqual(wire.answer().status, 403)

    def test_the_document_and_the_page_come_from_the_node(self):
        document = self.ask("GET", "/openapi.json").json
        self.assertEqual(document["openapi"], "3.1.0")
        self.assertIn("/v1/actors/counter.Counter/{key}/Add", document["paths"])
        self.assertIn("/library/shelves/{shelf}/titles/{title}", document["paths"])
        page = self.ask("GET", "/")
        self.assertIn("text/html", page.headers["content-type"])
        self.assertNotRegex(page.body.decode(), r'(src|href)="https?:')
        self.assertEqual([t["name"] for t in self.ask("GET", "/v1/actors").json["types"] if t["name"].startswith("shelf")],
                         ["shelf.Door", "shelf.Shelf"])


class Crash(unittest.TestCase):
    def test_an_idempotency_key_survives_kill_and_what_was_at_work_is_not_done_twice(self):
        with tempfile.TemporaryDirectory(prefix="orbit-rest-") as data:
            node = rest_node.start(storage="rocksdb", data=data)
            try:
                headers = {"Idempotency-Key": "once"}
                self.assertEqual(request(node, "POST", f"{COUNTER}/c/Add", {"by": 7}, headers).json, {"value": "7"})
                with Wire(node) as wire:
                    wire.send("POST /v1/actors/shelf.Door/d/Wait HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: lost\r\n\r\n")
                    rest_node.await_waiting(node, "d", 1)
                    node.signal(signal.SIGKILL)
                    node.wait()
            finally:
                node.close()
            node = rest_node.start(storage="rocksdb", data=data)
            try:
                self.assertEqual(request(node, "POST", f"{COUNTER}/c/Add", {"by": 7}, headers).json, {"value": "7"})
                lost = request(node, "POST", "/v1/actors/shelf.Door/d/Wait", None, {"Idempotency-Key": "lost"})
                self.assertEqual(lost.status, 409)
                self.assertIn("the node ended", lost.json["detail"])
                node.stop()
            finally:
                node.close()


if __name__ == "__main__":
    unittest.main()
