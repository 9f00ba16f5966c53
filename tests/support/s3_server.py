#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""A small, strict S3 server in memory, for tests. It checks the signature (SigV4) and the payload's hash of every request, and
answers what S3 answers: conditional writes (412, 409), ranges, listings in pages, multipart uploads, encryption with a customer's
key. Faults are injected on demand. It also plays the metadata service of an instance (IMDSv2), STS for web
identities, and the endpoint that gives containers their credentials.

    s3_server.py [--clock-offset SECONDS] --run COMMAND ARGUMENT...

starts it on a free port, runs the command with {endpoint} in its arguments replaced and ORBIT_S3_ENDPOINT, AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY in its environment, and ends with its status. Without --run it prints its address and serves until its
standard input ends.

Faults and questions go to /_control, unsigned, as JSON:
    POST /_control {"faults": [{"match": "PUT .*/wal/", "action": "500", "count": 2}]}   adds; [] removes all
    GET  /_control                                                                       what was asked and refused
Actions: "500", "503", "429", "409", "expired" (ExpiredToken), "drop" (closes before doing anything), "lost" (does it and closes without an
answer), "torn" (sends half of the answer's body), "slow:MS". "after" lets so many matching requests through first.
"headers" are added to the answer, also in place of its Date.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone
from urllib.parse import quote, unquote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

MAX_SKEW_S = 900
PART_BYTES_MIN = 5 << 20
REGION = "us-east-1"
BUCKET = "bucket"


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Closed(Exception):
    """The connection ends here."""


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        path, _, query = target.partition("?")
        self.raw_path = path
        self.path = unquote(path)
        self.raw_query = query
        self.query = {}
        for part in filter(None, query.split("&")):
            name, _, value = part.partition("=")
            self.query[unquote(name)] = unquote(value)


class Answer:
    def __init__(self, status, body=b"", headers=None, kind="application/xml"):
        self.status, self.body, self.headers, self.kind = status, body, dict(headers or {}), kind


def encode(text, safe=""):
    return quote(text, safe="-._~" + safe)


class State:
    """All that the server knows; one lock around every request, so that each is atomic, as in S3."""

    def __init__(self, clock_offset_s=0):
        self.lock = threading.Lock()
        self.clock_offset_s = clock_offset_s
        self.objects = {}  # (bucket, key) -> dict(body, etag, headers, customer_key_md5)
        self.buckets = {BUCKET}
        self.uploads = {}
        self.next_upload = 1
        self.keys = {"AKIDTESTS": ("secret/of+tests", None)}  # access key -> (secret, session token)
        self.expired = set()  # session tokens
        self.faults = []
        self.counts = {}
        self.refused = []
        self.role_serial = 0
        self.role_lifetime_s = 3600
        self.metadata_tokens = set()

    # ---- signatures ----------------------------------------------------------------------------------------------

    def now(self):
        return time.time() + self.clock_offset_s

    def check_signature(self, request):
        given = request.headers.get("authorization", "")
        found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([^,]+), ?"
                             r"Signature=([0-9a-f]{64})", given)
        if not found:
            raise Refused(403, "AccessDenied", f"the Authorization header is missing or not of AWS4-HMAC-SHA256: {given!r}")
        access_key, day, region, names, signature = found.groups()
        if access_key not in self.keys:
            raise Refused(403, "InvalidAccessKeyId", f"there is no access key {access_key}")
        secret, token = self.keys[access_key]
        if request.headers.get("x-amz-security-token") != token:
            raise Refused(400, "InvalidToken", "the session token is not that of the access key")
        date = request.headers.get("x-amz-date", "")
        try:
            signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
        except ValueError:
            raise Refused(403, "AccessDenied", f"x-amz-date is {date!r}") from None
        if abs(signed_at - self.now()) > MAX_SKEW_S:
            raise Refused(403, "RequestTimeTooSkewed", "the difference between the request time and the current time is too large")
        if not date.startswith(day) or region != REGION:
            raise Refused(400, "AuthorizationHeaderMalformed", f"the scope {day}/{region} does not fit {date} and {REGION}")
        payload = request.headers.get("x-amz-content-sha256", "")
        if payload != "UNSIGNED-PAYLOAD" and payload != hashlib.sha256(request.body).hexdigest():
            raise Refused(400, "XAmzContentSHA256Mismatch", f"x-amz-content-sha256 is {payload!r} and not the body's")
        signed = names.split(";")
        if signed != sorted(signed) or "host" not in signed:
            raise Refused(403, "AccessDenied", f"SignedHeaders must be sorted and have the host: {names}")
        for name in request.headers:
            if (name.startswith("x-amz-") or name in ("if-match", "if-none-match", "range", "content-md5")) and name not in signed:
                # Range and conditions need not be signed for S3; here they must be, so that nothing is left out unseen.
                if name.startswith("x-amz-") or name == "content-md5" or "aws-sdk" not in request.headers.get("user-agent", ""):
                    raise Refused(403, "AccessDenied", f"the header {name} is not signed")
        lines = []
        for name in signed:
            if name not in request.headers:
                raise Refused(403, "SignatureDoesNotMatch", f"the signed header {name} was not sent")
            lines.append(f"{name}:{' '.join(request.headers[name].split())}\n")
        query = "&".join(sorted(f"{encode(n)}={encode(v)}" for n, v in request.query.items()))
        canonical = "\n".join([request.method, encode(request.path, "/"), query, "".join(lines), names, payload])
        scope = f"{day}/{region}/s3/aws4_request"
        to_sign = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        key = ("AWS4" + secret).encode()
        for part in (day, region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest(), signature):
            raise Refused(403, "SignatureDoesNotMatch", f"the signature does not match; canonical request: {canonical!r}")
        if token is not None and token in self.expired:
            raise Refused(400, "ExpiredToken", "the provided token has expired")

    # ---- what S3 does --------------------------------------------------------------------------------------------

    def handle(self, request):
        self.check_signature(request)
        bucket, _, key = request.path[1:].partition("/")
        if bucket not in self.buckets:
            raise Refused(404, "NoSuchBucket", f"the bucket {bucket!r} does not exist")
        if not key:
            if request.method == "GET" and request.query.get("list-type") == "2":
                return self.list(request, bucket)
            raise Refused(501, "NotImplemented", f"{request.method} of a bucket with {request.query}")
        place = (bucket, key)
        known = {("GET", ()): self.get, ("HEAD", ()): self.get, ("PUT", ()): self.put, ("DELETE", ()): self.delete,
                 ("POST", ("uploads",)): self.begin_upload, ("PUT", ("partNumber", "uploadId")): self.put_part,
                 ("POST", ("uploadId",)): self.end_upload, ("DELETE", ("uploadId",)): self.abort_upload}
        function = known.get((request.method, tuple(sorted(n for n in request.query if n != "x-id"))))
        if function is None:
            raise Refused(501, "NotImplemented", f"{request.method} of an object with {request.query}")
        return function(request, place)

    def check_customer_key(self, request):
        given = request.headers.get("x-amz-server-side-encryption-customer-key-md5")
        if given is not None:
            key = base64.b64decode(request.headers.get("x-amz-server-side-encryption-customer-key", ""))
            algorithm = request.headers.get("x-amz-server-side-encryption-customer-algorithm")
            if len(key) != 32 or algorithm != "AES256" or base64.b64encode(hashlib.md5(key).digest()).decode() != given:
                raise Refused(400, "InvalidArgument", "the customer's key, its algorithm or its MD5 is wrong")
        return given

    def find(self, request, place):
        found = self.objects.get(place)
        if found is None:
            raise Refused(404, "NoSuchKey", f"the key {place[1]!r} does not exist")
        given = self.check_customer_key(request)
        if found["customer_key_md5"] != given:
            if given is None:
                raise Refused(400, "InvalidRequest", "the object was stored with a customer's key, which must be provided")
            raise Refused(403, "AccessDenied", "the customer's key is not that of the object")
        return found

    def get(self, request, place):
        found = self.find(request, place)
        if "if-match" in request.headers and request.headers["if-match"] != found["etag"]:
            raise Refused(412, "PreconditionFailed", "the ETag is another")
        headers = {"ETag": found["etag"], "Accept-Ranges": "bytes", "Last-Modified": found["modified"]} | found["headers"]
        body = found["body"]
        asked = request.headers.get("range")
        if asked is None:
            return Answer(200, body, headers, "binary/octet-stream")
        parts = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
        if parts is None:
            raise Refused(501, "NotImplemented", f"Range: {asked}")
        first, last = int(parts[1]), min(int(parts[2]), len(body) - 1)
        if first >= len(body) or first > last:
            raise Refused(416, "InvalidRange", "the requested range is not satisfiable")
        headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
        return Answer(206, body[first:last + 1], headers, "binary/octet-stream")

    def check_conditions(self, request, place):
        found = self.objects.get(place)
        none_match, match = request.headers.get("if-none-match"), request.headers.get("if-match")
        if none_match is not None:
            if none_match != "*":
                raise Refused(501, "NotImplemented", "If-None-Match of a PUT can only be *")
            if found is not None:
                raise Refused(412, "PreconditionFailed", "at least one of the preconditions you specified did not hold")
        if match is not None:
            if found is None:
                raise Refused(404, "NoSuchKey", f"the key {place[1]!r} does not exist")
            if found["etag"].strip('"') != match.strip('"'):
                raise Refused(412, "PreconditionFailed", "at least one of the preconditions you specified did not hold")

    def encryption(self, request):
        kind = request.headers.get("x-amz-server-side-encryption")
        if kind is None:
            return {}
        if kind not in ("AES256", "aws:kms"):
            raise Refused(400, "InvalidArgument", f"x-amz-server-side-encryption: {kind}")
        out = {"x-amz-server-side-encryption": kind}
        key = request.headers.get("x-amz-server-side-encryption-aws-kms-key-id")
        if key is not None:
            if kind != "aws:kms":
                raise Refused(400, "InvalidArgument", "a key id without aws:kms")
            out["x-amz-server-side-encryption-aws-kms-key-id"] = key
        return out

    def store(self, place, body, etag, headers, customer_key_md5):
        modified = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        self.objects[place] = {"body": body, "etag": etag, "headers": headers, "customer_key_md5": customer_key_md5,
                               "modified": modified}

    def put(self, request, place):
        if "content-length" not in request.headers:
            raise Refused(411, "MissingContentLength", "you must provide the Content-Length HTTP header")
        self.check_conditions(request, place)
        headers = self.encryption(request)
        etag = f'"{hashlib.md5(request.body).hexdigest()}"'
        self.store(place, request.body, etag, headers, self.check_customer_key(request))
        return Answer(200, headers={"ETag": etag} | headers)

    def delete(self, request, place):
        self.objects.pop(place, None)
        return Answer(204)

    def list(self, request, bucket):
        query = request.query
        prefix = query.get("prefix", "")
        after = query.get("start-after", "")
        if "continuation-token" in query:
            token = query["continuation-token"]
            if not token.startswith("after:"):
                raise Refused(400, "InvalidArgument", "the continuation token provided is incorrect")
            after = token[len("after:"):]
        limit = min(int(query.get("max-keys", "1000")), 1000)
        keys = sorted(key for b, key in self.objects if b == bucket and key.startswith(prefix) and key > after)
        page = keys[:limit]
        more = len(keys) > limit
        out = ['<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
               f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount><MaxKeys>{limit}</MaxKeys>",
               f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"]
        if more:
            out.append(f"<NextContinuationToken>after:{escape(page[-1])}</NextContinuationToken>")
        for key in page:
            found = self.objects[(bucket, key)]
            out.append(f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                       f"<ETag>{escape(found['etag'])}</ETag><Size>{len(found['body'])}</Size>"
                       "<StorageClass>STANDARD</StorageClass></Contents>")
        out.append("</ListBucketResult>")
        return Answer(200, "".join(out).encode())

    def upload(self, request, place):
        found = self.uploads.get(request.query["uploadId"])
        if found is None or found["place"] != place:
            raise Refused(404, "NoSuchUpload", "the specified multipart upload does not exist")
        return found

    def begin_upload(self, request, place):
        upload_id = f"upload-{self.next_upload}"
        self.next_upload += 1
        self.uploads[upload_id] = {"place": place, "parts": {}, "headers": self.encryption(request),
                                   "customer_key_md5": self.check_customer_key(request)}
        return Answer(200, ("<InitiateMultipartUploadResult>"
                            f"<Bucket>{place[0]}</Bucket><Key>{escape(place[1])}</Key><UploadId>{upload_id}</UploadId>"
                            "</InitiateMultipartUploadResult>").encode())

    def put_part(self, request, place):
        found = self.upload(request, place)
        number = int(request.query["partNumber"])
        if not 1 <= number <= 10000:
            raise Refused(400, "InvalidArgument", "part numbers are 1 to 10000")
        if self.check_customer_key(request) != found["customer_key_md5"]:
            raise Refused(400, "InvalidRequest", "the part's customer key is not that of the upload")
        etag = f'"{hashlib.md5(request.body).hexdigest()}"'
        found["parts"][number] = (etag, request.body)
        return Answer(200, headers={"ETag": etag})

    def end_upload(self, request, place):
        found = self.upload(request, place)
        self.check_conditions(request, place)
        namespace = re.compile(r"^\{.*\}")
        root = ElementTree.fromstring(request.body)
        bodies, digests = [], b""
        parts = [{namespace.sub("", field.tag): field.text for field in part} for part in root]
        numbers = [int(part["PartNumber"]) for part in parts]
        if numbers != sorted(set(numbers)):
            raise Refused(400, "InvalidPartOrder", "the list of parts was not in ascending order")
        for index, (number, part) in enumerate(zip(numbers, parts)):
            etag = part["ETag"]
            stored = found["parts"].get(number)
            if stored is None or stored[0].strip('"') != etag.strip('"'):
                raise Refused(400, "InvalidPart", f"part {number} was not found or has another ETag")
            if len(stored[1]) < PART_BYTES_MIN and index + 1 < len(parts):
                raise Refused(400, "EntityTooSmall", "your proposed upload is smaller than the minimum allowed size")
            bodies.append(stored[1])
            digests += hashlib.md5(stored[1]).digest()
        if not bodies:
            raise Refused(400, "MalformedXML", "no parts")
        etag = f'"{hashlib.md5(digests).hexdigest()}-{len(bodies)}"'
        self.store(place, b"".join(bodies), etag, found["headers"], found["customer_key_md5"])
        del self.uploads[request.query["uploadId"]]
        return Answer(200, ("<CompleteMultipartUploadResult>"
                            f"<Key>{escape(place[1])}</Key><ETag>{escape(etag)}</ETag></CompleteMultipartUploadResult>").encode(),
                      headers=found["headers"])

    def abort_upload(self, request, place):
        self.upload(request, place)
        del self.uploads[request.query["uploadId"]]
        return Answer(204)

    # ---- the metadata service of an instance ---------------------------------------------------------------------

    def new_role(self):
        self.role_serial += 1
        access_key, secret, token = f"ASIAROLE{self.role_serial}", f"secret{self.role_serial}", f"token/{self.role_serial}+="
        self.keys[access_key] = (secret, token)
        expires = datetime.fromtimestamp(self.now() + self.role_lifetime_s, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"AccessKeyId": access_key, "SecretAccessKey": secret, "Token": token, "Expiration": expires}

    # STS, as AssumeRoleWithWebIdentity uses it: a form in, XML out, nothing signed.
    def sts(self, request):
        fields = {unquote(name): unquote(value) for name, value in
                  (part.split("=", 1) for part in request.body.decode().split("&"))} if request.body else {}
        space = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'

        def refuse(code, message):
            return Answer(400, f"<ErrorResponse {space}><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
                               "<RequestId>r</RequestId></ErrorResponse>".encode(), kind="text/xml")
        if request.method != "POST" or request.headers.get("content-type") != "application/x-www-form-urlencoded":
            return refuse("InvalidAction", "expected a form")
        if (fields.get("Action"), fields.get("Version")) != ("AssumeRoleWithWebIdentity", "2011-06-15"):
            return refuse("InvalidAction", "unknown action or version")
        if not fields.get("RoleArn", "").startswith("arn:aws:iam::") or not re.fullmatch(r"[\w+=,.@-]{2,64}", fields.get("RoleSessionName", "")):
            return refuse("ValidationError", "RoleArn or RoleSessionName")
        if not fields.get("WebIdentityToken", "").startswith("web-token+/="):
            return refuse("InvalidIdentityToken", "the token is of nobody that is known here")
        role = self.new_role()
        return Answer(200, (f"<AssumeRoleWithWebIdentityResponse {space}><AssumeRoleWithWebIdentityResult><Credentials>"
                            f"<SessionToken>{role['Token']}</SessionToken><SecretAccessKey>{role['SecretAccessKey']}</SecretAccessKey>"
                            f"<Expiration>{role['Expiration']}</Expiration><AccessKeyId>{role['AccessKeyId']}</AccessKeyId></Credentials>"
                            "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>").encode(), kind="text/xml")

    def container(self, request):
        if request.headers.get("authorization") != "container-token":
            return Answer(401)
        return Answer(200, json.dumps(self.new_role()).encode(), kind="application/json")

    def metadata(self, request):
        if request.path == "/latest/api/token":
            if request.method != "PUT" or not request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "").isdigit():
                return Answer(400)
            token = f"metadata-token-{len(self.metadata_tokens)}"
            self.metadata_tokens.add(token)
            return Answer(200, token.encode(), kind="text/plain")
        if request.headers.get("x-aws-ec2-metadata-token") not in self.metadata_tokens:
            return Answer(401)
        base = "/latest/meta-data/iam/security-credentials/"
        if request.path == base:
            return Answer(200, b"the-role", kind="text/plain")
        if request.path != base + "the-role":
            return Answer(404)
        document = {"Code": "Success", "Type": "AWS-HMAC", **self.new_role()}
        return Answer(200, json.dumps(document).encode(), kind="application/json")

    # ---- faults and questions ------------------------------------------------------------------------------------

    def control(self, request):
        if request.method == "POST":
            for name, value in json.loads(request.body).items():
                if name == "faults":
                    self.faults = self.faults + value if value else []
                elif name == "expire":  # session tokens; "all" are those that were given out
                    self.expired |= {t for _, t in self.keys.values() if t} if value == "all" else set(value)
                elif name == "damage":  # flips a bit of an object
                    body = bytearray(self.objects[(BUCKET, value["key"])]["body"])
                    body[value["at"]] ^= 1
                    self.objects[(BUCKET, value["key"])]["body"] = bytes(body)
                elif name == "role_lifetime_s":
                    self.role_lifetime_s = value
                elif name == "keys":
                    self.keys |= {key: (secret, None) for key, secret in value.items()}
                elif name == "forget":  # access keys that are no longer valid
                    for key in value:
                        self.keys.pop(key, None)
                elif name == "clock_offset_s":
                    self.clock_offset_s = value
                else:
                    return Answer(400, f"unknown: {name}".encode())
        document = {"counts": self.counts, "refused": self.refused[-20:], "uploads": sorted(self.uploads),
                    "objects": {key: {"size": len(o["body"]), "headers": o["headers"]} for (_, key), o in self.objects.items()}}
        return Answer(200, json.dumps(document).encode(), kind="application/json")

    def fault_for(self, request):
        line = f"{request.method} {request.target}"
        for fault in self.faults:
            if not re.search(fault["match"], line):
                continue
            if fault.get("after", 0) > 0:
                fault["after"] -= 1
                continue
            if fault.get("count", 1) <= 0:
                continue
            fault["count"] = fault.get("count", 1) - 1
            return fault
        return None

    def serve(self, request):
        """The answer, and whether only half of it is to be sent."""
        if request.path == "/_control":
            with self.lock:
                return self.control(request), False
        if request.path.startswith("/latest/"):
            with self.lock:
                return self.metadata(request), False
        for path, answer in (("/_sts/", self.sts), ("/_container/credentials", self.container)):
            if request.path == path:
                with self.lock:
                    return answer(request), False
        with self.lock:
            fault = self.fault_for(request)
        action = fault["action"] if fault else None
        if action == "drop":
            raise Closed
        if action is not None and action.startswith("slow:"):
            time.sleep(int(action[5:]) / 1000)
        try:
            if action in ("500", "503", "429", "409", "expired"):
                raise {"500": Refused(500, "InternalError", "we encountered an internal error; please try again"),
                       "503": Refused(503, "SlowDown", "please reduce your request rate"),
                       "429": Refused(429, "TooManyRequests", "please reduce your request rate"),
                       "409": Refused(409, "ConditionalRequestConflict", "a conflicting operation is under way"),
                       "expired": Refused(400, "ExpiredToken", "the provided token has expired")}[action]
            with self.lock:
                self.counts[request.method] = self.counts.get(request.method, 0) + 1
                answer = self.handle(request)
        except Refused as refused:
            with self.lock:
                self.refused.append(f"{request.method} {request.target}: {refused.status} {refused.code}: {refused.message}")
            answer = Answer(refused.status, ('<?xml version="1.0" encoding="UTF-8"?>\n'
                                             f"<Error><Code>{refused.code}</Code><Message>{escape(refused.message)}</Message>"
                                             "<RequestId>0000</RequestId></Error>").encode())
        if action == "lost":
            raise Closed
        answer.headers |= fault.get("headers", {}) if fault else {}
        return answer, action == "torn"


class Connection(socketserver.StreamRequestHandler):
    """HTTP/1.1 with kept connections; each answer is one write."""
    disable_nagle_algorithm = True
    rbufsize = 1 << 16

    def handle(self):
        try:
            while self.one():
                pass
        except (Closed, ConnectionError, OSError):
            pass

    def one(self):
        line = self.rfile.readline(65536)
        if not line:
            return False
        method, target, version = line.decode("latin-1").split()
        headers = {}
        while True:
            line = self.rfile.readline(65536)
            if line in (b"\r\n", b""):
                break
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        if version != "HTTP/1.1" or "transfer-encoding" in headers:
            return False
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.rfile.read(int(headers.get("content-length", "0")))
        request = Request(method, target, headers, body)
        answer, torn = self.server.state.serve(request)
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(self.server.state.now()))
        head = f"HTTP/1.1 {answer.status} -\r\nx-amz-request-id: 0000\r\n"
        for name, value in ({"Date": date} | answer.headers).items():
            head += f"{name}: {value}\r\n"
        if answer.status != 204:
            head += f"Content-Length: {len(answer.body)}\r\nContent-Type: {answer.kind}\r\n"
        sent = b"" if method == "HEAD" or answer.status == 204 else answer.body
        if torn:
            self.wfile.write((head + "\r\n").encode() + sent[:len(sent) // 2])
            raise Closed
        self.wfile.write((head + "\r\n").encode() + sent)
        return True


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, clock_offset_s=0):
        self.state = State(clock_offset_s)
        super().__init__(("127.0.0.1", 0), Connection)
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().server_bind()


def environment(server):
    access_key, (secret, _) = next(iter(server.state.keys.items()))
    return dict(os.environ) | {"ORBIT_S3_ENDPOINT": server.endpoint, "AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--clock-offset", type=int, default=0, help="of the server's clock, in seconds")
    parser.add_argument("--run", nargs=argparse.REMAINDER, help="a command and its arguments")
    arguments = parser.parse_args()
    server = Server(arguments.clock_offset)
    if arguments.run is None:
        print(server.endpoint, flush=True)
        sys.stdin.read()
        return 0
    command = [argument.replace("{endpoint}", server.endpoint) for argument in arguments.run]
    status = subprocess.run(command, env=environment(server), check=False).returncode
    if status != 0:
        print("\n".join(["refused by the server, the last of them:"] + server.state.refused[-20:]), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
