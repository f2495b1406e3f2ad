#!/usr/bin/env bash
# Starts a separate PostgreSQL for tests in a temporary folder on a free port:
#
#   eval "$(.ci/postgres.sh start)"   # sets REGISTRAR_TEST_POSTGRES and REGISTRAR_POSTGRES
#   .ci/postgres.sh stop              # stops and removes it
#
# `halt` and `resume` stop and start the server in REGISTRAR_POSTGRES and keep its data. Debian's
# packages are installed if PostgreSQL is missing. When this script is run by root, the server runs
# as the user postgres, since PostgreSQL refuses to run as root.
set -euo pipefail

note() { printf 'postgres.sh: %s\n' "$*" >&2; }

# Runs a command as a user other than root.
plainly() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

find_programs() {
    local found
    found=$(ls -d /usr/lib/postgresql/*/bin /usr/local/pgsql/bin 2>/dev/null | sort -V | tail -1)
    if [ -z "$found" ] && command -v initdb >/dev/null; then found=$(dirname "$(command -v initdb)"); fi
    [ -n "$found" ] && printf '%s' "$found"
}

install() {
    note 'PostgreSQL not found; installing it'
    local become=()
    if [ "$(id -u)" != 0 ]; then become=(sudo); fi
    # The package must not start its own server.
    "${become[@]}" mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' | "${become[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
    {
        "${become[@]}" apt-get update -q
        DEBIAN_FRONTEND=noninteractive "${become[@]}" apt-get install -q -y --no-install-recommends postgresql openssl
    } >&2
}

source "$(dirname "$0")/free_port.sh"

# Creates a CA and its certificate for localhost.
certificates() {
    local folder=$1
    plainly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
        -subj '/CN=test authority' -keyout "$folder/ca.key" -out "$folder/ca.pem" 2>/dev/null
    plainly openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -subj '/CN=localhost' -keyout "$folder/server.key" -out "$folder/server.csr" 2>/dev/null
    printf 'subjectAltName=DNS:localhost\n' | plainly tee "$folder/names" >/dev/null
    plainly openssl x509 -req -in "$folder/server.csr" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" \
        -CAcreateserial -days 30 -extfile "$folder/names" -out "$folder/server.pem" 2>/dev/null
    plainly chmod 644 "$folder/ca.pem"
}

run_server() {
    plainly "$programs/pg_ctl" -D "$1/data" -l "$1/log" -w -t 60 start >/dev/null || {
        cat "$1/log" >&2
        return 1
    }
}

start() {
    local folder password port
    folder=$(mktemp -d "${TMPDIR:-/tmp}/registrar-postgres.XXXXXX")
    chmod 755 "$folder"
    if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; fi
    password=$(openssl rand -hex 16)
    port=$(free_port)
    printf '%s\n' "$password" | plainly tee "$folder/password" >/dev/null
    plainly chmod 600 "$folder/password"
    plainly "$programs/initdb" -D "$folder/data" -U registrar -A scram-sha-256 \
        --pwfile "$folder/password" -E UTF8 --no-locale >/dev/null
    certificates "$folder"
    plainly tee -a "$folder/data/postgresql.conf" >/dev/null <<CONFIGURATION
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$folder'
max_connections = 1000
ssl = on
# The tests kill processes, never the machine: what the operating system has is safe.
fsync = off
ssl_cert_file = '$folder/server.pem'
ssl_key_file = '$folder/server.key'
CONFIGURATION
    run_server "$folder"
    PGPASSWORD=$password "$programs/createdb" -h 127.0.0.1 -p "$port" -U registrar registrar
    printf 'export REGISTRAR_POSTGRES=%q\n' "$folder"
    printf 'export REGISTRAR_TEST_POSTGRES=%q\n' "postgres://registrar:$password@127.0.0.1:$port/registrar"
}

programs=$(find_programs) || { install && programs=$(find_programs); }
folder=${REGISTRAR_POSTGRES:-}
if [ "${1:-}" != start ] && [ ! -d "$folder/data" ]; then
    note 'REGISTRAR_POSTGRES is not the folder of a server that this script started'
    exit 1
fi
case "${1:-}" in
    start) start ;;
    halt) plainly "$programs/pg_ctl" -D "$folder/data" -m fast -w stop >/dev/null ;;
    resume) run_server "$folder" ;;
    stop)
        plainly "$programs/pg_ctl" -D "$folder/data" -m fast -w stop >/dev/null || true
        rm -rf "$folder"
        ;;
    *)
        note 'usage: postgres.sh start|halt|resume|stop'
        exit 2
        ;;
esac
