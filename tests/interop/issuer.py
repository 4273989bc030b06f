"""An OpenID provider outside the emulator, such as a build service: its tokens are what a federated
identity credential trusts."""

import json
import ssl
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt

from certificate import Certificate

KEY_ID = "build-service-key"
AUDIENCE = "api://AzureADTokenExchange"


class Issuer:
    """A running issuer: its address, its tokens, and the file with the certificate to trust."""

    def __init__(self, url: str, certificate: Certificate, bundle: Path):
        self.url = url
        self.bundle = bundle
        self._key = certificate.key

    def token(self, subject: str) -> str:
        """A token for `subject` that lives for five minutes."""
        now = int(time.time())
        claims = {"iss": self.url, "sub": subject, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 300}
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": KEY_ID})

    @property
    def documents(self) -> dict:
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": {"keys": [{**key, "kid": KEY_ID, "use": "sig"}]},
        }


@contextmanager
def running(certificate: Certificate, folder: Path):
    """Serves an issuer over HTTPS on a free loopback port until the block ends."""
    chain, key = folder / "issuer.pem", folder / "issuer-key.pem"
    chain.write_bytes(certificate.pem)
    key.write_bytes(certificate.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            document = issuer.documents.get(self.path)
            body = json.dumps(document or {}).encode()
            self.send_response(200 if document else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        issuer = Issuer(f"https://localhost:{server.server_port}", certificate, chain)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
