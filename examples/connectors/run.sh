#!/usr/bin/env bash
# Runs the scripts notify-hydra and notify-keycloak with a real Ory Hydra and a real Keycloak, and compares their
# clients with the clients of Registrar. README.md describes the steps and the variables.
#
#   HYDRA=/path/to/hydra KEYCLOAK_HOME=/path/to/keycloak examples/connectors/run.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export REGISTRAR=${REGISTRAR:-$here/../../target/release/registrar}
export COUNT=${COUNT:-2000} DOWN=${DOWN:-60} PYTHONDONTWRITEBYTECODE=1
if [ ! -x "$REGISTRAR" ]; then
    echo "run.sh: $REGISTRAR does not exist; build it with cargo build --release, or set REGISTRAR" >&2
    exit 2
fi

outcome=0 driver=
# The driver stops what it has started.
trap 'if [ -n "$driver" ]; then kill "$driver"; wait "$driver" || true; rm -rf "$work"; fi; exit 143' INT TERM

# Runs the steps of drive.py or front.py with one program. The logs are kept in $KEEP, or in a temporary folder if a step fails.
try() {
    local name=$1 variable=$2 passed=1 logs=${KEEP:+$KEEP/$1-$3}
    if [ -z "${!variable:-}" ]; then
        echo "$name: skipped, because $variable is not set"
        return
    fi
    work=$(mktemp -d)
    python3 "$here/$3.py" "$name" "$work" &
    driver=$!
    wait "$driver" || passed=0
    driver=
    if [ "$passed" = 0 ]; then
        outcome=1
        logs=${logs:-$(mktemp -d)}
        echo "$name: failed; the logs are in $logs" >&2
    fi
    if [ -n "$logs" ]; then
        mkdir -p "$logs"
        cp "$work"/*.log "$logs"
    fi
    rm -rf "$work"
}

for program in drive front; do
    try hydra HYDRA "$program"
    try keycloak KEYCLOAK_HOME "$program"
done
exit "$outcome"
