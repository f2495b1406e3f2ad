"""A copy of Keycloak in development mode, with a database in its folder."""
import os
import pathlib
import re
import shutil
import signal
import urllib.parse

from hydra import request_token
from listing import FLOWS, GRANTS, KEYCLOAK_METHODS as METHODS, KeycloakList, keycloak_members
from programs import Program, call, claims, free_port

REALM = "customers"
PASSWORD = "a password of this test only"
API = "https://orders.example.org"


class Keycloak:
    name = "keycloak"
    secret = "a secret of this test only + 100 %"
    # What a front sends: Keycloak rejects members that it does not know.
    front_members = [
        "redirect_uris", "client_name", "token_endpoint_auth_method", "grant_types", "response_types", "scope",
    ]
    front_scope = "profile email"
    # When it is killed, the database of its development mode loses clients that it has already confirmed.
    front_end = signal.SIGTERM

    def __init__(self, work):
        self.home = work / "keycloak"
        original = os.environ["KEYCLOAK_HOME"]
        # Not the database, if there is one.
        shutil.copytree(original, self.home, ignore=lambda folder, _: ["data"] if folder == original else [])
        self.port, self.management = free_port(), free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.attributes = f'url = "{self.url}"\nrealm = "{REALM}"\nclientId = "registrar"'
        self.program = Program("keycloak", work / "keycloak.log")
        self.token_endpoint = f"{self.url}/realms/{REALM}/protocol/openid-connect/token"
        self.registration_endpoint = f"{self.url}/realms/{REALM}/clients-registrations/openid-connect"
        text = (pathlib.Path(self.home) / "version.txt").read_text()
        self.version = re.search(r"\d+\.\d+[^\s]*", text).group()
        self.start()
        self.prepare()

    def start(self):
        command = [
            str(self.home / "bin" / "kc.sh"), "start-dev", "--http-host=127.0.0.1", f"--http-port={self.port}",
            f"--http-management-port={self.management}", "--cache=local",
        ]
        environment = {"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD}
        self.program.start(command, f"{self.url}/realms/master", environment, patience=900)

    def stop(self):
        self.program.stop()

    def call(self, method, path, **more):
        return call(method, f"{self.url}/admin/realms{path}", authorization=self.administrator(), **more)

    def administrator(self):
        form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": PASSWORD}
        url = f"{self.url}/realms/master/protocol/openid-connect/token"
        return "Bearer " + call("POST", url, form=form).expect(200).json["access_token"]

    def prepare(self):
        """Creates the realm, and the service account of the script with the role that the script requires."""
        self.call("POST", "", json_body={"realm": REALM, "enabled": True}).expect(201)
        account = {
            "clientId": "registrar", "secret": self.secret, "serviceAccountsEnabled": True,
            "standardFlowEnabled": False,
        }
        self.call("POST", f"/{REALM}/clients", json_body=account).expect(201)
        uuid = self.find("registrar")["id"]
        user = self.call("GET", f"/{REALM}/clients/{uuid}/service-account-user").expect(200).json["id"]
        management = self.find("realm-management")["id"]
        for name in ("manage-clients", "manage-users", "manage-realm"):
            role = self.call("GET", f"/{REALM}/clients/{management}/roles/{name}").expect(200).json
            mapping = f"/{REALM}/users/{user}/role-mappings/clients/{management}"
            self.call("POST", mapping, json_body=[role]).expect(204)
        self.prepare_templates()
        self.list = KeycloakList(f"{self.url}/admin/realms/{REALM}", ["registrar", API], self.administrator)

    def prepare_templates(self):
        """Creates the roles and the client scope that templates name."""
        self.call("POST", f"/{REALM}/clients", json_body={"clientId": API}).expect(201)
        api = self.find(API)["id"]
        self.call("POST", f"/{REALM}/clients/{api}/roles", json_body={"name": "reader"}).expect(201)
        self.call("POST", f"/{REALM}/roles", json_body={"name": "auditor"}).expect(201)
        scope = {"name": "orders", "protocol": "openid-connect", "attributes": {"include.in.token.scope": "true"}}
        self.call("POST", f"/{REALM}/client-scopes", json_body=scope).expect(201)

    def find(self, client_id):
        found = self.call("GET", f"/{REALM}/clients?clientId={urllib.parse.quote(client_id, safe='')}")
        return next(client for client in found.expect(200).json if client["clientId"] == client_id)

    def clients(self):
        """Returns the clients of Registrar that are here, by identifier."""
        found = {}
        for client in self.list.raw():
            if client["clientId"] not in self.list.own:
                members = keycloak_members(client)
                found[client["clientId"]] = {**members, "enabled": not members.pop("disabled")}
        return found

    def view(self, client):
        """Returns what Keycloak has to show of a client, and None for a client that it must not have."""
        if client["token_endpoint_auth_method"] not in METHODS:
            return None
        grants = {*FLOWS.values(), *GRANTS.values()}
        return {
            "redirect_uris": sorted(uri for uri in client.get("redirect_uris", []) if len(uri) <= 255),
            "grant_types": sorted(grant for grant in client["grant_types"] if grant in grants),
            "token_endpoint_auth_method": client["token_endpoint_auth_method"],
            "enabled": not client.get("disabled", False),
        }

    def told(self, client):
        """Returns what the log has to say about what Keycloak cannot hold."""
        method = client["token_endpoint_auth_method"]
        if method not in METHODS:
            return [f"is not in Keycloak, which does not support token_endpoint_auth_method {method}"]
        told = [member for member in ("client_name#fr", "contacts") if client.get(member)]
        if any(len(uri) > 255 for uri in client.get("redirect_uris", [])):
            told.append("redirect_uris: a URI with more than 255 characters")
        return told

    def token(self, client_id, secret, method):
        """Requests a token with the grant client_credentials, and returns the status."""
        return request_token(self.token_endpoint, client_id, secret, method)

    def granted(self, client, method):
        """Returns what a token of the client has: its audiences, roles and scopes."""
        token = claims(self.token_endpoint, client["client_id"], client["client_secret"], method)
        audience = token.get("aud", [])
        roles = token.get("realm_access", {}).get("roles", [])
        roles = [*roles, *(
            f"{name}/{role}" for name, access in token.get("resource_access", {}).items() for role in access["roles"]
        )]
        return {
            "audiences": [audience] if isinstance(audience, str) else audience, "roles": roles,
            "scopes": token.get("scope", "").split(),
        }

    # The template, and what it grants.
    template = {
        "audiences": ["https://api.example.org"], "roles": ["auditor", f"{API}/reader"], "defaultScopes": ["orders"],
        "mappers": [{
            "name": "tenant", "protocolMapper": "oidc-hardcoded-claim-mapper",
            "config": {"claim.name": "tenant", "claim.value": "one", "access.token.claim": True},
        }],
        "attributes": {"access.token.lifespan": 120},
    }
    other_template = {"audiences": ["https://other.example.org"], "roles": [f"{API}/reader"]}

    def spoil(self, client_id):
        """Takes a role away from a client."""
        client = self.find(client_id)
        role = self.call("GET", f"/{REALM}/roles/auditor").expect(200).json
        mappings = f"/{REALM}/clients/{client['id']}/scope-mappings/realm"
        self.call("DELETE", mappings, json_body=[role]).expect(204)
        return "exports.roles"

    def initial_access_token(self):
        wanted = {"count": 1_000, "expiration": 3_600}
        return self.call("POST", f"/{REALM}/clients-initial-access", json_body=wanted).expect(200, 201).json["token"]

    def names(self):
        """Returns the names of the clients that are not Keycloak's own."""
        own = self.list.own
        return {client["clientId"]: client.get("name") for client in self.list.raw() if client["clientId"] not in own}

    def remove(self, client_id):
        self.call("DELETE", f"/{REALM}/clients/{self.find(client_id)['id']}").expect(204)

    def empty(self):
        """Replaces the realm by a new one."""
        self.call("DELETE", f"/{REALM}").expect(204)
        self.prepare()

    def damage(self, deleted, changed):
        """Deletes one client and changes a redirect URI of another one."""
        self.call("DELETE", f"/{REALM}/clients/{self.find(deleted)['id']}").expect(204)
        client = {**self.find(changed), "redirectUris": ["https://elsewhere.example/"]}
        self.call("PUT", f"/{REALM}/clients/{client['id']}", json_body=client).expect(204)
