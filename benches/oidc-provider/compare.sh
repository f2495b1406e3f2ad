#!/usr/bin/env bash
# Compares registration and reading with oidc-provider and with Registrar.
# Usage: benches/oidc-provider/compare.sh [SECONDS [CONNECTIONS]]
#
# Each server is one process, one after the other, with the requests and the script of benches/load.
# Needs Node 20, npm and the release binary (or $REGISTRAR). wrk generates the load if it is installed,
# otherwise Node. TMPDIR selects the disk of the stores.
set -euo pipefail
cd "$(dirname "$0")/../.."
registrar=$(realpath "${REGISTRAR:-target/release/registrar}")
export SECONDS_EACH=${1:-5} CONNECTIONS=${2:-16} NODE_ENV=production
# WRK= (empty) makes Node generate the load.
WRK=${WRK-$(command -v wrk || true)}
# BODY_FILE names another body than the small one, such as benches/full-registration.json.
BODY=$(sed -n 's/^const BODY: &str = r#"\(.*\)"#;$/\1/p' benches/load/main.rs)
if [ -n "${BODY_FILE:-}" ]; then BODY=$(tr -d '\n' <"$BODY_FILE"); fi
export WRK BODY
test -n "$BODY"

work=$(mktemp -d)
server=
stop() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    server=
}
trap 'stop; rm -rf "$work"' EXIT

cp benches/oidc-provider/{*.mjs,wrk.lua,package.json} "$work"
npm --silent --no-audit --no-fund --prefix "$work" install

# The shipped configuration, with the attribute that the script reads.
sed 's/^# \(deniedVendors = \)/\1/' config/registrar.toml >"$work/registrar.toml"
mkdir "$work/none" "$work/one"
sed -n '/^const SCRIPT: /,/^"#;/p' benches/load/main.rs | sed '1d;$d' >"$work/one/script.rhai"
grep -q 'fn createClient' "$work/one/script.rhai"

# All registrations come from one address.
export REGISTRAR_REGISTRATION__RATE_LIMIT_REGISTRATION_REQUEST_COUNT=0

# Starts the command in $3 and the following arguments, measures it as $1 at the path $2, and ends it.
compare() {
    local name=$1 path=$2 url=
    shift 2
    "$@" >"$work/log" 2>&1 &
    server=$!
    for _ in $(seq 200); do
        url=$(sed -n 's/^.* listens on \(http.*\)$/\1/p' "$work/log")
        if [ -n "$url" ] || ! kill -0 "$server" 2>/dev/null; then break; fi
        sleep 0.1
    done
    if [ -z "$url" ] || ! node "$work/load.mjs" "$name" "$url$path" >>"$work/outcomes"; then
        tail "$work/log"
        exit 1
    fi
    stop
}

compare 'oidc-provider, memory' /reg node "$work/server.mjs"
compare 'oidc-provider, SQLite' /reg node "$work/server.mjs" "$work/clients.sqlite"
for scripts in none one; do
    compare "Registrar, ${scripts/none/no} script" /register "$registrar" --config "$work/registrar.toml" \
        --listen 127.0.0.1:0 --data "$work/data-$scripts" --scripts "$work/$scripts"
done
compare 'fixed bytes' / node "$work/fixed.mjs"

version() { node -p "JSON.parse(fs.readFileSync('$work/node_modules/$1/package.json')).version"; }
echo "oidc-provider $(version oidc-provider), better-sqlite3 $(version better-sqlite3), node $(node --version), $("$registrar" --version)"
echo "$CONNECTIONS connections, $SECONDS_EACH s each, $(nproc) cores shared by servers and load, stores on $(stat -f -c %T "$work")"
if [ -z "$WRK" ]; then echo 'Node generates the load instead of wrk, and needs more of a core'; fi
echo
node "$work/table.mjs" "$work/outcomes"
