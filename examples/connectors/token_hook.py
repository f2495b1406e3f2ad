"""A token hook of Ory Hydra that puts the roles of a client into its access tokens.

Hydra has no roles. The script notify-hydra keeps those of `[[exports]]` in the metadata of the client."""
import http.server
import json
import threading

from programs import call, quote


class TokenHook:
    """Listens on a free port, at `url`."""

    def __init__(self, admin_url):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                client = call("GET", f"{admin_url}/admin/clients/{quote(asked['request']['client_id'])}").expect(200).json
                exports = ((client.get("metadata") or {}).get("registrar") or {}).get("exports", {})
                session = {"access_token": {"roles": exports.get("roles", [])}}
                body = json.dumps({"session": session}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
