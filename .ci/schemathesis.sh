#!/usr/bin/env bash
# Another program reads our OpenAPI document and asks every operation in it: no 500, no status,
# media type, header or body that is not documented, nothing without the credentials that the
# document names. Schemathesis is installed by pip into a temporary folder.
#
# .ci/schemathesis.sh [BINARY]; SECONDS_AT_MOST bounds the time.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${1:-target/release/registrar}
work=$(mktemp -d)
server=
finish() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" || true; fi
    rm -rf "$work"
}
trap finish EXIT

if [ -z "${SCHEMATHESIS:-}" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" --quiet install 'schemathesis==4.32.5'
    SCHEMATHESIS=$work/venv/bin/schemathesis
fi

# All requests come from one address.
export REGISTRAR_REGISTRATION__RATE_LIMIT_REGISTRATION_REQUEST_COUNT=0
export REGISTRAR_REGISTRATION__RATE_LIMIT_AUTHENTICATION_FAILURE_COUNT=0
"$binary" serve --config config/registrar.toml --listen 127.0.0.1:0 --data "$work/data" \
    >"$work/greeting" 2>"$work/log" &
server=$!
for _ in $(seq 100); do
    url=$(sed -n 's/^Registrar listens on //p' "$work/greeting")
    if [ -n "$url" ]; then break; fi
    sleep 0.1
done
if [ -z "$url" ]; then cat "$work/log"; exit 1; fi

python3 .ci/schemathesis/prepare.py "$url" "$work"
# What takes away what other operations work with comes last.
last=(deleteClient removeClient removeClients patchConfiguration revokeInitialAccessToken)
hooks=$PWD/.ci/schemathesis
run() (
    cd "$work" # where it keeps what it found
    SCHEMATHESIS_HOOKS=media_types PYTHONPATH=$hooks "$SCHEMATHESIS" \
        --config-file schemathesis.toml run openapi.json --url "$url" \
        --request-timeout 20 --seed 1 "$@"
)
run --max-time "${SECONDS_AT_MOST:-90}" "${last[@]/#/--exclude-operation-id=}"
run --max-time 25 --phases examples,coverage,fuzzing "${last[@]/#/--include-operation-id=}"

if grep -E '"level":"ERROR"|panicked' "$work/log"; then
    echo 'the server says that something went wrong'
    exit 1
fi
