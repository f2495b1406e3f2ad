"""Changes clients at Registrar, stops and starts both sides, and compares the clients of both.

drive.py hydra|keycloak FOLDER, with the environment that run.sh describes."""
import os
import pathlib
import random
import signal
import sys
import time

from hydra import Hydra
from keycloak import Keycloak
from programs import Failure, Program
from registrar import SOFTWARE, Registrar

COUNT, DOWN = int(os.environ["COUNT"]), int(os.environ["DOWN"])

# Two public keys: the generator of P-256 times 1 and times 2.
KEYS = [
    {"kty": "EC", "crv": "P-256", "kid": "1", "use": "sig",
     "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"},
    {"kty": "EC", "crv": "P-256", "kid": "2", "use": "sig",
     "x": "fPJ7GI0DT36KUjgDBLUaw8CJaeJ38hs1pgtI_EdmmXg", "y": "B3dVENuO0EApPZrGn3Qw27p9reY86YIpngS3nSJ4c9E"},
]
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
SERVICE = {"grant_types": ["client_credentials"], "redirect_uris": [], "client_name": "Service"}


def web(name, *paths, **more):
    """Returns the metadata of a web application."""
    return {
        "client_name": name,
        "redirect_uris": [f"https://{name.lower()}.example.org/{path}" for path in paths or ("cb",)],
        "grant_types": ["authorization_code", "refresh_token"],
        **more,
    }


KINDS = {
    "web": web("Web", contacts=["a@example.org"], logo_uri="https://web.example.org/logo.png",
               post_logout_redirect_uris=["https://web.example.org/bye"]),
    "without refresh": {**web("Plain", "b", "a"), "grant_types": ["authorization_code"]},
    "service": {**SERVICE, "token_endpoint_auth_method": "client_secret_post"},
    "web and service": {**web("Both"), "grant_types": ["authorization_code", "client_credentials"]},
    "native": {
        "client_name": "App", "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", DEVICE],
        "redirect_uris": ["http://127.0.0.1/cb", "http://[::1]/cb", "org.example.app:/cb"],
    },
    "keys": web("Keys", token_endpoint_auth_method="private_key_jwt", token_endpoint_auth_signing_alg="ES256",
                jwks={"keys": KEYS[:1]}),
    "keys by URL": web("Url", token_endpoint_auth_method="private_key_jwt", jwks_uri="https://url.example.org/jwks"),
    "languages": {**web("French"), "client_name#fr": "Français"},
    "bound tokens": web("Bound", dpop_bound_access_tokens=True),
    "long": web("Long", "cb", "c" * 300),
    "certificate": web("Certificate", token_endpoint_auth_method="tls_client_auth", tls_client_auth_subject_dn="CN=a"),
    "own certificate": web("Own", token_endpoint_auth_method="self_signed_tls_client_auth", jwks={"keys": KEYS[:1]}),
}

# Identifiers that only an import can bring.
IDENTIFIERS = [
    "http://client.example.org/oauth?a=1&b=%41#c", "http://client.example.org/", "a+b", "a%2Fb",
    "a;b=c", 'a"b', "'a'", "a\\b", "{a}", "~a", "a:b@c",
]


class Trial:
    def __init__(self, target, registrar):
        self.target, self.registrar = target, registrar
        self.began = time.monotonic()
        self.clients, self.previous, self.seen = {}, [], {}

    def say(self, text):
        print(f"{self.target.name} {time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def differences(self):
        """Returns what differs between both lists of clients, as text."""
        here, there = self.registrar.export(), self.target.clients()
        self.seen = {**here, **self.seen}
        due = {client_id: self.target.view(client) for client_id, client in here.items()}
        due = {client_id: view for client_id, view in due.items() if view is not None}
        found = [f"{client_id} is missing there" for client_id in sorted(due.keys() - there.keys())]
        found += [f"{client_id} is still there" for client_id in sorted(there.keys() - due.keys())]
        for client_id in sorted(due.keys() & there.keys()):
            for member, value in due[client_id].items():
                if there[client_id][member] != value:
                    found.append(f"{client_id}: {member} is {value} here and {there[client_id][member]} there")
        return found, len(due)

    def settle(self, what, patience=60):
        """Waits until both lists are equal."""
        until = time.monotonic() + patience
        found, count = self.differences()
        while found and time.monotonic() < until:
            time.sleep(0.5)
            found, count = self.differences()
        if found:
            more = [] if len(found) <= 20 else [f"and {len(found) - 20} more"]
            raise Failure("\n  ".join([f"{what}: {len(found)} differences after {patience:.0f} s", *found[:20], *more]))
        self.say(f"{what}: {count} clients there, as they are here")

    def settle_after(self, stopped, what):
        """The same after the other side was down. The pauses between attempts are as long as it was down, at most."""
        away = time.monotonic() - stopped
        patience = 120 + 2 * away
        self.settle(f"{what} ({away:.0f} s)", patience)
        return patience

    def tokens(self, limit=20):
        """Requests tokens there: with each secret from here, and with secrets that must not work."""
        able = []
        for client_id, client in self.registrar.export().items():
            method = client["token_endpoint_auth_method"]
            has_secret = method in ("client_secret_basic", "client_secret_post")
            is_there = self.target.view(client) is not None and not client.get("disabled")
            if "client_credentials" in client["grant_types"] and has_secret and is_there:
                able.append((client_id, client["client_secret"], method))
        if not able:
            raise Failure("no client can request a token")
        able = random.sample(able, min(limit, len(able)))
        for client_id, secret, method in able:
            self.expect_token(200, client_id, secret, method)
            self.expect_token(401, client_id, secret + "x", method)
        for client_id, secret, method in self.previous:
            self.expect_token(401, client_id, secret, method)
        self.say(f"{len(able)} secrets from here get a token there; {len(able) + len(self.previous)} others do not")

    def expect_token(self, due, client_id, secret, method):
        status = self.target.token(client_id, secret, method)
        if status != due:
            raise Failure(f"{client_id}: a request for a token with {method} has status {status} instead of {due}")

    def wait_for_token(self, client, patience=60):
        """Waits until the new secret of a client works."""
        client_id, secret = client["client_id"], client["client_secret"]
        method = client["token_endpoint_auth_method"]
        until = time.monotonic() + patience
        while self.target.token(client_id, secret, method) != 200:
            if time.monotonic() > until:
                raise Failure(f"{client_id}: the new secret does not work there")
            time.sleep(0.5)

    def wait_for_end(self, client):
        """Waits until a client has expired here and is deleted."""
        until = time.monotonic() + 60
        while client["client_id"] in self.registrar.export():
            if time.monotonic() > until:
                raise Failure(f"{client['client_id']} does not expire here")
            time.sleep(0.5)

    def rotate(self, name):
        """Gives a client a new secret, by an import over the client."""
        client = self.clients[name]
        self.previous.append((client["client_id"], client["client_secret"], client["token_endpoint_auth_method"]))
        secret = f"{random.getrandbits(256):x} + 100 %"
        self.registrar.set_secret(client["client_id"], secret)
        client["client_secret"] = secret

    # The steps.

    def follow(self):
        """Every change, while both sides run."""
        for name, metadata in KINDS.items():
            self.clients[name] = self.registrar.register(metadata)
        self.settle("registered")
        self.tokens()
        self.update("web", client_name="New", redirect_uris=["https://web.example.org/new"], logo_uri=None,
                    post_logout_redirect_uris=["https://web.example.org/new-bye"])
        self.update("without refresh", grant_types=["authorization_code", "refresh_token", DEVICE])
        self.update("service", token_endpoint_auth_method="client_secret_basic")
        self.update("web and service", token_endpoint_auth_method="none", grant_types=["authorization_code"])
        self.update("keys", jwks_uri="https://keys.example.org/jwks", jwks=None)
        self.update("keys by URL", jwks={"keys": KEYS}, jwks_uri=None, grant_types=["authorization_code"])
        self.update("certificate", token_endpoint_auth_method="client_secret_basic", tls_client_auth_subject_dn=None)
        self.update("languages", token_endpoint_auth_method="self_signed_tls_client_auth", jwks={"keys": KEYS})
        self.settle("updated")
        self.tokens()
        self.rotate("service")
        service = self.clients["service"]
        self.wait_for_token(service)
        self.tokens()
        self.registrar.set_disabled(service["client_id"], True)
        self.settle("disabled")
        self.expect_token(401, service["client_id"], service["client_secret"], service["token_endpoint_auth_method"])
        self.registrar.set_disabled(service["client_id"], False)
        self.settle("enabled")
        self.tokens()
        self.registrar.delete(self.clients.pop("without refresh"))
        self.settle("deleted by itself")
        expiring = self.registrar.register({**web("Expiring"), "lifetime": 3})
        self.wait_for_end(expiring)
        self.settle("expired")
        self.registrar.import_clients([
            {**SERVICE, "client_id": client_id, "client_name": "Imported", "client_secret": "a secret + 100 %",
             "response_types": [], "token_endpoint_auth_method": "client_secret_basic"}
            for client_id in IDENTIFIERS
        ])
        self.settle("imported, with URLs and other characters in identifiers")
        self.tokens()
        for client_id in IDENTIFIERS[:4]:
            self.registrar.set_disabled(client_id, True)
        self.settle("imported clients disabled")
        self.registrar.delete_all("Imported")
        self.settle("deleted by a filter")

    def update(self, name, **changes):
        client = self.clients[name]
        before = (client["client_id"], client.get("client_secret"), client["token_endpoint_auth_method"])
        self.clients[name] = self.registrar.update(client, **changes)
        if changes.get("token_endpoint_auth_method", before[2]) != before[2] and "secret" in before[2]:
            self.previous.append(before)

    def target_stops(self):
        """The other side is down while clients change here."""
        for name in ("keep", "change", "leave"):
            self.clients[name] = self.registrar.register({**web(name), **SERVICE})
        self.settle("registered")
        stopped = time.monotonic()
        self.target.stop()
        self.clients["new"] = self.registrar.register({**web("Absent"), **SERVICE})
        self.clients["brief"] = self.registrar.register(web("Brief"))
        self.registrar.delete(self.clients.pop("brief"))
        expiring = self.registrar.register({**web("Expiring"), "lifetime": 3})
        self.update("change", token_endpoint_auth_method="client_secret_post")
        self.update("change", grant_types=["client_credentials", "authorization_code"], response_types=["code"],
                    redirect_uris=["https://change.example.org/cb"])
        self.rotate("keep")
        self.registrar.delete(self.clients.pop("leave"))
        self.wait_for_end(expiring)
        time.sleep(DOWN)
        self.target.start()
        patience = self.settle_after(stopped, "the other side was down")
        self.wait_for_token(self.clients["keep"], patience)
        self.tokens()

    def registrar_stops(self):
        """This side is killed and stopped, also while the other side is down."""
        self.registrar.stop()
        self.registrar.start()
        stopped = time.monotonic()
        self.target.stop()
        self.clients["before the kill"] = self.registrar.register({**web("Killed"), **SERVICE})
        self.registrar.delete(self.clients.pop("new"))
        self.registrar.kill()
        self.registrar.start()
        self.clients["before the stop"] = self.registrar.register({**web("Stopped"), **SERVICE})
        self.registrar.stop()
        self.target.start()
        self.registrar.start()
        self.settle_after(stopped, "registrar was killed and stopped while the other side was down")
        self.tokens()

    def new_target(self):
        """Many clients, and a target without any."""
        self.registrar.import_clients([
            {**web(f"Bulk{number}"), "client_id": f"bulk-{number}", "client_secret": f"secret of {number}",
             "grant_types": ["authorization_code", "client_credentials"], "response_types": ["code"],
             "token_endpoint_auth_method": "client_secret_basic"}
            for number in range(COUNT)
        ])
        began = time.monotonic()
        self.settle(f"{COUNT} imported", 60 + COUNT)
        self.rate("imported", began)
        self.target.empty()
        found, count = self.differences()
        if len(found) != count:
            raise Failure(f"an empty target has {len(found)} differences instead of {count}")
        began = time.monotonic()
        self.registrar.replay()
        self.settle("replayed into an empty target", 60 + COUNT)
        self.rate("replayed", began)
        self.tokens()

    def rate(self, what, began):
        seconds = time.monotonic() - began
        self.say(f"{what}: {COUNT} clients in {seconds:.0f} s, {COUNT / seconds:.0f} a second")

    def damage(self):
        """The comparison finds what is wrong, and a replay of two clients repairs it."""
        deleted, changed = (self.clients[name]["client_id"] for name in ("web", "native"))
        self.target.damage(deleted, changed)
        found, _ = self.differences()
        if len(found) != 2 or not found[0].startswith(deleted) or not found[1].startswith(changed):
            raise Failure(f"the comparison is blind: {found}")
        for text in found:
            self.say(f"damaged, and found: {text}")
        code, found, _ = self.registrar.compare(self.target.list)
        named = {(finding["client_id"], finding["difference"], finding.get("member")) for finding in found}
        if code != 1 or named != {(deleted, "missing", None), (changed, "differs", "redirect_uris")}:
            raise Failure(f"registrar events compare is blind: {found}")
        self.say("registrar events compare finds the same")
        for client_id in (deleted, changed):
            self.registrar.replay(f"client_id={client_id}")
        self.settle("repaired by a replay of these clients")
        self.expect_equal("repaired")

    def expect_equal(self, what, patience=60):
        """Waits until `registrar events compare` finds no difference."""
        until = time.monotonic() + patience
        code, found, summary = self.registrar.compare(self.target.list)
        while code != 0 and time.monotonic() < until:
            time.sleep(0.5)
            code, found, summary = self.registrar.compare(self.target.list)
        if code != 0 or summary["here"] != summary["there"]:
            raise Failure(f"{what}: registrar events compare finds {summary}, such as {found[:5]}")
        self.say(f"{what}: registrar events compare finds no difference between {summary['here']} clients")

    def expect_grant(self, what, client, template, patience=60):
        """Waits until a token of the client has what the template adds, and nothing else of either template."""
        due = {name: set(template.get(name, [])) for name in ("audiences", "roles", "defaultScopes")}
        known = {name: set(self.target.template.get(name, [])) | set(self.target.other_template.get(name, []))
                 for name in due}
        until = time.monotonic() + patience
        while True:
            granted = self.target.granted(client, client["token_endpoint_auth_method"])
            granted["defaultScopes"] = granted.pop("scopes")
            granted = {name: set(granted[name]) & known[name] for name in due}
            if granted == due:
                break
            if time.monotonic() > until:
                raise Failure(f"{what}: a token has {granted} instead of {due}")
            time.sleep(0.5)
        text = ", ".join(f"{name}: {' '.join(sorted(values)) or 'none'}" for name, values in sorted(granted.items()))
        self.say(f"{what}: a token has {text}")

    def templates(self):
        """A client that registered itself gets what a template adds, and tokens with it."""
        client = self.registrar.register({**web("Templated"), **SERVICE, "software_id": SOFTWARE})
        self.clients["templated"] = client
        self.settle("registered with a template")
        self.expect_grant("registered with a template", client, self.target.template)
        self.expect_equal("registered with a template")
        other = self.registrar.register({**web("Other"), **SERVICE, "software_id": "other"})
        self.settle("registered without a template")
        self.expect_equal("registered without a template")
        if self.target.name == "keycloak":
            self.expect_grant("registered without a template", other, {})
        member = self.target.spoil(client["client_id"])
        self.expect_found(client, member, "something of the template removed there")
        self.change_template(client, None)
        self.change_template(client, self.target.other_template)
        updated = self.registrar.update(client, client_name="Renamed")
        self.expect_grant("updated", updated, self.target.other_template)
        self.change_template(client, {"attributes": self.target.template["attributes"]})
        self.change_template(client, self.target.template)
        self.clients["templated"] = updated

    def change_template(self, client, template):
        """Changes the configuration while the server runs. The comparison finds the client; a replay repairs it."""
        what = "no template" if template is None else f"another template ({', '.join(template)})"
        self.registrar.set_template(self.target.name, template)
        self.expect_found(client, "exports.", what)
        self.registrar.replay(f"software_id={SOFTWARE}")
        self.expect_equal(what)
        if template is not None:
            self.expect_grant(what, client, template)

    def expect_found(self, client, member, what):
        """Expects that only this client differs, in members that begin with `member`."""
        code, found, _ = self.registrar.compare(self.target.list)
        members = [finding.get("member", "") for finding in found if finding["client_id"] == client["client_id"]]
        is_due = members and all(name.startswith(member) for name in members) and len(members) == len(found)
        if code != 1 or not is_due:
            raise Failure(f"{what}: registrar events compare finds {found}")
        self.say(f"{what}: registrar events compare finds {', '.join(members)}")

    def told(self):
        """The log names each client and member that the target cannot hold."""
        lines = self.registrar.log_lines()
        number = 0
        for client_id, client in self.seen.items():
            for text in self.target.told(client):
                number += 1
                if not any(client_id in line and text in line for line in lines):
                    raise Failure(f"the log does not say of {client_id}: {text}")
        if not number:
            raise Failure("nothing had to be told")
        self.say(f"told in the log: {number} times that a client or a member is not supported")

    STEPS = (follow, target_stops, registrar_stops, new_target, damage, templates, told)


def main(name, work):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    work = pathlib.Path(work)
    outcome = 1
    try:
        target = {"hydra": Hydra, "keycloak": Keycloak}[name](work)
        registrar = Registrar(target, work)
        registrar.start()
        trial = Trial(target, registrar)
        trial.say(f"version {target.version}")
        for step in Trial.STEPS:
            step(trial)
        trial.say("passed")
        outcome = 0
    except Failure as failure:
        print(f"{name}: {failure}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
    finally:
        Program.stop_all()
    return outcome


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
