#!/usr/bin/env bash
# A third-party authorization server with clients that register here: the example `oidc-provider` with the
# release binary. Then the provider itself, and two other libraries, read clients from the documents that a registrar
# publishes. npm fetches them; Debian's Node packages are installed if Node is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
registrar=${REGISTRAR:-$PWD/target/release/registrar}
source .ci/beside.sh

# Starts a program in the background and waits until its output contains $1.
start() {
    local line=$1 log=$2
    shift 2
    "$@" >"$work/$log" 2>&1 &
    pids+=($!)
    if ! soon grep -q "$line" "$work/$log"; then
        cat "$work/$log"
        exit 1
    fi
}

cp examples/oidc-provider/{*.mjs,package.json} "$work"
npm --silent --no-audit --no-fund --prefix "$work" install

# A host for the documents of clients, with a certificate of its own authority.
documents=localhost:$(free_port)
port=$(free_port)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
    -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
    -CA "$work/ca.pem" -CAkey "$work/ca.key" -keyout "$work/documents.key" -out "$work/documents.pem" 2>/dev/null

listen=127.0.0.1:$(free_port)
PORT=$(free_port)
export REGISTRAR_URL=http://$listen PORT TELL_EVERY_MS=200 REGISTRAR_CREDENTIALS=$work/data/admin-credentials.json
REGISTRAR_DISCOVERY__UPSTREAM="http://127.0.0.1:$PORT" \
    REGISTRAR_REGISTRATION__CLIENT_DOCUMENTS=any REGISTRAR_REGISTRATION__CLIENT_DOCUMENTS_ADVERTISED=true \
    REGISTRAR_REGISTRATION__CLIENT_DOCUMENT_DENY_LIST="[\"https://$documents/denied/*\"]" \
    REGISTRAR_FETCH__ALLOWED_HOSTS="[\"$documents\", \"localhost:$port\"]" REGISTRAR_FETCH__CA_FILE="$work/ca.pem" \
    start "$REGISTRAR_URL" registrar.log "$registrar" --listen "$listen" --data "$work/data"
start listening provider.log node "$work/server.mjs"
# The same provider, which ends the grants of a client when its document changes.
ENDING_PORT=$(free_port)
PORT=$ENDING_PORT END_GRANTS=true start listening ending.log node "$work/server.mjs"
if ! timeout 400 node "$work/try.mjs" | tee "$work/try.out"; then
    cat "$work"/*.log
    exit 1
fi
# The provider keeps clients: it read the deleted one once to use it, and once more after the event.
deleted=$(sed -n 's/^a deleted client is rejected at once: //p' "$work/try.out")
reads=$(grep -cFx "reading the client $deleted" "$work/provider.log")
if ! [ "$reads" -ge 2 ] || ! [ "$reads" -le 4 ]; then
    echo "the provider read the client $deleted $reads times"
    exit 1
fi
# Clients with a document instead of a registration.
if ! ENDING=http://127.0.0.1:$ENDING_PORT DOCUMENTS=https://$documents DOCUMENTS_KEY=$work/documents.key DOCUMENTS_CERTIFICATE=$work/documents.pem \
    timeout 400 node "$work/try-documents.mjs"; then
    cat "$work"/*.log
    exit 1
fi

# A registrar that publishes documents of its clients.
mkdir "$work/readers"
cp .ci/documents/* "$work/readers"
cp .ci/documents/resolved.mjs "$work"
npm --silent --no-audit --no-fund --ignore-scripts --prefix "$work/readers" install
CONSUMER_PORT=$(free_port)
export HOST_URL=https://127.0.0.1:$port DOCUMENTS_URL=https://localhost:$port CONSUMER_PORT
REGISTRAR_SERVER__TLS__CERTIFICATE=$work/documents.pem REGISTRAR_SERVER__TLS__KEY=$work/documents.key \
    REGISTRAR_DOCUMENTS__BASE=$DOCUMENTS_URL REGISTRAR_REGISTRATION__HOSTED_CLIENT_DOCUMENTS=any \
    REGISTRAR_REGISTRATION__HOSTED_CLIENT_DOCUMENT_SECONDS=0 \
    start "$HOST_URL" host.log "$registrar" --listen "127.0.0.1:$port" --data "$work/host"
for reader in readers/hosted readers/libraries resolved; do
    if ! NODE_EXTRA_CA_CERTS=$work/ca.pem timeout 400 node "$work/$reader.mjs"; then
        tail -n 20 "$work/host.log"
        exit 1
    fi
done

# A registrar in front of the registration endpoint of a provider that registers clients itself.
mkdir "$work/front"
cp .ci/front/*.mjs examples/oidc-provider/client.mjs "$work/front"
ln -s "$work/node_modules" "$work/front/node_modules"
listen=127.0.0.1:$(free_port)
export FOLDER=$work/front/data FRONT_TOKEN=a-token-for-the-front-only
FRONT_PORT=$(free_port)
export FRONT_PORT REGISTRAR_URL=http://$listen REGISTRAR_CREDENTIALS=$work/front-data/admin-credentials.json
(umask 077 && printf '%s\n' "$FRONT_TOKEN" >"$work/front/token")
REGISTRAR_UPSTREAM_REGISTRATION__URL=http://127.0.0.1:$FRONT_PORT/reg \
    REGISTRAR_UPSTREAM_REGISTRATION__INITIAL_ACCESS_TOKEN_FILE=$work/front/token \
    REGISTRAR_REGISTRATION__RATE_LIMIT_REGISTRATION_REQUEST_COUNT=0 \
    start "$REGISTRAR_URL" front.log "$registrar" --listen "$listen" --data "$work/front-data"
if ! (cd "$work/front" && timeout 400 node try.mjs); then
    tail -n 40 "$work/front.log"
    exit 1
fi
