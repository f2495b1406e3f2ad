"""Registers and manages a client with Authlib.

Authlib has no function for a client that registers itself. Its session sends the requests with the
registration access token, and its model of RFC 7591 checks the registered metadata. If the server
requires an initial access token, pass it to the first session.

    pip install Authlib requests && python authlib_client.py
"""

import os

from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7591 import ClientMetadataClaims

SERVER = os.environ.get("REGISTRAR_URL", "http://127.0.0.1:8080")
# Members that a client must not send in an update (RFC 7592 section 2.2).
SET_BY_THE_SERVER = {
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
}

session = OAuth2Session()
metadata = session.get(SERVER + "/.well-known/openid-configuration", withhold_token=True).json()
request = {"client_name": "Example", "redirect_uris": ["https://client.example.org/callback"]}
answer = session.post(metadata["registration_endpoint"], json=request, withhold_token=True)
if answer.status_code != 201:
    # The error description names the member, the rule and what is accepted.
    raise SystemExit(answer.json()["error_description"])
registered = answer.json()
known = {name: value for name, value in registered.items() if name in ClientMetadataClaims.REGISTERED_CLAIMS}
ClientMetadataClaims(known, {}).validate()
print("registered", registered["client_id"])

url = registered["registration_client_uri"]
manager = OAuth2Session(token={"access_token": registered["registration_access_token"], "token_type": "Bearer"})
read = manager.get(url)
print("read", read.status_code, read.json()["client_name"])

update = {name: value for name, value in registered.items() if name not in SET_BY_THE_SERVER}
updated = manager.put(url, json={**update, "client_name": "Other name"})
print("updated", updated.status_code, updated.json()["client_name"])

deleted = manager.delete(url)
print("deleted", deleted.status_code)
