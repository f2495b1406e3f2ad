#!/usr/bin/env python3
"""Counts the instructions of requests, so that other programs on the machine do not affect the result.

Usage: benches/instructions.sh [--binary BINARY] [--floor BINARY] [--database sled|fjall] [--json FILE] [--check FILE] [ROW ...]

Each server runs in callgrind. After a warm-up, callgrind counts COUNT requests on four connections, in all threads of the
server, without the work of the kernel. A ROW is the beginning of a row's name; by default all rows are counted. If the
processor has instructions for SHA-256, the real number is smaller: valgrind does not know them. The parts are the
instructions of the functions themselves, by the names of the functions; `memory` is mostly work for other parts.

valgrind counts each byte that `rep movsb` moves as an instruction. Therefore the C library is told not to use it.

With --floor, which names the executable of the bench `load`, a bare server is counted as well: see benches/load/floor.rs.
With --check, the program fails if a count is more than 5 % above the one in FILE, which --json has written.

Needs valgrind and openssl.
"""

import argparse, base64, collections, concurrent.futures, http.client, json, os, pathlib, re, subprocess, tempfile, time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
WARM, COUNT, CONNECTIONS = 100, 400, 4
# A count may be this much above the one that --check compares it with.
MARGIN = 1.05
# So that the counts of two processors can be compared, and a large copy counts as little as it costs.
TUNABLES = "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824"
VALGRIND = ["valgrind", "--fair-sched=yes", "--tool=callgrind", "--instr-atstart=no"]

# What each part is recognised by, in this order: the first match counts.
PARTS = [
    ("script", r"rhai|registrar::script"),
    ("rules", r"registrar::client|registrar::base::(scope|violation|absent|client_url)|^url::|idna|psl"),
    ("log", r"tracing|registrar::telemetry|metrics"),
    ("parsing", r"serde_json::(de|read)|serde_core::de|serde::de|registrar::base::json"),
    ("store", r"sled|registrar::store|crc32|pagecache"),
    ("HTTP", r"hyper|tokio|axum|http::|httparse|registrar::(http|server)|tower|mio|h2::"),
    ("crypto", r"openssl|sha256|SHA256|EVP_|_gcm|aes|ecp_|bn_|BN_|EC_|RAND_|CRYPTO_|OPENSSL|ossl_|DRBG|drbg|josekit"),
    ("record", r"serde_json|serde|itoa|ryu"),
    ("memory", r"malloc|free|realloc|calloc|mem(cpy|move|set|cmp)|alloc::|_int_|drop_in_place|btree|hashbrown"),
    ("pipeline", r"registrar"),
]


def small():
    return re.search(r'const BODY: &str = r#"(.*)"#;', (ROOT / "benches/load/main.rs").read_text()).group(1)


def full():
    return json.dumps(json.loads((ROOT / "benches/full-registration.json").read_text()), separators=(",", ":"))


# A script of each server: it checks the request and changes a member.
SCRIPT = """fn createClient(context) {
    if context.client.software_id == "denied" { return false; }
    context.client.contacts.push("registry@example.org");
    true
}
"""


def encoded(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def statement(work):
    """Returns a software statement, and the configuration of a server that trusts it."""
    key = work / "statement.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, stderr=subprocess.DEVNULL)
    modulus = subprocess.run(["openssl", "rsa", "-in", key, "-noout", "-modulus"], check=True, capture_output=True, text=True)
    n = encoded(bytes.fromhex(modulus.stdout.strip().removeprefix("Modulus=")))
    jwk = {"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig", "n": n, "e": "AQAB"}
    claims = {"iss": "https://directory.example.org", "iat": 1_700_000_000, "software_id": "4NRB1-0XZABZI9E6-5SM3R"}
    parts = [{"alg": "RS256", "kid": "1"}, claims]
    signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=signed.encode(), check=True, capture_output=True)
    entry = {"id": "1", "type": "SSA", "issuers": [claims["iss"]], "jwks": {"keys": [jwk]}}
    shipped = (ROOT / "config/registrar.toml").read_text()
    trusting = re.sub(r"(?m)^dcrSsaValidationConfigs = .*$", lambda _: "dcrSsaValidationConfigs = " + toml([entry]), shipped)
    trusting = re.sub(r'(?m)^softwareStatementValidationType = .*$', 'softwareStatementValidationType = "builtin"', trusting)
    (work / "trusting.toml").write_text(trusting)
    return f"{signed}.{encoded(signature.stdout)}", work / "trusting.toml"


def toml(value):
    """Returns a value as it is written in one line of TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml(one)}" for name, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


class Counted:
    """A server in callgrind."""

    def __init__(self, work, command, greeting, environment=()):
        self.work = pathlib.Path(tempfile.mkdtemp(dir=work))
        # A folder of its own: the server watches the one that its scripts are in, and would notice each line.
        (self.work / "said").mkdir()
        self.greeting, self.log = self.work / "said" / "greeting", self.work / "said" / "log"
        environment = {**os.environ, "GLIBC_TUNABLES": TUNABLES, **dict(environment)}
        command = [*VALGRIND, f"--callgrind-out-file={self.work}/counted", *command]
        said, log = open(self.greeting, "wb"), open(self.log, "wb")
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=said, stderr=log)
        self.urls = [urllib.parse.urlparse(url) for url in self.wait_for(greeting)]
        self.url = self.urls[0]
        self.dumps = 0

    def wait_for(self, greeting):
        for _ in range(900):
            found = re.search(greeting, self.greeting.read_text())
            if found:
                return [part if "://" in part else f"http://{part}" for part in found.groups()]
            time.sleep(0.1)
        raise SystemExit(self.log.read_text()[-2000:])

    def connection(self):
        return http.client.HTTPConnection(self.url.hostname, self.url.port)

    def control(self, *words):
        subprocess.run(["callgrind_control", *words, str(self.process.pid)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def send(self, request, count):
        connection, (method, path, body, headers, status) = self.connection(), request
        for _ in range(count):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != status:
                raise SystemExit(f"{method} {path}: status {answer.status}: {text[:300]}")
        return text

    def count(self, request):
        """Returns the instructions of one request: all of them, and by part."""
        self.send(request, WARM)
        self.control("-z")
        self.control("-i", "on")
        # Only one connection can update one client at a time.
        connections = 1 if request[0] == "PUT" else CONNECTIONS
        with concurrent.futures.ThreadPoolExecutor(connections) as pool:
            list(pool.map(lambda _: self.send(request, COUNT // connections), range(connections)))
        self.control("-i", "off")
        self.control("-d")
        self.dumps += 1
        costs = read_costs(self.work / f"counted.{self.dumps}")
        parts = collections.Counter()
        for name, cost in costs.items():
            part = next((part for part, known in PARTS if re.search(known, name)), "other")
            parts[part] += cost
        return sum(costs.values()) // COUNT, {part: cost // COUNT for part, cost in parts.items()}

    def stop(self):
        self.process.terminate()
        self.process.communicate()


def registrar(wanted, work, scripts, configuration):
    """Starts a registrar with this number of scripts."""
    place = pathlib.Path(tempfile.mkdtemp(dir=work))
    folder = place / "scripts"
    folder.mkdir()
    for at in range(scripts):
        (folder / f"{at}0-script.rhai").write_text(SCRIPT)
    command = [wanted.binary, "--config", configuration, "--listen", "127.0.0.1:0", "--scripts", folder]
    environment = {
        "REGISTRAR_REGISTRATION__RATE_LIMIT_REGISTRATION_REQUEST_COUNT": "0",
        "REGISTRAR_STORE__URL": f"{wanted.database}:{place}/data",
        "REGISTRAR_STORE__KEY_FILE": f"{place}/registrar.key",
    }
    return Counted(work, command, r"listens on (\S+)", environment)


def read_costs(file):
    """Returns the instructions of each function itself in a file of callgrind."""
    names, costs, current, is_call = {}, collections.Counter(), None, False
    for line in file.read_text(errors="replace").splitlines():
        if line.startswith("fn="):
            number, _, name = line[3:].partition(" ")
            if name:
                names[number] = name
            current = names.get(number, number)
        elif line.startswith("calls="):
            is_call = True
        elif line.startswith(("cfn=", "cfi=", "cfl=", "cob=", "ob=", "fl=", "fi=", "fe=")):
            if line.startswith("cfn="):
                number, _, name = line[4:].partition(" ")
                if name:
                    names[number] = name
        elif current and line[:1] in "0123456789+-*":
            cost = COST.fullmatch(line)
            if cost and not is_call:
                costs[current] += int(cost.group(1))
            is_call = False
    return costs


# A position, relative or not, and the instructions there.
COST = re.compile(r"[-+*]?\d* (\d+)")
JSON = {"Content-Type": "application/json"}


def post(body):
    return "POST", "/register", body, JSON, 201


def rows(server, scripts):
    """Returns what is counted on a server with this number of scripts."""
    name = {0: "no script", 1: "one script", 5: "five scripts"}[scripts]
    found = {f"POST small, {name}": post(small()), f"POST full, {name}": post(full())}
    if scripts:
        return found
    body = {**json.loads(small()), "grant_types": ["client_credentials"], "response_types": [], "scope": "openid"}
    client = json.loads(server.send(post(json.dumps(body)), 1))
    path = client["registration_client_uri"].removeprefix(f"{server.url.scheme}://{server.url.netloc}")
    token = {"Authorization": "Bearer " + client["registration_access_token"]}
    update = json.dumps({**body, "client_id": client["client_id"]})
    basic = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    form = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {basic}"}
    found["GET"] = "GET", path, None, token, 200
    found["PUT"] = "PUT", path, update, {**JSON, **token}, 200
    found["token"] = "POST", "/token", "grant_type=client_credentials", form, 200
    found["discovery"] = "GET", "/.well-known/oauth-authorization-server", None, {}, 200
    return found


def servers(wanted, work):
    """Starts each server in turn, and yields it with the requests to count."""
    (signed, trusting), shipped = statement(work), ROOT / "config/registrar.toml"
    for scripts in (0, 1, 5):
        server = registrar(wanted, work, scripts, shipped)
        yield server, rows(server, scripts)
    server = registrar(wanted, work, 0, trusting)
    yield server, {"POST small, a statement": post(json.dumps({**json.loads(small()), "software_statement": signed}))}
    if wanted.floor:
        server = Counted(work, [wanted.floor, "floor"], r"floor: (\S+) (\S+)")
        yield server, {"floor: POST small": post(small()), "floor: POST full": post(full())}
        server.url = server.urls[1]
        yield server, {"floor: GET of fixed bytes": ("GET", "/", None, {}, 200)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=str(ROOT / "target/release/registrar"))
    parser.add_argument("--database", default="sled", choices=["sled", "fjall"], help="the store (default: sled)")
    parser.add_argument("--floor", help="count the floor too: the executable of the bench `load`")
    parser.add_argument("--json", help="write the counts to this file")
    parser.add_argument("--check", help="compare the counts with those in this file")
    parser.add_argument("rows", nargs="*", metavar="ROW")
    wanted = parser.parse_args()
    is_wanted = lambda name: not wanted.rows or any(name.startswith(row) for row in wanted.rows)
    counts, running = {}, None
    with tempfile.TemporaryDirectory() as folder:
        for server, found in servers(wanted, pathlib.Path(folder)):
            if running not in (None, server):
                running.stop()
            running = server
            for name, request in found.items():
                if is_wanted(name):
                    counts[name], parts = server.count(request)
                    print(shown(name, counts[name], parts), flush=True)
        running.stop()
    if wanted.json:
        pathlib.Path(wanted.json).write_text(json.dumps(counts, indent=2) + "\n")
    if wanted.check:
        check(counts, json.loads(pathlib.Path(wanted.check).read_text()))


def check(counts, noted):
    """Fails if a count is more than it may be."""
    grown = [name for name, count in counts.items() if count > noted[name] * MARGIN]
    for name in grown:
        print(f"{name}: {counts[name]:,} instructions, {counts[name] / noted[name] - 1:.0%} more than the {noted[name]:,} noted")
    if grown:
        raise SystemExit("find out why, or note the new counts with --json")


def shown(name, total, parts):
    listed = ", ".join(f"{part} {cost // 1000}k" for part, cost in sorted(parts.items(), key=lambda one: -one[1]))
    return f"{name:<28} {total:>9,}   {listed}"


main()
