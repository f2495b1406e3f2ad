#!/usr/bin/env bash
# Unchanged third-party programs register at servers with the shipped configurations: hosts and libraries
# of MCP with examples/config/mcp.toml, an LTI tool with lti.toml, a Solid app with solid.toml. Each test
# checks what the server has stored for the program. Then a receiver of webhooks verifies deliveries with the
# library of the Standard Webhooks specification, and the library jose opens backups.
#
# `.ci/programs.sh [REGISTRAR]` tests this binary; the default is the release build. npm and pip install the
# programs in pinned versions into a temporary folder.
set -euo pipefail
cd "$(dirname "$0")/.."
registrar=${1:-${REGISTRAR:-$PWD/target/release/registrar}}
source .ci/beside.sh

cp .ci/programs/* examples/clients/*.mjs examples/oidc-provider/admin.mjs examples/backup/*.mjs "$work"
npm --silent --no-audit --no-fund --ignore-scripts --prefix "$work" install &
npm=$!
python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet --disable-pip-version-check install --no-compile -r "$work/requirements.txt"
wait "$npm"

RESOURCE_PORT=$(free_port)
export RESOURCE_PORT

# Starts a server with the configuration $2, by default examples/config/$1.toml. Its issuer is its own address, and
# the authorization endpoint is on this machine.
serve() {
    local name=$1 file=${2:-examples/config/$1.toml} listen
    listen=127.0.0.1:$(free_port)
    REGISTRAR_SERVER__ISSUER="http://$listen" \
        REGISTRAR_DISCOVERY__AUTHORIZATION_ENDPOINT="http://127.0.0.1:$RESOURCE_PORT/authorize" \
        "$registrar" --config "$file" \
        --listen "$listen" --data "$work/data-$name" >"$work/$name.log" 2>&1 &
    pids+=($!)
    if ! soon curl -sf -o "$work/ready" "http://$listen/readyz"; then
        cat "$work/$name.log"
        exit 1
    fi
    export REGISTRAR_URL=http://$listen REGISTRAR_CREDENTIALS=$work/data-$name/admin-credentials.json
}

# Runs the test $1 against the server that was started last.
try() {
    local name=$1
    if ! (cd "$work" && PATH="$work/venv/bin:$work/node_modules/.bin:$PATH" timeout 400 node "$name.test.mjs"); then
        tail -n 20 "$work/$name.log"
        exit 1
    fi
}

for name in mcp lti solid; do
    serve "$name"
    try "$name"
done

WEBHOOK_PORT=$(free_port)
WEBHOOK_SECRETS=$work/webhook.secrets
export WEBHOOK_PORT WEBHOOK_SECRETS
(umask 077 && echo "whsec_$(openssl rand -base64 32)" >"$WEBHOOK_SECRETS")
cat >"$work/webhook.toml" <<END
[fetch]
allowHttp = true
allowedHosts = ["127.0.0.1:$WEBHOOK_PORT"]

[[webhooks]]
name = "receiver"
url = "http://127.0.0.1:$WEBHOOK_PORT/events"
secretFile = "$WEBHOOK_SECRETS"
include = "client"
END
serve webhook "$work/webhook.toml"
try webhook

REGISTRAR=$(realpath "$registrar")
export REGISTRAR
serve backup config/registrar.toml
try backup
