#!/usr/bin/env python3
"""The other systems of the browser test of the console: a webhook that fails until it is told to work, and the host of a
client document.

    others.py WEBHOOK_PORT DOCUMENT_PORT CERTIFICATE KEY

`POST /works` on the port of the webhook lets it accept events from then on.
"""
import http.server
import json
import ssl
import sys
import threading


class Receiver(http.server.BaseHTTPRequestHandler):
    """The webhook."""

    is_working = False

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/works":
            Receiver.is_working = True
        self.send_response(204 if Receiver.is_working else 503)
        self.end_headers()

    def log_message(self, *_):
        pass


class Documents(http.server.BaseHTTPRequestHandler):
    """The host of the document."""

    def do_GET(self):
        url = f"https://{self.headers['Host']}{self.path}"
        document = {
            "client_id": url,
            "client_name": "An editor with a document",
            "client_uri": "https://editor.example.org",
            "redirect_uris": ["http://127.0.0.1/callback", "https://editor.example.org/cb"],
        }
        body = json.dumps(document, indent=2).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    webhook, documents, certificate, key = sys.argv[1:]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    host = http.server.ThreadingHTTPServer(("127.0.0.1", int(documents)), Documents)
    host.socket = tls.wrap_socket(host.socket, server_side=True)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    http.server.ThreadingHTTPServer(("127.0.0.1", int(webhook)), Receiver).serve_forever()


main()
