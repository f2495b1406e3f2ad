#!/usr/bin/env bash
# The console in a real browser: Debian's Chromium, with the release binary or the one that is named. npm fetches axe-core,
# which checks each page, and oidc-provider, at which people sign in. SHOTS names a folder that keeps the screenshots.
set -euo pipefail
cd "$(dirname "$0")/.."
registrar=${1:-$PWD/target/release/registrar}
source .ci/beside.sh
source .ci/install.sh
install_missing chromium=chromium chromedriver=chromium-driver openssl=openssl
SHOTS=${SHOTS:-$work/shots}
mkdir -p "$SHOTS" "$work/scripts" "$work/candidate"
npm --silent --no-audit --no-fund --ignore-scripts --prefix "$work" install axe-core@4 oidc-provider@9

# Other systems: a webhook, and a host with TLS for a client document.
listen=127.0.0.1:$(free_port)
driver=$(free_port)
PORT=$(free_port)
export PORT PROVIDER=localhost:$PORT CLIENT_SECRET=a-secret-for-this-test-only
(umask 077 && printf '%s\n' "$CLIENT_SECRET" >"$work/login-secret")
cp .ci/console/provider.mjs "$work"
REDIRECT_URI=http://$listen/console/callback node "$work/provider.mjs" >"$work/provider.log" 2>&1 &
pids+=($!)
webhook=$(free_port)
documents=$(free_port)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout "$work/host.key" -out "$work/host.pem" 2>"$work/openssl.log"
python3 .ci/console/others.py "$webhook" "$documents" "$work/host.pem" "$work/host.key" >"$work/others.log" 2>&1 &
pids+=($!)
(umask 077 && echo "whsec_$(openssl rand -base64 32)" >"$work/webhook.secret")
cat >"$work/scripts/10-policy.rhai" <<'END'
fn createClient(context) {
    context.client.contacts = ["registry@example.org"];
    true
}
END
{ cat "$work/scripts/10-policy.rhai" && echo "fn updateClient(context) { true }"; } >"$work/candidate/10-policy.rhai"
cat >"$work/registrar.toml" <<END
[fetch]
allowHttp = true
allowPrivateAddresses = true
caFile = "$work/host.pem"
[scripts]
directory = "$work/scripts"
candidate = "$work/candidate"
removalQuietMs = 0
retryPausesMs = []
[registration]
clientDocuments = "any"
clientDocumentApproval = "first"
scriptsShadow = 1.0
[[webhooks]]
name = "gateway"
url = "http://127.0.0.1:$webhook/"
secretFile = "$work/webhook.secret"
clients = { clientName = "told" }
[admin.login]
issuer = "http://$PROVIDER"
clientId = "registrar"
clientSecretFile = "$work/login-secret"
scopesFrom = { claim = "groups", values = { operators = ["*"], readers = ["clients.read"] } }
END
"$registrar" --config "$work/registrar.toml" --listen "$listen" --data "$work/data" >"$work/registrar.log" 2>&1 &
pids+=($!)
chromedriver --port="$driver" >"$work/chromedriver.log" 2>&1 &
pids+=($!)
for url in "http://$listen/readyz" "http://127.0.0.1:$driver/status" "http://$PROVIDER/.well-known/openid-configuration"; do
    if ! soon curl -fsS "$url" >"$work/ready" 2>&1; then
        tail -n 20 "$work"/*.log "$work/ready"
        exit 1
    fi
done
export SHOTS CHROMEDRIVER=http://127.0.0.1:$driver CONSOLE=http://$listen/console/ REGISTER=http://$listen/register
export CREDENTIALS=$work/data/admin-credentials.json AXE=$work/node_modules/axe-core/axe.min.js
export TOKEN=http://$listen/token RESOLVE=http://$listen/admin/v1/clients/resolve
export SCRIPT=$work/scripts/10-policy.rhai WEBHOOK=http://127.0.0.1:$webhook DOCUMENT=https://localhost:$documents/client.json
if ! timeout 900 python3 .ci/console/try.py || ! timeout 400 python3 .ci/console/login.py; then
    tail -n 20 "$work/registrar.log" "$work/provider.log"
    exit 1
fi
