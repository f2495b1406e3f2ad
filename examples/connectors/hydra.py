"""Ory Hydra with an SQLite database, or with the database that HYDRA_DSN names."""
import json
import os
import re
import signal
import urllib.parse

from listing import HYDRA_METHODS as METHODS, HydraList, hydra_members
from programs import Failure, Program, basic, call, claims, free_port, run
from token_hook import TokenHook

# With a rollback journal, writers of several clients wait for each other until a time-out.
SQLITE = "_fk=true&_journal_mode=WAL&max_conns=64&max_idle_conns=64"


class Hydra:
    name = "hydra"
    secret = "Hydra itself has no token"
    # What a front sends: all members, and this scope.
    front_members, front_scope = [], "openid profile"
    front_end = signal.SIGKILL

    def __init__(self, work):
        self.binary = os.environ["HYDRA"]
        self.public, self.admin = free_port(), free_port()
        self.host = f"127.0.0.1:{self.admin}"
        self.attributes = f'admin = "http://{self.host}"'
        self.program = Program("hydra", work / "hydra.log")
        issuer = f"http://127.0.0.1:{self.public}"
        self.list = HydraList(f"http://{self.host}")
        self.hook = TokenHook(f"http://{self.host}")
        self.environment = {
            "DSN": os.environ.get("HYDRA_DSN", f"sqlite://{work}/hydra.sqlite?{SQLITE}"),
            "SECRETS_SYSTEM": "a secret of this test only",
            "SERVE_PUBLIC_HOST": "127.0.0.1",
            "SERVE_PUBLIC_PORT": str(self.public),
            "SERVE_ADMIN_HOST": "127.0.0.1",
            "SERVE_ADMIN_PORT": str(self.admin),
            "URLS_SELF_ISSUER": issuer,
            "SQA_OPT_OUT": "true",
            # For front.py.
            "OIDC_DYNAMIC_CLIENT_REGISTRATION_ENABLED": "true",
            "LOG_LEVEL": "warn",
        }
        self.token_endpoint = f"{issuer}/oauth2/token"
        # This option cannot be set in the environment.
        self.config = work / "hydra.json"
        self.config.write_text(json.dumps({"oauth2": {"token_hook": self.hook.url}}))
        self.registration_endpoint = f"{issuer}/oauth2/register"
        run([self.binary, "migrate", "sql", "up", "-e", "--yes"], self.environment)
        self.version = re.search(r"v?\d[^\s]*", run([self.binary, "version"])).group()
        self.urls = {}
        self.start()

    def start(self):
        command = [self.binary, "serve", "all", "--dev", "--config", str(self.config)]
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

    def clients(self):
        """Returns the clients by identifier."""
        return {client["client_id"]: hydra_members(client) for client in self.list.raw()}

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

    def granted(self, client, method):
        """Returns what a token of the client has: its audiences, roles and scopes."""
        account = (self.token_endpoint, client["client_id"], client["client_secret"], method)
        # A client gets the audiences and scopes that it requests, if it may.
        known = {*self.template["audiences"], *self.other_template["audiences"]}
        return {
            "audiences": [name for name in known if self.grants(account, "aud", audience=name)],
            "roles": claims(*account).get("ext", {}).get("roles", []),
            "scopes": [name for name in self.template["defaultScopes"] if self.grants(account, "scp", scope=name)],
        }

    def grants(self, account, claim, **requested):
        try:
            return set(requested.values()) <= set(claims(*account, **requested)[claim])
        except Failure as refused:
            if "invalid_request" not in str(refused) and "invalid_scope" not in str(refused):
                raise
            return False

    # The template, and what it grants. Hydra has no roles: the token hook puts them into tokens.
    template = {
        "audiences": ["https://api.example.org"], "roles": ["auditor", "orders/reader"], "defaultScopes": ["orders"],
        "attributes": {"access_token_strategy": "jwt"},
    }
    other_template = {
        "audiences": ["https://other.example.org"], "roles": ["orders/reader"], "defaultScopes": ["orders"],
        "attributes": {"access_token_strategy": "jwt"},
    }

    def spoil(self, client_id):
        """Takes an audience away from a client."""
        client = call("GET", self.url(client_id)).expect(200).json
        call("PUT", self.url(client_id), json_body={**client, "audience": []}).expect(200)
        return "exports.audiences"

    def initial_access_token(self):
        """Hydra requires none."""

    def names(self):
        """Returns the names of all clients."""
        return {client["client_id"]: client.get("client_name") for client in self.list.raw()}

    def remove(self, client_id):
        call("DELETE", self.url(client_id)).expect(204)

    def empty(self):
        """Deletes all clients, as if Hydra were new."""
        for client in [*self.list.raw()]:
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
