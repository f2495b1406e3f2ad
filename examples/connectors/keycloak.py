"""A copy of Keycloak in development mode, with a database in its folder."""
import os
import pathlib
import re
import shutil
import urllib.parse

from hydra import request_token
from programs import Program, call, free_port

# Keycloak's names, and those of Registrar.
AUTHENTICATORS = {
    "client-secret-jwt": "client_secret_jwt", "client-jwt": "private_key_jwt", "client-x509": "tls_client_auth",
}
FLOWS = {
    "standardFlowEnabled": "authorization_code",
    "implicitFlowEnabled": "implicit",
    "directAccessGrantsEnabled": "password",
    "serviceAccountsEnabled": "client_credentials",
}
GRANTS = {
    "use.refresh.tokens": "refresh_token",
    "oauth2.device.authorization.grant.enabled": "urn:ietf:params:oauth:grant-type:device_code",
    "standard.token.exchange.enabled": "urn:ietf:params:oauth:grant-type:token-exchange",
    "oauth2.jwt.authorization.grant.enabled": "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "oidc.ciba.grant.enabled": "urn:openid:params:grant-type:ciba",
}
METHODS = ("none", "client_secret_basic", "client_secret_post", *AUTHENTICATORS.values())
REALM = "customers"
PASSWORD = "a password of this test only"


class Keycloak:
    name = "keycloak"
    secret = "a secret of this test only + 100 %"

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
        role = self.call("GET", f"/{REALM}/clients/{management}/roles/manage-clients").expect(200).json
        self.call("POST", f"/{REALM}/users/{user}/role-mappings/clients/{management}", json_body=[role]).expect(204)
        self.own = {client["clientId"] for client in self.raw()}

    def find(self, client_id):
        found = self.call("GET", f"/{REALM}/clients?clientId={urllib.parse.quote(client_id, safe='')}")
        return next(client for client in found.expect(200).json if client["clientId"] == client_id)

    def raw(self):
        """Returns all clients as Keycloak describes them."""
        clients, size = [], 200
        while len(clients) % size == 0:
            page = self.call("GET", f"/{REALM}/clients?first={len(clients)}&max={size}").expect(200).json
            clients += page
            if not page:
                break
        return clients

    def clients(self):
        return {client["clientId"]: shown(client) for client in self.raw() if client["clientId"] not in self.own}

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

    def empty(self):
        """Replaces the realm by a new one."""
        self.call("DELETE", f"/{REALM}").expect(204)
        self.prepare()

    def damage(self, deleted, changed):
        """Deletes one client and changes a redirect URI of another one."""
        self.call("DELETE", f"/{REALM}/clients/{self.find(deleted)['id']}").expect(204)
        client = {**self.find(changed), "redirectUris": ["https://elsewhere.example/"]}
        self.call("PUT", f"/{REALM}/clients/{client['id']}", json_body=client).expect(204)


def shown(client):
    """Returns a client of Keycloak in the terms of Registrar."""
    attributes = client["attributes"]
    grants = [grant for flow, grant in FLOWS.items() if client[flow]]
    grants += [grant for name, grant in GRANTS.items() if attributes.get(name) == "true"]
    authenticator = client["clientAuthenticatorType"]
    if client["publicClient"]:
        method = "none"
    elif authenticator == "client-secret":
        method = attributes.get("client.secret.authentication.allowed.method")
    else:
        method = AUTHENTICATORS.get(authenticator, authenticator)
    return {
        "redirect_uris": sorted(client["redirectUris"]),
        "grant_types": sorted(grants),
        "token_endpoint_auth_method": method,
        "enabled": client["enabled"],
    }
