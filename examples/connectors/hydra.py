"""Ory Hydra with an SQLite database, or with the database that HYDRA_DSN names."""
import os
import re
import urllib.parse

from programs import Failure, Program, basic, call, free_port, run

# With a rollback journal, writers of several clients wait for each other until a time-out.
SQLITE = "_fk=true&_journal_mode=WAL&max_conns=64&max_idle_conns=64"
METHODS = ("none", "client_secret_basic", "client_secret_post", "private_key_jwt")


class Hydra:
    name = "hydra"
    secret = "Hydra itself has no token"

    def __init__(self, work):
        self.binary = os.environ["HYDRA"]
        self.public, self.admin = free_port(), free_port()
        self.host = f"127.0.0.1:{self.admin}"
        self.attributes = f'admin = "http://{self.host}"'
        self.program = Program("hydra", work / "hydra.log")
        issuer = f"http://127.0.0.1:{self.public}"
        self.environment = {
            "DSN": os.environ.get("HYDRA_DSN", f"sqlite://{work}/hydra.sqlite?{SQLITE}"),
            "SECRETS_SYSTEM": "a secret of this test only",
            "SERVE_PUBLIC_HOST": "127.0.0.1",
            "SERVE_PUBLIC_PORT": str(self.public),
            "SERVE_ADMIN_HOST": "127.0.0.1",
            "SERVE_ADMIN_PORT": str(self.admin),
            "URLS_SELF_ISSUER": issuer,
            "SQA_OPT_OUT": "true",
            "LOG_LEVEL": "warn",
        }
        self.token_endpoint = f"{issuer}/oauth2/token"
        run([self.binary, "migrate", "sql", "up", "-e", "--yes"], self.environment)
        self.version = re.search(r"v?\d[^\s]*", run([self.binary, "version"])).group()
        self.urls = {}
        self.start()

    def start(self):
        command = [self.binary, "serve", "all", "--dev"]
        self.program.start(command, f"http://{self.host}/health/ready", self.environment)

    def stop(self):
        self.program.stop()

    def url(self, client_id):
        return f"http://{self.host}/admin/clients/{urllib.parse.quote(client_id, safe='')}"

    def has_url(self, client_id):
        """Returns whether Hydra has a URL for a client with this identifier."""
        if client_id not in self.urls:
            answer = call("GET", self.url(client_id))
            self.urls[client_id] = answer.body.startswith("{")
        return self.urls[client_id]

    def raw(self):
        """Returns all clients as Hydra describes them."""
        clients, url = [], f"http://{self.host}/admin/clients?page_size=500"
        while url:
            answer = call("GET", url).expect(200)
            page = answer.json
            clients += page
            following = re.search(r'<([^>]*)>;\s*rel="next"', answer.headers.get("Link") or "")
            url = urllib.parse.urljoin(url, following.group(1)) if following and page else None
        return clients

    def clients(self):
        return {
            client["client_id"]: {
                "redirect_uris": sorted(client["redirect_uris"] or []),
                "grant_types": sorted(client["grant_types"] or []),
                "token_endpoint_auth_method": client["token_endpoint_auth_method"],
            }
            for client in self.raw()
        }

    def view(self, client):
        """Returns what Hydra has to show of a client, and None for a client that it must not have."""
        if client.get("disabled") or client["token_endpoint_auth_method"] not in METHODS:
            return None
        if not self.has_url(client["client_id"]):
            return None
        return {
            "redirect_uris": sorted(client.get("redirect_uris", [])),
            "grant_types": sorted(client["grant_types"]),
            "token_endpoint_auth_method": client["token_endpoint_auth_method"],
        }

    def told(self, client):
        """Returns what the log has to say about what Hydra cannot hold."""
        method = client["token_endpoint_auth_method"]
        if method not in METHODS:
            return [f"is not in Hydra, which does not support token_endpoint_auth_method {method}"]
        if not client.get("disabled") and not self.has_url(client["client_id"]):
            return ["is not in Hydra, which has no URL for this client_id"]
        return [member for member in ("dpop_bound_access_tokens", "client_name#fr") if client.get(member)]

    def token(self, client_id, secret, method):
        """Requests a token with the grant client_credentials, and returns the status."""
        return request_token(self.token_endpoint, client_id, secret, method)

    def empty(self):
        """Deletes all clients, as if Hydra were new."""
        for client in self.raw():
            call("DELETE", self.url(client["client_id"])).expect(204)

    def damage(self, deleted, changed):
        """Deletes one client and changes a redirect URI of another one."""
        call("DELETE", self.url(deleted)).expect(204)
        client = call("GET", self.url(changed)).expect(200).json
        client["redirect_uris"] = ["https://elsewhere.example/"]
        call("PUT", self.url(changed), json_body=client).expect(200)


def request_token(url, client_id, secret, method):
    form = {"grant_type": "client_credentials"}
    if method == "client_secret_basic":
        return call("POST", url, form=form, authorization=basic(client_id, secret)).status
    if method == "client_secret_post":
        return call("POST", url, form={**form, "client_id": client_id, "client_secret": secret}).status
    raise Failure(f"no request for a token with {method}")
