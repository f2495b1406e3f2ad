#!/usr/bin/env python3
"""front.mjs between a browser and the real Ory Hydra: HYDRA=/path/to/hydra REGISTRAR=/path/to/registrar try.py

Publishes documents, sends authorization requests to the front as a browser does, and follows them to the page for
sign-in at Hydra. It needs Hydra 26, Node 20, and the program openssl (version 3). Exits with 0 if everything succeeded.
"""
import http.client
import http.server
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "connectors"))

from hydra import Hydra  # noqa: E402
from programs import Failure, Program, call, free_port  # noqa: E402
from registrar import Registrar  # noqa: E402

LOGIN = "https://login.example.org/sign-in"
CALLBACK = "https://app.example.org/callback"
OTHER = "https://app.example.org/other"
DOCUMENTS = {}


class Publisher(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(DOCUMENTS.get(self.path, {})).encode()
        self.send_response(200 if self.path in DOCUMENTS else 404)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def publisher(work):
    """Starts a server with a certificate of its own authority, and returns it with its host."""
    common = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    leaf = "-addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE -CA ca.pem -CAkey ca.key"
    for words in (f"{common} -subj /CN=authority -keyout ca.key -out ca.pem",
                  f"{common} -subj /CN=localhost {leaf} -keyout host.key -out host.pem"):
        subprocess.run(["openssl", "req", "-x509", *words.split()], cwd=work, check=True, capture_output=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Publisher)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(work / "host.pem", work / "host.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"localhost:{server.server_port}"


class Resolving(Registrar):
    """A registrar with client documents, whose script copies clients to Hydra."""

    def __init__(self, target, work, host):
        super().__init__(target, work)
        text = self.config.read_text()
        allowed = f'allowedHosts = ["{target.host}", "{host}"]\ncaFile = "{work}/ca.pem"'
        documents = f'[registration]\nclientDocuments = "any"\nclientDocumentDenyList = ["https://{host}/denied/*"]'
        text = text.replace(f'allowedHosts = ["{target.host}"]', allowed).replace("[registration]", documents)
        self.config.write_text(text)


class Front:
    def __init__(self, target, registrar, work):
        self.port = free_port()
        self.hydra = f"http://127.0.0.1:{target.public}"
        environment = {
            "PORT": str(self.port), "REGISTRAR_URL": registrar.url, "REGISTRAR_CREDENTIALS": str(registrar.credentials),
            "HYDRA_PUBLIC_URL": self.hydra, "HYDRA_ADMIN_URL": f"http://{target.host}",
        }
        self.program = Program("front", work / "front.log")
        # Hydra is asked whether it is ready, because the front itself has no such page.
        self.program.start(["node", str(HERE / "front.mjs")], f"http://{target.host}/health/ready", environment)
        until(lambda: "listening" in self.program.log.read_text(), "front.mjs does not listen")

    def get(self, path, method="GET"):
        """Returns the status, the headers and the body, without following a redirect."""
        return get(self.port, path, method)

    def authorize(self, client_id, redirect_uri=CALLBACK):
        query = {
            "client_id": client_id, "redirect_uri": redirect_uri, "response_type": "code", "scope": "openid",
            "state": "a-state-of-the-client", "code_challenge": "x" * 43, "code_challenge_method": "S256",
        }
        return self.get(f"/oauth2/auth?{urllib.parse.urlencode(query)}")

    def signs_in(self, what, client_id, redirect_uri=CALLBACK):
        """Follows the front to Hydra, and Hydra to the page for sign-in."""
        status, headers, body = self.authorize(client_id, redirect_uri)
        location = headers.get("location", "")
        if status != 302 or not location.startswith(f"{self.hydra}/oauth2/auth?client_id="):
            raise Failure(f"{what}: {status} {location} {body}")
        there = urllib.parse.urlsplit(location)
        status, headers, body = get(there.port, f"{there.path}?{there.query}")
        location = headers.get("location", "")
        if status not in (302, 303) or not location.startswith(f"{LOGIN}?login_challenge="):
            raise Failure(f"{what}: Hydra answered {status} {location} {body[:500]}")
        print(f"{what}: Hydra sends the browser to {location[:len(LOGIN) + 40]}...", flush=True)

    def rejects(self, what, answer, expected, text):
        status, headers, body = answer
        if status != expected or text not in body or "location" in headers:
            raise Failure(f"{what}: {status} {body}")
        if not headers["content-type"].startswith("text/plain") or (status == 503) != ("retry-after" in headers):
            raise Failure(f"{what}: {headers}")
        print(f"{what}: {status} {body.strip()}", flush=True)


def until(condition, failure):
    for _ in range(200):
        if condition():
            return
        threading.Event().wait(0.1)
    raise Failure(failure)


def get(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()


def steps(target, registrar, front, server, base):
    def publish(path, **members):
        client = {
            "client_id": f"{base}{path}", "client_name": "Example", "redirect_uris": [CALLBACK], "scope": "openid",
            "token_endpoint_auth_method": "none", **members,
        }
        DOCUMENTS[path] = client
        return client["client_id"]

    def decide(what, client_id):
        address = f"{registrar.url}/admin/v1/client-documents/{what}"
        answer = call("POST", address, json_body={"client_id": client_id}, authorization=registrar.token("documents.write"))
        answer.expect(200, 204, 422)

    url = publish("/client.json")
    if call("GET", target.url(url)).status != 404:
        raise Failure("Hydra has the client already")
    front.signs_in("a new document", url)
    front.signs_in("the same document", url)
    publish("/client.json", redirect_uris=[CALLBACK, OTHER])
    decide("refresh", url)
    front.signs_in("a new redirect URI, at once", url, OTHER)
    local = publish("/local.json", redirect_uris=["http://127.0.0.1/callback"])
    front.signs_in("a loopback redirect URI with any port", local, "http://127.0.0.1:49152/callback")
    registered = registrar.register({
        "client_name": "Registered", "redirect_uris": [CALLBACK], "scope": "openid", "token_endpoint_auth_method": "none",
    })["client_id"]
    until(lambda: call("GET", target.url(registered)).status == 200, "Hydra does not get a registered client")
    front.signs_in("a registered client", registered)

    front.rejects("no document", front.authorize(f"{base}/missing.json"), 400, "document_unusable")
    front.rejects("a denied URL", front.authorize(publish("/denied/client.json")), 400, "document_denied")
    front.rejects("a secret", front.authorize(publish("/secret.json", token_endpoint_auth_method="client_secret_basic")),
                  400, "must not use a shared secret")
    front.rejects("a URL with a query", front.authorize(f"{url}?x=1"), 400, "invalid_client_id")
    front.rejects("two identifiers", front.get(f"/oauth2/auth?client_id={url}&client_id=x"), 400, "repeated")
    front.rejects("a long query", front.get(f"/oauth2/auth?client_id={url}&state={'x' * 9000}"), 414, "too long")
    front.rejects("another path", front.get("//evil.example.org/oauth2/auth"), 404, "not found")
    front.rejects("POST", front.get("/oauth2/auth", "POST"), 405, "only GET")
    publish("/local.json", redirect_uris=["http://127.0.0.1/callback"], token_endpoint_auth_method="client_secret_basic")
    decide("refresh", local)
    front.rejects("a document that breaks a rule now", front.authorize(local, "http://127.0.0.1:49152/callback"), 400,
                  "must not use a shared secret")
    decide("deny", url)
    until(lambda: call("GET", target.url(url)).status == 404, "Hydra still has a denied client")
    front.rejects("a denied client, which is deleted at Hydra", front.authorize(url), 400, "document_denied")
    mine = publish("/late.json")
    server.shutdown()
    server.server_close()
    front.rejects("a document whose host is down", front.authorize(mine), 503, "document_unavailable")
    registrar.stop()
    front.rejects("Registrar is down", front.authorize(url), 503, "try again later")


def main():
    # Hydra sends browsers there.
    os.environ["URLS_LOGIN"] = LOGIN
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        try:
            server, host = publisher(work)
            target = Hydra(work)
            registrar = Resolving(target, work, host)
            registrar.start()
            front = Front(target, registrar, work)
            steps(target, registrar, front, server, f"https://{host}")
            print(f"front.mjs with Hydra {target.version}: passed", flush=True)
        except BaseException:
            for log in work.glob("*.log"):
                print(f"--- {log.name}", *log.read_text().splitlines()[-15:], sep="\n", file=sys.stderr)
            raise
        finally:
            Program.stop_all()


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"try.py: {failure}")
