#!/usr/bin/env python3
"""Measures client documents (Client ID Metadata Documents) with a host of its own.

Usage: benches/documents.py [BINARY [COUNT]]

1. Instructions of one resolution that needs no fetch, and of one read of a client by itself, on the same server in
   callgrind. The ratio must be at least 0.6: an authorization server asks for each authorization.
2. Memory of a server before and after COUNT documents (10000) were resolved, and how many it resolves in a second.

Needs valgrind and openssl.
"""

import base64, concurrent.futures, http.client, http.server, json, os, pathlib, ssl, subprocess, sys, tempfile, threading, time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "target/release/registrar")
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000


class Documents(http.server.BaseHTTPRequestHandler):
    """Answers each path with a document of that URL."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = f"https://{self.headers['Host']}{self.path}"
        document = json.dumps({
            "client_id": url, "client_name": "Example " + self.path, "client_uri": "https://client.example.org/",
            "redirect_uris": ["https://client.example.org/cb", "http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "max-age=86400")
        self.send_header("Content-Length", str(len(document)))
        self.end_headers()
        self.wfile.write(document)

    def log_message(self, *_):
        pass


def host(work):
    """Starts the host of documents and returns its name."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", work / "key.pem",
         "-out", work / "ca.pem"],
        check=True, stderr=subprocess.DEVNULL)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Documents)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(work / "ca.pem", work / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"localhost:{server.server_address[1]}"


class Registrar:
    """A server, perhaps in callgrind."""

    def __init__(self, work, name, documents, prefix=()):
        self.data = work / name
        (work / "scripts").mkdir(exist_ok=True)
        settings = {
            "REGISTRATION__CLIENT_DOCUMENTS": "any", "FETCH__ALLOWED_HOSTS": json.dumps([documents]),
            "FETCH__CA_FILE": str(work / "ca.pem"), "LIMITS__DOCUMENTS": "100000",
            "LIMITS__DOCUMENT_FETCHES_PER_HOST": "1000000", "LIMITS__DOCUMENT_FETCHES": "1000000",
            "REGISTRATION__CLIENT_DOCUMENT_MAXIMUM_SECONDS": "86400",
        }
        env = dict(os.environ, **{f"REGISTRAR_{key}": value for key, value in settings.items()})
        self.process = subprocess.Popen(
            [*prefix, BINARY, "--config", ROOT / "config/registrar.toml", "--listen", "127.0.0.1:0",
             "--data", self.data, "--scripts", work / "scripts"],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if line.startswith("Registrar listens on "):
                self.url = urllib.parse.urlparse(line.split()[-1])
                break
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        credentials = json.load(open(self.data / "admin-credentials.json"))
        form = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": "clients.resolve"})
        basic = base64.b64encode(f"{credentials['client_id']}:{credentials['client_secret']}".encode()).decode()
        answer = self.ask("POST", "/token", form, {
            "Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic " + basic})
        self.token = {"Authorization": "Bearer " + answer["access_token"]}

    def connection(self):
        return http.client.HTTPConnection(self.url.hostname, self.url.port)

    def ask(self, method, path, body=None, headers={}, connection=None):
        connection = connection or self.connection()
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status in (200, 201), (answer.status, text)
        return json.loads(text)

    def resolve(self, url, connection=None):
        path = "/admin/v1/clients/resolve?" + urllib.parse.urlencode({"client_id": url})
        return self.ask("GET", path, headers=self.token, connection=connection)

    def memory(self):
        status = open(f"/proc/{self.process.pid}/status").read()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()


def counted(registrar, work, name, request):
    """Returns the instructions of one request, from a thousand on four connections."""
    def many(count):
        connection = registrar.connection()
        for _ in range(count):
            request(connection)

    many(100)
    control = ["callgrind_control", str(registrar.process.pid)]
    subprocess.run([*control[:1], "-z", control[1]], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*control[:1], "-i", "on", control[1]], check=True, stdout=subprocess.DEVNULL)
    threads = [threading.Thread(target=many, args=(250,)) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    subprocess.run([*control[:1], "-i", "off", control[1]], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*control[:1], "-d", name, control[1]], check=True, stdout=subprocess.DEVNULL)
    total = 0
    for file in work.glob("counted*"):
        text = file.read_text(errors="replace")
        if name in text:
            for line in text.splitlines():
                if line.startswith("totals:"):
                    total += int(line.split()[1])
    return total // 1000


def instructions(work, documents):
    prefix = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={work}/counted"]
    registrar = Registrar(work, "counting", documents, prefix)
    url = f"https://{documents}/one.json"
    registrar.resolve(url)
    body = json.dumps({"redirect_uris": ["https://client.example.org/cb"], "token_endpoint_auth_method": "none"})
    client = registrar.ask("POST", "/register", body, {"Content-Type": "application/json"})
    path = client["registration_client_uri"].split(f":{registrar.url.port}", 1)[-1]
    if not path.startswith("/"):
        path = "/register?client_id=" + client["client_id"]
    token = {"Authorization": "Bearer " + client["registration_access_token"]}
    read = counted(registrar, work, "reads", lambda it: registrar.ask("GET", path, headers=token, connection=it))
    kept = counted(registrar, work, "kept", lambda it: registrar.resolve(url, it))
    registrar.stop()
    print(f"a read of a client by itself: {read} instructions; a kept resolution: {kept}; ratio {read / kept:.2f}")


def memory(work, documents):
    registrar = Registrar(work, "memory", documents)
    registrar.resolve(f"https://{documents}/warm.json")
    before, begun = registrar.memory(), time.monotonic()

    def some(numbers):
        connection = registrar.connection()
        for number in numbers:
            registrar.resolve(f"https://{documents}/{number}.json", connection)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(some, [range(start, COUNT, 8) for start in range(8)]))
    took = time.monotonic() - begun
    print(f"{COUNT} documents: {registrar.memory() - before:.1f} MiB more than the {before:.1f} MiB before, "
          f"{COUNT / took:.0f} a second (the host is Python)")
    registrar.stop()


with tempfile.TemporaryDirectory() as folder:
    work = pathlib.Path(folder)
    documents = host(work)
    instructions(work, documents)
    memory(work, documents)
