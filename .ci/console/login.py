#!/usr/bin/env python3
"""Signs in to the console at an OpenID Provider, in a real browser. The provider is at another site than the console, so
that the browser treats the cookies as it does in the field. The environment is that of try.py, and PROVIDER is the host
of the provider.
"""
import importlib
import os
import sys

Browser = importlib.import_module("try").Browser
LINK = f"Sign in with {os.environ['PROVIDER']}"


def sign_in(browser, name):
    """Signs in at the provider, from the page that the browser shows."""
    browser.submit("a", LINK)
    browser.type("[name=login]", name)
    browser.type("[name=password]", "anything")
    browser.submit("button", "Sign-in")
    browser.submit("button", "Continue")


def main():
    # Nobody clicks on the page that leads on to what was asked for.
    ada = Browser()
    ada.open("clients")
    sign_in(ada, "ada")
    ada.seen("Name contains")
    ada.expect("Ada Lovelace")
    if not ada.url().endswith("/console/clients"):
        sys.exit(f"the sign-in leads to {ada.url()}")
    ada.open("sessions")
    ada.expect("oidc:ada")
    ada.open("audit?action=administrator_signed_in")
    ada.expect("Ada Lovelace")

    # The scopes are those of the group.
    grace = Browser()
    grace.open("")
    sign_in(grace, "grace")
    grace.seen("Overview")
    grace.open("tokens")
    grace.expect("You lack the scope tokens.write.")

    # A group without scopes signs nobody in.
    eve = Browser()
    eve.open("")
    sign_in(eve, "eve")
    eve.seen("nothing in your groups gives you access")
    eve.check("not-signed-in")
    eve.submit("a", "Back to the sign-in")
    eve.expect("Sign in to Registrar")

    # A session that is ended is over, and so is one that was signed out of.
    ada.open("sessions")
    ada.submit("button.danger")
    ada.expect("The session has ended.")
    ada.submit("button", "Sign out")
    ada.expect(LINK)
    for browser in [ada, grace, eve]:
        browser.end()
    print("people sign in to the console at an OpenID Provider")


if __name__ == "__main__":
    main()
