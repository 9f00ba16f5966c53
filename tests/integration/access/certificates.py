# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Certificates and signed tokens, made with the openssl program."""

import base64
import json
import subprocess
from pathlib import Path


def openssl(*args, **kwargs):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, **kwargs).stdout


class Authority:
    """Signs certificates into a folder. Names of files: NAME.pem, NAME.key."""

    def __init__(self, folder, name="authority"):
        self.folder = Path(folder)
        self.name = name
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                "-subj", f"/CN={name}", "-keyout", self.key(name), "-out", self.pem(name))

    def pem(self, name):
        return str(self.folder / f"{name}.pem")

    def key(self, name):
        return str(self.folder / f"{name}.key")

    def sign(self, name, common_name, san="", days=30):
        """days below 0: expired."""
        request = str(self.folder / f"{name}.csr")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={common_name}",
                "-keyout", self.key(name), "-out", request)
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={san}\n" if san else "basicConstraints=CA:FALSE\n")
        openssl("x509", "-req", "-in", request, "-CA", self.pem(self.name), "-CAkey", self.key(self.name),
                "-CAcreateserial", "-days", str(days), "-extfile", str(extensions), "-out", self.pem(name))
        return self.pem(name), self.key(name)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Signs tokens with RS256."""

    def __init__(self, folder, key_id="k1"):
        self.private = str(Path(folder) / f"issuer-{key_id}.key")
        self.key_id = key_id
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.private)

    def jwk(self):
        modulus = openssl("rsa", "-in", self.private, "-noout", "-modulus").decode().strip().split("=")[1]
        return {"kty": "RSA", "kid": self.key_id, "alg": "RS256", "use": "sig", "n": base64url(bytes.fromhex(modulus)),
                "e": "AQAB"}

    def token(self, claims, **header):
        head = {"alg": "RS256", "typ": "JWT", "kid": self.key_id} | header
        text = base64url(json.dumps(head).encode()) + "." + base64url(json.dumps(claims).encode())
        return text + "." + base64url(openssl("dgst", "-sha256", "-sign", self.private, input=text.encode()))
