#!/usr/bin/env python3
"""Prepares a run of schemathesis: the document, clients to manage, and the credentials of each operation."""
import base64
import json
import pathlib
import sys
import urllib.parse
import urllib.request

url, work = sys.argv[1], pathlib.Path(sys.argv[2])


def ask(path, body=None, headers=None):
    request = urllib.request.Request(url + path, data=body, headers=headers or {})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def register():
    metadata = {"redirect_uris": ["https://client.example.org/callback"]}
    return ask("/register", json.dumps(metadata).encode(), {"Content-Type": "application/json"})


credentials = json.loads((work / "data/admin-credentials.json").read_text())
pair = base64.b64encode(f"{credentials['client_id']}:{credentials['client_secret']}".encode()).decode()
form = urllib.parse.urlencode({"grant_type": "client_credentials"}).encode()
token = ask("/token", form, {"Authorization": f"Basic {pair}"})["access_token"]
client, other = register(), register()

bearer = {"Authorization": f"Bearer {token}"}
initial = ask("/admin/v1/initial-access-tokens", b"{}", {**bearer, "Content-Type": "application/json"})["token"]
document = ask("/admin/v1/openapi.json", headers=bearer)
# An update must name its client, whose identifier is not in the document.
update = document["paths"]["/register"]["put"]["requestBody"]["content"]["application/json"]
update["example"] = {"client_id": client["client_id"], "redirect_uris": ["https://client.example.org/new"]}
(work / "openapi.json").write_text(json.dumps(document))

checks = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
]
# A schema cannot express many of the rules, so the acceptance of bodies is not checked.
settings = ["[checks]", "enabled = false", *(f"{name}.enabled = true" for name in checks)]


def operations(include, **lines):
    settings.extend(["", "[[operations]]", include, *(f"{name} = {value}" for name, value in lines.items())])


def authorization(scheme, value):
    return f'{{ Authorization = "{scheme} {value}" }}'


for tag in ["administration", "probes"]:
    operations(f'include-tag = "{tag}"', headers=authorization("Bearer", token))
operations('include-tag = "registration"', headers=authorization("Bearer", initial))
operations('include-tag = "tokens"', headers=authorization("Basic", pair))
operations(
    'include-tag = "management"',
    headers=authorization("Bearer", client["registration_access_token"]),
    parameters=f'{{ "query.client_id" = "{client["client_id"]}" }}',
)
operations(
    'include-operation-id = ["showClient", "replaceClient", "patchClient"]',
    headers=authorization("Bearer", token),
    parameters=f'{{ "path.id" = "{other["client_id"]}" }}',
)
(work / "schemathesis.toml").write_text("\n".join(settings) + "\n")
