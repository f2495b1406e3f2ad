#!/usr/bin/env bash
# Schemathesis reads our OpenAPI document and calls every operation in it. It checks that there is no 500,
# no undocumented status, media type, header or body, and that each operation requires the documented
# credentials. pip installs it into a temporary folder.
#
# .ci/schemathesis.sh [BINARY]; SECONDS_AT_MOST limits the time.
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
for _ in $(seq 900); do
    url=$(sed -n 's/^Registrar listens on //p' "$work/greeting")
    if [ -n "$url" ]; then break; fi
    sleep 0.1
done
if [ -z "$url" ]; then cat "$work/log"; exit 1; fi

python3 .ci/schemathesis/prepare.py "$url" "$work"
# Operations that delete what other operations need run last.
last=(
    deleteClient removeClient removeClients disableClients rotateClientSecret rotateRegistrationToken
    patchConfiguration revokeInitialAccessToken
)
hooks=$PWD/.ci/schemathesis
run() (
    cd "$work" # schemathesis writes its files here
    SCHEMATHESIS_HOOKS=media_types PYTHONPATH=$hooks "$SCHEMATHESIS" \
        --config-file schemathesis.toml run openapi.json --url "$url" \
        --request-timeout 20 --seed 1 "$@"
)
run --max-time "${SECONDS_AT_MOST:-90}" "${last[@]/#/--exclude-operation-id=}"
run --max-time 25 --phases examples,coverage,fuzzing "${last[@]/#/--include-operation-id=}"

if grep -E '"level":"ERROR"|panicked' "$work/log"; then
    echo 'the log of the server has errors'
    exit 1
fi
