"""Prints the clients of Keycloak or Hydra as JSON lines in the terms of Registrar, for `registrar events compare`.

listing.py keycloak|hydra, with the environment that README.md describes. Secrets are not printed."""
import json
import os
import re
import sys
import urllib.parse

from programs import Failure, basic, call, quote

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
BUILT_IN = {"account", "account-console", "admin-cli", "broker", "realm-management", "security-admin-console"}
# The marks of the script notify-keycloak.
RECORD, PREFIX = "registrar.exports", "registrar: "

KEYCLOAK_METHODS = ("none", "client_secret_basic", "client_secret_post", *AUTHENTICATORS.values())
HYDRA_METHODS = ("none", "client_secret_basic", "client_secret_post", "private_key_jwt")

NOTHING = {"audiences": [], "roles": [], "mappers": [], "defaultScopes": [], "attributes": {}}


class KeycloakList:
    """The clients of a realm. `authorize` returns the value of an Authorization header."""

    supported = {
        "supports": {
            "token_endpoint_auth_method": [*KEYCLOAK_METHODS],
            "grant_types": [*FLOWS.values(), *GRANTS.values()],
        },
        "longest": {"redirect_uris": 255},
    }

    def __init__(self, realm_url, own, authorize):
        self.realm_url, self.own, self.authorize = realm_url, BUILT_IN | set(own), authorize

    def get(self, path):
        return call("GET", f"{self.realm_url}{path}", authorization=self.authorize()).expect(200).json

    def raw(self):
        """Yields all clients as Keycloak describes them, page by page."""
        first, size = 0, 200
        while True:
            page = self.get(f"/clients?first={first}&max={size}")
            yield from page
            first += len(page)
            if len(page) < size:
                return

    def clients(self):
        for client in self.raw():
            if client["clientId"] not in self.own:
                yield {"client_id": client["clientId"], **keycloak_members(client), "exports": self.exports(client)}

    def exports(self, client):
        """Returns what the script has added and what is really there of it."""
        record = {**NOTHING, **json.loads(client["attributes"].get(RECORD) or "{}")}
        present = [mapper for mapper in client.get("protocolMappers", []) if mapper["name"].startswith(PREFIX)]
        roles = self.roles(client) if record["roles"] else set()
        return {
            "audiences": audiences(present),
            "mappers": mappers(record["mappers"], present),
            "defaultScopes": [name for name in record["defaultScopes"] if name in client["defaultClientScopes"]],
            "roles": [role for role in record["roles"] if role in roles],
            "attributes": {
                name: value for name, value in record["attributes"].items()
                if client["attributes"].get(name) == text(value)
            },
        }

    def roles(self, client):
        """Returns the roles that tokens of the client can have, and that its service account has, if it has one."""
        found = names(self.get(f"/clients/{client['id']}/scope-mappings"))
        if client["serviceAccountsEnabled"]:
            user = self.get(f"/clients/{client['id']}/service-account-user")["id"]
            found &= names(self.get(f"/users/{user}/role-mappings"))
        return found


def names(mappings):
    """Returns roles as templates name them."""
    found = {role["name"] for role in mappings.get("realmMappings", [])}
    for client, of_client in mappings.get("clientMappings", {}).items():
        found |= {f"{client}/{role['name']}" for role in of_client["mappings"]}
    return found


def is_audience(mapper):
    return mapper["name"].startswith(f"{PREFIX}audience ") and mapper["protocolMapper"] == "oidc-audience-mapper"


def audiences(present):
    return [mapper["config"].get("included.custom.audience") for mapper in present if is_audience(mapper)]


def mappers(recorded, present):
    """Returns the mappers of the record that are there, and others that the script seems to have added."""
    there = {mapper["name"].removeprefix(PREFIX): mapper for mapper in present if not is_audience(mapper)}
    found = []
    for wanted in recorded:
        mapper = there.pop(wanted["name"], None)
        config = {name: text(value) for name, value in wanted.get("config", {}).items()}
        is_same = mapper and mapper["protocolMapper"] == wanted["protocolMapper"]
        if is_same and config.items() <= mapper["config"].items():
            found.append(wanted)
    return found + [{"name": name} for name in there]


def text(value):
    """Returns the value of an attribute as the script writes it."""
    if isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if isinstance(value, list):
        return "##".join(text(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def keycloak_members(client):
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
        "disabled": not client["enabled"],
    }


class HydraList:
    """The clients of Hydra."""

    supported = {"supports": {"token_endpoint_auth_method": [*HYDRA_METHODS], "disabled": [False]}}

    def __init__(self, admin_url, token=None):
        self.admin_url, self.authorization = admin_url, f"Bearer {token}" if token else None

    def raw(self):
        """Yields all clients as Hydra describes them, page by page."""
        url = f"{self.admin_url}/admin/clients?page_size=500"
        while url:
            answer = call("GET", url, authorization=self.authorization).expect(200)
            page = answer.json
            yield from page
            following = re.search(r'<([^>]*)>;\s*rel="next"', answer.headers.get("Link") or "")
            url = urllib.parse.urljoin(url, following.group(1)) if following and page else None

    def clients(self):
        for client in self.raw():
            yield {"client_id": client["client_id"], **hydra_members(client), **hydra_additions(client)}


def hydra_members(client):
    return {
        "redirect_uris": sorted(client["redirect_uris"] or []),
        "grant_types": sorted(client["grant_types"] or []),
        "token_endpoint_auth_method": client["token_endpoint_auth_method"],
    }


def hydra_additions(client):
    """Returns the scope of the client itself, and what the script has added and what is really there of it."""
    recorded = (client.get("metadata") or {}).get("registrar") or {}
    record = {**NOTHING, **recorded.get("exports", {})}
    own, words = recorded.get("scope", []), client.get("scope", "").split()
    return {
        "scope": " ".join(word for word in words if word in own or word not in record["defaultScopes"]),
        "exports": {
            "audiences": [name for name in record["audiences"] if name in (client.get("audience") or [])],
            "defaultScopes": [name for name in record["defaultScopes"] if name in words],
            "roles": record["roles"],
            "mappers": record["mappers"],
            "attributes": {
                name: value for name, value in record["attributes"].items() if client.get(name) == value
            },
        },
    }


def write(listed, out=sys.stdout):
    """Writes the list. Its last line is missing if it is truncated."""
    print(json.dumps(listed.supported), file=out)
    count = 0
    for client in listed.clients():
        print(json.dumps(client), file=out)
        count += 1
    print(json.dumps({"clients": count}), file=out)


def service_account(url, realm, client_id, secret):
    """Returns what authorizes calls of the admin API of Keycloak, with a new token for each 20 calls."""
    endpoint = f"{url}/realms/{realm}/protocol/openid-connect/token"
    left, bearer = 0, ""

    def authorize():
        nonlocal left, bearer
        if left == 0:
            form = {"grant_type": "client_credentials"}
            answer = call("POST", endpoint, form=form, authorization=basic(client_id, secret))
            left, bearer = 20, "Bearer " + answer.expect(200).json["access_token"]
        left -= 1
        return bearer

    return authorize


def keycloak(environment):
    url, realm = environment["KEYCLOAK_URL"].rstrip("/"), environment["KEYCLOAK_REALM"]
    account = environment["KEYCLOAK_CLIENT_ID"]
    authorize = service_account(url, realm, account, environment["KEYCLOAK_CLIENT_SECRET"])
    return KeycloakList(f"{url}/admin/realms/{quote(realm)}", [account], authorize)


def hydra(environment):
    return HydraList(environment["HYDRA_ADMIN_URL"].rstrip("/"), environment.get("HYDRA_ADMIN_TOKEN"))


if __name__ == "__main__":
    try:
        if len(sys.argv) != 2 or sys.argv[1] not in ("keycloak", "hydra"):
            sys.exit("usage: listing.py keycloak|hydra")
        write({"keycloak": keycloak, "hydra": hydra}[sys.argv[1]](os.environ))
    except KeyError as missing:
        sys.exit(f"listing.py: set the environment variable {missing.args[0]}")
    except (Failure, OSError) as failure:
        sys.exit(f"listing.py: {failure}")
