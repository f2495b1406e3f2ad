#!/usr/bin/env python3
"""Uses the console in a real browser, as an administrator would, and checks each page with axe-core.

It speaks WebDriver to chromedriver with nothing but the standard library: CHROMEDRIVER is its URL, CONSOLE that of the
console, REGISTER that of the registration endpoint, CREDENTIALS the file of the administrator, AXE the file axe.min.js,
and SHOTS a folder for screenshots.
"""
import base64
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request

DRIVER = os.environ["CHROMEDRIVER"]
CONSOLE = os.environ["CONSOLE"]
AXE = pathlib.Path(os.environ["AXE"]).read_text()
SHOTS = pathlib.Path(os.environ["SHOTS"])
CREDENTIALS = json.loads(pathlib.Path(os.environ["CREDENTIALS"]).read_text())
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def request(method, url, body=None, headers=None):
    """Sends a request with a JSON body, and returns the JSON of the answer."""
    data = None if body is None else json.dumps(body).encode()
    sent = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(sent, timeout=30) as answer:
            return json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {url}: {error.code} {error.read().decode()}")


class Browser:
    """A session of the browser."""

    def __init__(self, is_dark=False):
        options = {
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"],
        }
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
        self.session = f"{DRIVER}/session/" + request("POST", f"{DRIVER}/session", wanted)["value"]["sessionId"]
        self.prefer("dark" if is_dark else "light")

    def do(self, method, path, body=None):
        return request(method, f"{self.session}/{path}", body)["value"]

    def end(self):
        request("DELETE", self.session)

    def chrome(self, command, parameters):
        return self.do("POST", "goog/cdp/execute", {"cmd": command, "params": parameters})

    def prefer(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.chrome("Emulation.setEmulatedMedia", {"features": features})

    def width(self, width):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.chrome("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, page):
        self.do("POST", "url", {"url": CONSOLE + page})

    def run(self, script, *arguments):
        return self.do("POST", "execute/sync", {"script": script, "args": list(arguments)})

    def find(self, css, text=None):
        """Returns the first element that `css` selects, and whose text or label is `text`."""
        for element in self.do("POST", "elements", {"using": "css selector", "value": css}):
            element = element[ELEMENT]
            if text is None or self.do("GET", f"element/{element}/text") == text:
                return element
        sys.exit(f"{self.url()} has no {css} {text or ''}:\n{self.text()}")

    def page(self):
        """Returns the root element of the page, which no other page has, or None between two pages."""
        found = self.do("POST", "elements", {"using": "css selector", "value": "html"})
        return found[0][ELEMENT] if found else None

    def click(self, css, text=None):
        element = self.find(css, text)
        before = self.page()
        self.do("POST", f"element/{element}/click", {})
        return before

    def submit(self, css, text=None):
        """Clicks on something that leads to another page, and waits for that."""
        before = self.click(css, text)
        for _ in range(100):
            if self.page() not in (None, before) and self.run("return document.readyState") == "complete":
                return
            time.sleep(0.05)
        sys.exit(f"nothing follows a click on {css} {text or ''}")

    def type(self, css, text):
        element = self.find(css)
        self.do("POST", f"element/{element}/clear", {})
        self.do("POST", f"element/{element}/value", {"text": text})

    def text(self):
        return self.run("return document.body.innerText")

    def url(self):
        return self.do("GET", "url")

    def expect(self, text):
        if text not in self.text():
            sys.exit(f"{self.url()} does not show {text!r}:\n{self.text()}")

    def sign_in(self):
        self.open("")
        self.type("#client_id", CREDENTIALS["client_id"])
        self.type("#client_secret", CREDENTIALS["client_secret"])
        self.submit("button", "Sign in")
        self.expect("Overview")

    def check(self, name):
        """Checks the page at both widths and in both schemes, and keeps pictures of it."""
        for scheme in ["light", "dark"]:
            self.prefer(scheme)
            for width in [1280, 360]:
                self.width(width)
                over = self.run("return document.documentElement.scrollWidth - window.innerWidth")
                if over > 0:
                    sys.exit(f"{name} is {over} pixels wider than a screen of {width} pixels")
                picture = self.chrome("Page.captureScreenshot", {"captureBeyondViewport": True})
                (SHOTS / f"{name}-{scheme}-{width}.png").write_bytes(base64.b64decode(picture["data"]))
            self.axe(f"{name} ({scheme})")
        self.prefer("light")
        self.width(1280)

    def axe(self, name):
        self.run(AXE)
        done = "const done = arguments[arguments.length - 1]; axe.run().then(done, error => done({error: `${error}`}));"
        found = self.do("POST", "execute/async", {"script": done, "args": []})
        serious = [it for it in found["violations"] if it["impact"] in ("serious", "critical")]
        for violation in serious:
            for node in violation["nodes"]:
                print(f"{name}: {violation['id']}: {node['html']}\n  {node['failureSummary']}")
        if serious:
            sys.exit(1)


def register(token=None, **members):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = {"redirect_uris": ["https://client.example.org/cb"], **members}
    return request("POST", os.environ["REGISTER"], body, headers)


def main():
    client = register(client_name="The client that is found")
    for number in range(3):
        register(client_name=f"Another client {number}")
    browser = Browser()
    browser.open("")
    browser.check("sign-in")
    browser.sign_in()
    other = Browser()
    other.sign_in()

    # A client is found, shown with the origin of its members, and disabled.
    browser.open("clients")
    browser.check("clients")
    browser.type("[name=client_name]", "that is found")
    browser.submit("button", "Search")
    browser.submit("a", "The client that is found")
    browser.expect("client_name")
    browser.expect("default")
    browser.expect("client created")
    browser.check("client")
    browser.submit("button", "Disable")
    browser.expect("The client is disabled.")
    browser.expect(client["client_id"])

    # A token is made, and a client registers with it.
    browser.open("tokens")
    browser.click("summary", "Create a token")
    browser.type("[name=note]", "made in a browser")
    browser.type("[name=uses]", "1")
    browser.type("[name=redirect_hosts]", "client.example.org")
    browser.check("tokens")
    browser.submit("button", "Create")
    token = browser.do("GET", f"element/{browser.find('#once')}/text")
    registered = register(token, client_name="Registered with a token")
    browser.open("tokens")
    browser.expect("1 of 1")
    browser.open("client?id=" + registered["client_id"])
    browser.expect("made in a browser")

    # A value of the configuration is changed after a preview.
    browser.open("configuration")
    browser.check("configuration")
    browser.submit("a", "registration.maximumClientLifetime")
    browser.type("[name=value]", "864000")
    browser.check("option")
    browser.submit("button", "Preview")
    browser.expect("+ registration.maximumClientLifetime = 864000")
    browser.check("preview")
    browser.submit("button", "Apply")
    browser.expect("The change is in force.")

    for page in ["", "pending", "events", "scripts", "trust", "audit"]:
        browser.open(page)
        browser.check(page or "overview")

    # A session is ended, and only its holder must sign in again.
    browser.open("sessions")
    browser.check("sessions")
    browser.submit("button.danger")
    browser.expect("The session has ended.")
    other.open("clients")
    other.expect("Sign in to Registrar")
    browser.submit("button", "Sign out")
    browser.expect("Sign in to Registrar")
    other.end()
    browser.end()
    print("the console works in a browser")


if __name__ == "__main__":
    main()
