#!/usr/bin/env python3
"""Registrar in front of the registration endpoint of a real program: front.py hydra|keycloak FOLDER

Clients register at Registrar, which registers them there. They get tokens there with what they were given, are updated,
read, and deleted. Then the program is ended and started again while clients register. At the end, both sides have the same clients.
"""
import os
import pathlib
import signal
import sys
import threading

from hydra import Hydra
from keycloak import Keycloak
from programs import Failure, Program, basic, call
from registrar import Registrar

COUNT = 60


def configuration(target, endpoint, token_file):
    """Returns the options of a registrar in front of `target`."""
    lines = ["[upstreamRegistration]", f'url = "{endpoint}"']
    if token_file:
        lines.append(f'initialAccessTokenFile = "{token_file}"')
    if target.front_members:
        lines.append(f"members = {target.front_members!r}".replace("'", '"'))
    return "\n".join(lines) + "\n"


class Front(Registrar):
    """A registrar whose scripts do nothing else."""

    def __init__(self, target, work):
        super().__init__(target, work)
        token, token_file = target.initial_access_token(), None
        if token:
            token_file = self.work / "upstream-token"
            token_file.touch(mode=0o600)
            token_file.write_text(token)
        (self.work / "scripts").mkdir()
        text = self.config.read_text()
        first = text.index("[scripts]")
        last = text.index("[fetch]")
        scripts = f'[scripts]\ndirectory = "{self.work}/scripts"\n'
        front = configuration(target, target.registration_endpoint, token_file)
        self.config.write_text(text[:first] + scripts + front + text[last:])

    def calls(self):
        """Returns the changes that are not finished."""
        url = f"{self.url}/admin/v1/upstream-calls?limit=200"
        return call("GET", url, authorization=self.token("clients.read")).expect(200).json["calls"]

    def settle(self, identifier):
        url = f"{self.url}/admin/v1/upstream-calls/{identifier}/settle"
        call("POST", url, authorization=self.token("clients.write")).expect(204)

    def ours(self):
        return {line["client_id"]: line["metadata"].get("client_name") for line in self.lines() if "upstream" in line}


def theirs(target):
    """Returns the clients that registered themselves at the program, with their names."""
    return target.names()


def same(front, target, what):
    ours, there = front.ours(), theirs(target)
    if ours != there:
        missing, extra = sorted(set(ours.items()) - set(there.items())), sorted(set(there.items()) - set(ours.items()))
        raise Failure(f"{what}: missing there {missing}, only there {extra}")
    print(f"{target.name}: {what}: both sides have the same {len(ours)} clients", flush=True)


def life(front, target):
    """One client of each type through its whole life."""
    for method in ("client_secret_basic", "client_secret_post"):
        request = {
            "client_name": f"Life {method}", "redirect_uris": ["https://app.example.org/cb"],
            "grant_types": ["authorization_code", "client_credentials"], "token_endpoint_auth_method": method,
            "scope": target.front_scope,
        }
        client = front.register(request)
        if target.token(client["client_id"], client["client_secret"], method) != 200:
            raise Failure(f"no token with {method}")
        for name in ("One", "Two"):
            client = front.update(client, client_name=name)
            bearer = "Bearer " + client["registration_access_token"]
            for _ in range(2):
                read = call("GET", client["registration_client_uri"], authorization=bearer).expect(200).json
                if read["client_name"] != name:
                    raise Failure(f"the name is {read['client_name']} instead of {name}")
        same(front, target, f"after updates of a client with {method}")
        secret = read.get("client_secret") or client.get("client_secret") or ""
        if secret and target.token(client["client_id"], secret, method) != 200:
            raise Failure("no token after updates")
        front.delete(client)
        same(front, target, "after its deletion")
        if target.token(client["client_id"], client.get("client_secret", "x"), method) == 200:
            raise Failure("a deleted client gets tokens")


def register_until_done(front, name, target, statuses):
    request = {
        "client_name": name, "redirect_uris": ["https://app.example.org/cb"], "scope": target.front_scope,
        "token_endpoint_auth_method": "client_secret_basic",
    }
    pause = threading.Event()
    for _ in range(600):
        answer = call("POST", f"{front.url}/register", json_body=request)
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        if answer.status == 201:
            return
        answer.expect(503)
        pause.wait(0.5)
    raise Failure(f"{name} cannot register")


def outage(front, target):
    """The program is ended while clients register, which retry as they are told."""
    statuses, names = {}, iter([f"Client {at}" for at in range(COUNT)])
    lock, errors = threading.Lock(), []

    def work():
        while True:
            with lock:
                name = next(names, None)
            if name is None:
                return
            try:
                register_until_done(front, name, target, statuses)
            except Exception as error:  # The main thread reports it.
                errors.append(error)
                return

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while statuses.get(201, 0) < COUNT // 3 and not errors:
        threading.Event().wait(0.02)
    target.program.stop(target.front_end)
    target.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    for _ in range(600):
        calls = front.calls()
        if all(one["aim"] == "unknown" for one in calls):
            break
        threading.Event().wait(0.5)
    extra = {key: name for key, name in theirs(target).items() if key not in front.ours()}
    sent = [one["metadata"]["client_name"] for one in calls]
    for client_id, name in extra.items():
        if name not in sent:
            raise Failure(f"nobody reported {client_id} {name}")
        target.remove(client_id)
    for one in calls:
        front.settle(one["id"])
    print(f"{target.name}: ended: {statuses}, {len(calls)} unknown outcomes, {len(extra)} with a client", flush=True)
    same(front, target, "after the program was ended")


def main():
    name, work = sys.argv[1], pathlib.Path(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        target = {"hydra": Hydra, "keycloak": Keycloak}[name](work)
        front = Front(target, work)
        front.start()
        life(front, target)
        outage(front, target)
        print(f"{name} {target.version} behind a front: passed", flush=True)
    finally:
        Program.stop_all()


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"front.py: {failure}")
