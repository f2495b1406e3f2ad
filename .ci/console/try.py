#!/usr/bin/env python3
"""Uses the console in a real browser, as an administrator would, and checks each page with axe-core.

It speaks WebDriver to chromedriver with nothing but the standard library: CHROMEDRIVER is its URL, CONSOLE that of the
console, REGISTER, TOKEN and RESOLVE those of endpoints, CREDENTIALS the file of the administrator, AXE the file
axe.min.js, and SHOTS a folder for screenshots. SCRIPT is a file that is edited while the server runs, WEBHOOK another
system that fails until it is told not to, and DOCUMENT the URL of a client document (others.py).
"""
import base64
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

DRIVER = os.environ["CHROMEDRIVER"]
CONSOLE = os.environ["CONSOLE"]
AXE = pathlib.Path(os.environ["AXE"]).read_text()
SHOTS = pathlib.Path(os.environ["SHOTS"])
CREDENTIALS = json.loads(pathlib.Path(os.environ["CREDENTIALS"]).read_text())
# Seconds that an answer or a page may take on a busy machine.
PATIENCE = 120
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def request(method, url, body=None, headers=None, status=None):
    """Sends a request with a JSON body, and returns the JSON of the answer. `status` is that of an error that is due."""
    data = None if body is None else json.dumps(body).encode()
    sent = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(sent, timeout=PATIENCE) as answer:
            return json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        if error.code == status:
            return json.loads(error.read())
        sys.exit(f"{method} {url}: {error.code} {error.read().decode()}")


def soon(condition, pause=0.1):
    """Whether a condition becomes true in time."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


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
        for _ in range(5):
            try:
                element = self.found(css, text)
            except SystemExit:
                # The script of the page has just replaced the part with an element that was looked at.
                continue
            if element:
                return element
            break
        sys.exit(f"{self.url()} has no {css} {text or ''}:\n{self.text()}")

    def found(self, css, text):
        for element in self.do("POST", "elements", {"using": "css selector", "value": css}):
            element = element[ELEMENT]
            if text is None or self.do("GET", f"element/{element}/text") == text:
                return element
        return None

    def page(self):
        """Returns the root element of the page, which no other page has, or None between two pages."""
        found = self.do("POST", "elements", {"using": "css selector", "value": "html"})
        return found[0][ELEMENT] if found else None

    def click(self, css, text=None):
        for _ in range(5):
            element, before = self.find(css, text), self.page()
            try:
                self.do("POST", f"element/{element}/click", {})
            except SystemExit as error:
                # The script of the page may have replaced the part meanwhile.
                if "stale element" not in str(error):
                    raise
            else:
                return before
        sys.exit(f"{css} {text or ''} is replaced again and again")

    def submit(self, css, text=None):
        """Clicks on something that leads to another page, and waits for that."""
        before = self.click(css, text)
        if not soon(lambda: self.follows(before), 0.05):
            sys.exit(f"nothing follows a click on {css} {text or ''}")

    def follows(self, before):
        """Whether another page than that with the root element `before` is there."""
        try:
            return self.page() not in (None, before) and self.run("return document.readyState") == "complete"
        except SystemExit:
            # The page gave way to the next one just then.
            return False

    def type(self, css, text):
        element = self.find(css)
        self.do("POST", f"element/{element}/clear", {})
        self.do("POST", f"element/{element}/value", {"text": text})

    def text(self):
        return self.run("return document.body.innerText")

    def shows(self, text):
        """Whether the page shows a text. Between two pages, nothing is shown."""
        try:
            return text in self.text()
        except SystemExit:
            return False

    def url(self):
        return self.do("GET", "url")

    def expect(self, text):
        if text not in self.text():
            sys.exit(f"{self.url()} does not show {text!r}:\n{self.text()}")

    def opened(self, page, text):
        """Opens a page. Returns whether it shows a text."""
        self.open(page)
        return text in self.text()

    def until(self, page, text):
        """Opens a page until it shows a text."""
        if not soon(lambda: self.opened(page, text)):
            self.expect(text)

    def until_gone(self, page, text):
        """Opens a page until it does not show a text any more."""
        if not soon(lambda: not self.opened(page, text)):
            sys.exit(f"{page} still shows {text!r}:\n{self.text()}")

    def seen(self, text):
        """Waits until the page shows a text by itself."""
        if not soon(lambda: self.shows(text)):
            self.expect(text)

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
                (SHOTS / f"{name}-{scheme}-{width}.png").write_bytes(self.picture(width))
            self.axe(f"{name} ({scheme})")
        self.prefer("light")
        self.width(1280)

    def picture(self, width):
        """Returns a picture of the whole page, or of its first TALLEST pixels."""
        height = self.run("return document.documentElement.scrollHeight")
        height = min(height, int(os.environ.get("TALLEST", height)))
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        picture = self.chrome("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        return base64.b64decode(picture["data"])

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


def register(token=None, status=None, **members):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = {"redirect_uris": ["https://client.example.org/cb"], **members}
    return request("POST", os.environ["REGISTER"], body, headers, status)


def administrator_token(scope):
    """Returns an access token of the administrator."""
    pair = f"{CREDENTIALS['client_id']}:{CREDENTIALS['client_secret']}"
    headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    body = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": scope}).encode()
    sent = urllib.request.Request(os.environ["TOKEN"], body, headers)
    with urllib.request.urlopen(sent, timeout=PATIENCE) as answer:
        return json.loads(answer.read())["access_token"]


def ask_for_document():
    """Asks for the client of the document, as an authorization server does. It waits for an approval."""
    query = urllib.parse.urlencode({"client_id": os.environ["DOCUMENT"]})
    headers = {"Authorization": f"Bearer {administrator_token('clients.resolve')}"}
    sent = urllib.request.Request(f"{os.environ['RESOLVE']}?{query}", headers=headers)
    try:
        urllib.request.urlopen(sent, timeout=PATIENCE)
        sys.exit("the document does not wait")
    except urllib.error.HTTPError as error:
        code = json.loads(error.read())["error"]
        if code != "document_pending":
            sys.exit(f"the document does not wait: {code}")


def find_a_client(browser):
    """A client is found, shown with the origin of its members, and disabled."""
    client = register(client_name="The client that is found")
    for number in range(3):
        register(client_name=f"Another client {number}")
    browser.open("clients")
    browser.check("clients")
    browser.type("[name=client_name]", "that is found")
    browser.submit("button", "Search")
    browser.submit("a", "The client that is found")
    for text in ["client_name", "default", "client created"]:
        browser.expect(text)
    browser.check("client")
    browser.submit("button", "Disable")
    browser.expect("The client is disabled.")
    browser.expect(client["client_id"])
    browser.open("clients?client_name=another")
    browser.click("summary", "Change all clients that match")
    browser.submit("button", "Preview")
    browser.expect("3 clients match")
    browser.check("bulk")


def make_a_token(browser):
    """A token is made, shown once, and a client registers with it."""
    browser.open("tokens")
    browser.click("summary", "Create a token")
    browser.type("[name=note]", "made in a browser")
    browser.type("[name=uses]", "1")
    browser.type("[name=redirect_hosts]", "client.example.org")
    browser.check("token-form")
    browser.submit("button", "Create")
    token = browser.do("GET", f"element/{browser.find('#once')}/text")
    registered = register(token, client_name="Registered with a token")
    browser.open("tokens")
    browser.expect("1 of 1")
    if token in browser.text():
        sys.exit("the token is shown twice")
    browser.check("tokens")
    browser.submit("button", "Revoke")
    browser.expect("It registers no more clients")
    browser.check("revoke")
    browser.open("client?id=" + registered["client_id"])
    browser.expect("made in a browser")


def change_the_configuration(browser):
    """A value of the configuration is changed after a preview."""
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


def break_a_script(browser):
    """A script that cannot be loaded, one that fails, and a request that is tried, are shown with their lines."""
    file = pathlib.Path(os.environ["SCRIPT"])
    good = file.read_text()
    file.write_text(good.replace("true", "tru e"))
    browser.until("scripts", "The scripts could not be loaded.")
    browser.expect("10-policy.rhai:3")
    browser.check("scripts-mistake")
    failing = good.replace("    true", '    if context.client.client_name == "Odd" { throw "an odd client" }\n    true')
    file.write_text(failing)
    browser.until_gone("scripts", "The scripts could not be loaded.")
    register(status=500, client_name="Odd")
    browser.open("scripts")
    browser.expect("10-policy.rhai:3:")
    browser.expect("an odd client")
    browser.check("scripts")
    browser.submit("a", "See how it differs, and promote it")
    browser.expect("+ fn updateClient(context) { true }")
    browser.check("version")
    browser.open("try")
    body = {"redirect_uris": ["https://client.example.org/cb"], "client_name": "Odd"}
    browser.type("[name=body]", json.dumps(body))
    browser.submit("button", "Try")
    browser.expect("an odd client")
    browser.type("[name=body]", json.dumps({**body, "client_name": "Even"}))
    browser.submit("button", "Try")
    browser.expect("accepted")
    browser.expect("script:10-policy.rhai")
    browser.check("try")


def approve_a_document(browser):
    """A client document waits, is approved, denied, and allowed again."""
    ask_for_document()
    browser.open("pending")
    browser.expect("An editor with a document")
    browser.check("pending")
    browser.submit("a", "An editor with a document")
    browser.expect("https://editor.example.org/cb")
    browser.click("summary", "Approve")
    browser.check("request")
    browser.submit("button", "Approve")
    browser.expect("It was approved.")
    browser.open("documents")
    browser.click("summary", "Deny a URL")
    browser.type("[name=client_id]", os.environ["DOCUMENT"])
    browser.type("[name=note]", "for a test")
    browser.submit("button", "Preview")
    browser.expect("An editor with a document")
    browser.check("denial")
    browser.submit("button", "Deny this URL")
    browser.expect("The URL is denied.")
    browser.check("documents")
    browser.submit("button", "Allow")
    browser.submit("button", "Allow this URL")
    browser.expect("The URL is not denied any more.")


def retry_an_event(browser):
    """An event that a webhook refuses is parked, and delivered when the webhook works again."""
    register(client_name="It is told")
    browser.until("events", "Parked events of webhook:gateway")
    browser.check("events")
    request("POST", os.environ["WEBHOOK"] + "/works")
    browser.submit("button", "Retry")
    browser.expect("The event is delivered again.")
    browser.until_gone("events", "Parked events of webhook:gateway")


def look_on(browser):
    """What happens appears in an open page, by itself, until that is paused."""
    browser.open("events")
    browser.expect("Updated every few seconds.")
    client = register(client_name="Seen without a reload")
    browser.seen(client["client_id"])
    browser.click("button", "Pause")
    browser.expect("Paused.")


def end_a_session(browser, other):
    """A session is ended, and only its holder must sign in again."""
    browser.open("sessions")
    browser.check("sessions")
    browser.submit("button.danger")
    browser.expect("The session has ended.")
    other.open("clients")
    other.expect("Sign in to Registrar")
    browser.submit("button", "Sign out")
    browser.expect("Sign in to Registrar")


def main():
    browser = Browser()
    browser.open("")
    browser.check("sign-in")
    browser.sign_in()
    other = Browser()
    other.sign_in()
    find_a_client(browser)
    make_a_token(browser)
    change_the_configuration(browser)
    break_a_script(browser)
    approve_a_document(browser)
    retry_an_event(browser)
    look_on(browser)
    for page in ["", "trust", "audit"]:
        browser.open(page)
        browser.check(page or "overview")
    end_a_session(browser, other)
    other.end()
    browser.end()
    print("the console works in a browser")


if __name__ == "__main__":
    main()
