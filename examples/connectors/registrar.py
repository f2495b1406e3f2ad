"""Registrar with the scripts of one target."""
import base64
import hashlib
import json
import os
import pathlib
import subprocess
import time

import listing
from programs import Failure, Program, basic, call, free_port, quote, run

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent


class Registrar:
    def __init__(self, target, work):
        self.work, self.target = pathlib.Path(work), target.name
        self.binary = os.environ["REGISTRAR"]
        self.url = f"http://127.0.0.1:{free_port()}"
        self.config = self.work / "registrar.toml"
        self.credentials = self.work / "data" / "admin-credentials.json"
        self.program = Program("registrar", self.work / "registrar.log")
        scripts = EXAMPLES / "scripts" / f"notify-{target.name}"
        self.config.write_text(f"""
[server]
listen = "{self.url.removeprefix('http://')}"
[store]
url = "sled:{self.work}/data"
sweepSeconds = 1
[scripts]
directory = "{scripts}"
[scripts.attributes.{target.name}]
{target.attributes}
[scripts.secrets]
{target.name} = {{ env = "TARGET_SECRET" }}
[fetch]
allowedHosts = ["{target.host}"]
allowHttp = true
allowPrivateAddresses = true
[telemetry]
format = "json"
[registration]
rateLimitRegistrationRequestCount = 0
{toml(selecting(target.name, target.template))}
""")
        self.environment = {"TARGET_SECRET": target.secret}
        self.tokens = {}

    def start(self):
        self.program.start(
            [self.binary, "--config", str(self.config)], f"{self.url}/readyz", self.environment, folder=self.work
        )
        self.tokens = {}

    def stop(self):
        self.program.stop()

    def kill(self):
        self.program.kill()

    # Clients that manage themselves.

    def register(self, metadata):
        return call("POST", f"{self.url}/register", json_body=metadata).expect(201).json

    def update(self, client, **changes):
        """Replaces the metadata of a client, and returns the client as it is then."""
        kept = {name: client[name] for name in ("registration_access_token", "registration_client_uri")}
        ours = (*kept, "client_secret_expires_at", "client_id_issued_at")
        metadata = {name: value for name, value in {**client, **changes}.items() if name not in ours}
        if "client_secret" in changes or changes.get("token_endpoint_auth_method") == "none":
            del metadata["client_secret"]
        answer = call("PUT", client["registration_client_uri"], json_body=metadata, authorization=bearer(client))
        return {**kept, **answer.expect(200).json}

    def delete(self, client):
        call("DELETE", client["registration_client_uri"], authorization=bearer(client)).expect(204)

    # Calls of the administrator.

    def token(self, scope):
        known, until = self.tokens.get(scope, (None, 0))
        if time.monotonic() > until:
            administrator = json.loads(self.credentials.read_text())
            known = call(
                "POST", f"{self.url}/token", form={"grant_type": "client_credentials", "scope": scope},
                authorization=basic(administrator["client_id"], administrator["client_secret"]),
            ).expect(200).json["access_token"]
            self.tokens[scope] = (known, time.monotonic() + 600)
        return "Bearer " + known

    def set_disabled(self, client_id, disabled):
        url = f"{self.url}/admin/v1/clients/{quote(client_id)}"
        answer = call("GET", url, authorization=self.token("clients.read")).expect(200).json
        metadata = {**answer.get("metadata", answer), "disabled": disabled}
        call("PUT", url, json_body=metadata, authorization=self.token("clients.write")).expect(200)

    def delete_all(self, name):
        """Deletes every client whose name contains `name`."""
        url = f"{self.url}/admin/v1/clients?client_name={quote(name)}"
        call("DELETE", url, authorization=self.token("clients.write")).expect(200, 204)

    def command(self, *words):
        return run([self.binary, *words, *self.connection()])

    def connection(self):
        return ["--config", str(self.config), "--server", self.url, "--credentials", str(self.credentials)]

    def lines(self):
        """Returns the lines of an export."""
        lines = [json.loads(line) for line in self.command("clients", "export").splitlines()]
        if lines.pop() != {"clients": len(lines)}:
            raise Failure("the export is truncated")
        return lines

    def export(self):
        """Returns the metadata of all clients with `client_secret`, by identifier."""
        return {
            line["client_id"]: {
                **line["metadata"], "client_id": line["client_id"], "client_secret": line.get("client_secret")
            }
            for line in self.lines()
        }

    def import_lines(self, lines, existing="refuse"):
        path = self.work / "import.ndjson"
        path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"clients": len(lines)}]))
        self.command("clients", "import", "--existing", existing, str(path))
        path.unlink()

    def import_clients(self, clients):
        """Imports clients, given as metadata with `client_id` and, if they have one, `client_secret`."""
        self.import_lines([line(client) for client in clients])

    def set_secret(self, client_id, secret):
        """Replaces the secret of a client, by an import over the client."""
        lines = [line for line in self.lines() if line["client_id"] == client_id]
        self.import_lines([{**line, "client_secret": secret} for line in lines], "replace")

    def set_template(self, target, template):
        """Replaces the templates while the server runs; None removes them."""
        value = [] if template is None else [selecting(target, template)]
        patch = json.dumps([{"op": "replace", "path": "/exports", "value": value}])
        path = self.work / "patch.json"
        path.write_text(patch)
        self.command("config", "patch", str(path))

    def compare(self, listed):
        """Runs `registrar events compare` with a list, and returns its exit code, its findings and its summary."""
        path = self.work / "list.ndjson"
        with open(path, "w", encoding="utf-8") as out:
            listing.write(listed, out)
        words = ["events", "compare", self.target, str(path), "--format", "json", *self.connection()]
        done = subprocess.run([self.binary, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode not in (0, 1):
            raise Failure(f"the comparison is not possible: {done.stderr}")
        *found, summary = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, found, summary

    def replay(self, *filters):
        """Sends the clients that all filters select to the scripts again."""
        words = [word for text in filters for word in ("--filter", text)]
        return self.command("events", "replay", "--hook", "clientCreated", *words)

    def log_lines(self):
        """Returns the messages of the log."""
        return [json.loads(text)["message"] for text in open(self.program.log) if text.startswith("{")]


# The software of the clients to which the template applies.
SOFTWARE = "templated"


def selecting(target, template):
    """Returns an entry of `[[exports]]`."""
    return {"target": target, "trustLevel": "open", "softwareId": SOFTWARE, **template}


def toml(entry):
    """Returns an entry of `[[exports]]` as TOML, in which JSON is almost valid."""
    def value(of):
        if isinstance(of, dict):
            return "{ " + ", ".join(f"{json.dumps(name)} = {value(item)}" for name, item in of.items()) + " }"
        if isinstance(of, list):
            return "[" + ", ".join(value(item) for item in of) + "]"
        return json.dumps(of)
    return "[[exports]]\n" + "\n".join(f"{name} = {value(of)}" for name, of in entry.items())


def bearer(client):
    return "Bearer " + client["registration_access_token"]


def line(client):
    """Returns a client as a line of an export."""
    metadata = {name: value for name, value in client.items() if name not in ("client_id", "client_secret")}
    digest = base64.b64encode(hashlib.sha256(client["client_id"].encode()).digest()).decode()
    secret = {}
    if "client_secret" in client:
        secret = {"client_secret": client["client_secret"], "client_secret_expires_at": 0}
    return {
        "client_id": client["client_id"],
        "client_id_issued_at": int(time.time()),
        **secret,
        "registration_access_token_sha256": {"current": digest},
        "revision": 1,
        "metadata": metadata,
        "provenance": {"trust_level": "open", "configuration": "of another server"},
    }
