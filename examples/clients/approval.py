"""Registers a client that an administrator has to approve, and waits for the decision.

It is written from the text of draft-dellaert-oauth-approval-based-dcr alone, and needs nothing but Python. It shows where
to ask for the approval on standard error, and prints the registered client as JSON. The exit status is 0 if the client is
registered, 3 if it was denied, 4 if nobody decided in time, 5 if the registration cannot be completed, and 6 if it was
cancelled (with Ctrl-C, or after CANCEL_AFTER seconds).

    python approval.py '{"client_name": "Example", "redirect_uris": ["http://127.0.0.1/callback"]}'
"""

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

SERVER = os.environ.get("REGISTRAR_URL", "http://127.0.0.1:8080").rstrip("/")
# An initial access token, if the server needs one to register. Polls do not have it.
TOKEN = os.environ.get("INITIAL_ACCESS_TOKEN")
CANCEL_AFTER = float(os.environ.get("CANCEL_AFTER", "inf"))
DENIED, EXPIRED, IMPOSSIBLE, CANCELLED = 3, 4, 5, 6
# Section 3.3.2: the interval if the server states none. Section 3.3.5: how much longer after each failed connection.
DEFAULT_INTERVAL, BACKOFF, LONGEST = 5, 2, 300


class SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Section 3: a client must not follow redirects of the registration endpoint to another scheme than https."""

    def redirect_request(self, request, *rest):
        redirected = super().redirect_request(request, *rest)
        if redirected is not None and urlsplit(redirected.full_url).scheme != "https":
            return None
        return redirected


OPENER = urllib.request.build_opener(SecureRedirects)


def send(method, url, body=None, token=None):
    """Returns the status, the headers and the body of the answer. A body that is not JSON, or empty, is {}."""
    headers = {"Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if token:
        headers["Authorization"] = "Bearer " + token
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        answer = OPENER.open(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        text = answer.read()
    try:
        members = json.loads(text)
    except ValueError:
        members = {}
    return answer.status, answer.headers, members if isinstance(members, dict) else {}


def tell(text):
    print(text, file=sys.stderr, flush=True)


def rejected(status, answer):
    tell(f"status {status}: {answer.get('error')}: {answer.get('error_description')}")
    return {"access_denied": DENIED, "expired_token": EXPIRED}.get(answer.get("error"), IMPOSSIBLE)


def register(endpoint, metadata):
    """Sends the registration. Returns the exit status."""
    request = {**metadata, "registration_mode": ["approval"]}
    status, _, answer = send("POST", endpoint, request, TOKEN)
    if status == 201:
        # The server does not require an approval, or does not know this extension.
        print(json.dumps(answer))
        return 0
    if status != 202:
        return rejected(status, answer)
    # The code must be shown, even beside a URI that contains it: the approver compares it.
    tell(f"To approve this client, visit {answer['verification_uri']} and enter {answer['verification_code']}")
    if "verification_uri_complete" in answer:
        tell(f"or visit {answer['verification_uri_complete']}")
    try:
        return poll(endpoint, answer)
    except KeyboardInterrupt:
        return cancel(endpoint, answer["registration_code"])


def poll(endpoint, deferred):
    """Asks for the decision until there is one. Returns the exit status."""
    code = {"registration_code": deferred["registration_code"]}
    interval = deferred.get("interval", DEFAULT_INTERVAL)
    begun = time.monotonic()
    # Only the server knows when the code ends. A while later there is nothing to hope for.
    end = begun + deferred["expires_in"] + LONGEST
    while time.monotonic() < end:
        wait = min(interval, max(0, begun + CANCEL_AFTER - time.monotonic()))
        time.sleep(wait)
        if time.monotonic() >= begun + CANCEL_AFTER:
            return cancel(endpoint, code["registration_code"])
        try:
            status, headers, answer = send("POST", endpoint, code)
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            interval = min(interval * BACKOFF, LONGEST)
            tell(f"no answer ({error}); next in {interval} seconds")
            continue
        if status == 202:
            tell("waiting")
        elif status == 429:
            interval = max(interval, int(headers.get("Retry-After", interval + DEFAULT_INTERVAL)))
            tell(f"too soon; from now on every {interval} seconds")
        elif status == 201:
            print(json.dumps(answer))
            return 0
        elif status >= 500:
            interval = min(interval * BACKOFF, LONGEST)
            tell(f"status {status}; next in {interval} seconds")
        else:
            return rejected(status, answer)
    return EXPIRED


def cancel(endpoint, code):
    status, _, answer = send("POST", endpoint, {"registration_code": code, "cancel_registration": True})
    if status != 204:
        return rejected(status, answer)
    tell("cancelled")
    return CANCELLED


def main():
    # A shell may start programs in the background with interrupts ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    metadata = json.loads(sys.argv[1])
    _, _, server = send("GET", SERVER + "/.well-known/oauth-authorization-server")
    if "approval" not in server.get("registration_modes_supported", []):
        tell("this server does not state that registrations can wait for approval")
    return register(server["registration_endpoint"], metadata)


if __name__ == "__main__":
    sys.exit(main())
