"""Programs that run beside this one, and HTTP."""
import base64
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request


class Failure(Exception):
    """Something is not as it must be."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def quote(text):
    """Percent-encodes everything that is not unreserved (RFC 3986 section 2.3)."""
    return urllib.parse.quote(text, safe="")


def basic(identifier, secret):
    """Returns the value of an Authorization header (RFC 6749 section 2.3.1)."""
    return "Basic " + base64.b64encode(f"{quote(identifier)}:{quote(secret)}".encode()).decode()


class Answer:
    def __init__(self, status, body, headers):
        self.status, self.body, self.headers = status, body, headers

    @property
    def json(self):
        return json.loads(self.body)

    def expect(self, *statuses):
        if self.status not in statuses:
            raise Failure(f"status {self.status} instead of {statuses}: {self.body[:500]}")
        return self


def call(method, url, *, json_body=None, form=None, authorization=None, timeout=60):
    """Sends a request and returns the answer, whatever its status."""
    headers, data = {}, None
    if json_body is not None:
        data, headers["Content-Type"] = json.dumps(json_body).encode(), "application/json"
    if form is not None:
        data = urllib.parse.urlencode(form).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if authorization:
        headers["Authorization"] = authorization
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return Answer(answer.status, answer.read().decode(), answer.headers)


def claims(url, client_id, secret, method, **more):
    """Requests a token with the grant client_credentials, and returns its claims. They are not verified."""
    form = {"grant_type": "client_credentials", **more}
    if method == "client_secret_basic":
        answer = call("POST", url, form=form, authorization=basic(client_id, secret))
    else:
        answer = call("POST", url, form={**form, "client_id": client_id, "client_secret": secret})
    parts = answer.expect(200).json["access_token"].split(".")
    if len(parts) != 3:
        raise Failure("the access token is not a JWT")
    return json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))


class Program:
    """A program that is stopped at the end, with its children."""

    running = []

    def __init__(self, name, log):
        self.name, self.log, self.process = name, log, None

    def start(self, command, ready, environment=None, patience=60, folder=None):
        """Starts the program and waits until the URL `ready` answers with 200."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=folder,
                env={**os.environ, **(environment or {})},
            )
        Program.running.append(self)
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                if call("GET", ready, timeout=5).status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        raise Failure(f"{self.name} does not start; see {self.log}")

    def stop(self, how=signal.SIGTERM):
        """Stops the program and waits for its end."""
        if self in Program.running:
            Program.running.remove(self)
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, how)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def kill(self):
        """Ends the program without a chance to save anything."""
        self.stop(signal.SIGKILL)

    @classmethod
    def stop_all(cls):
        for program in list(cls.running):
            program.stop()


def run(command, environment=None, patience=300):
    """Runs a command to its end and returns its output."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)} ended with status {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout
