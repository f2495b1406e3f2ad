#!/usr/bin/env bash
# Runs the proxies of config/deploy/proxies in front of a real server:
#
#   .ci/proxies.sh [BINARY]    # default: target/release/registrar
#
# A client registers through each proxy, with and without a client certificate and with headers that it has forged.
# Debian's packages are installed if a proxy is missing. Only paths and ports of the examples are replaced.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=$(realpath "${1:-target/release/registrar}")
source .ci/beside.sh
install_missing nginx=nginx-light haproxy=haproxy caddy=caddy openssl=openssl
chmod 755 "$work"

fail() {
    printf 'proxies.sh: %s\n' "$*" >&2
    for log in "$work"/*.log; do printf -- '-- %s\n' "$log" >&2; tail -20 "$log" >&2; done
    exit 1
}

# Creates the key NAME.key and the certificate NAME.pem for the subject, signed by AUTHORITY, or by itself.
certificate() {
    local name=$1 subject=$2 authority=${3:-} signing=()
    if [ -n "$authority" ]; then signing=(-CA "$work/$authority.pem" -CAkey "$work/$authority.key"); fi
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "$subject" \
        -addext 'subjectAltName=DNS:register.example.org' "${signing[@]}" \
        -keyout "$work/$name.key" -out "$work/$name.pem" 2>"$work/openssl.log" || fail "cannot create $name.pem"
}

certificate client-ca '/CN=client authority'
certificate client '/O=Example/CN=good client' client-ca
certificate other '/CN=forged client'
# The server's own certificate signs itself. The file of HAProxy has the key too.
certificate server '/CN=register.example.org'
mkdir "$work/ssl"
cp "$work/server.key" "$work/client-ca.pem" "$work/ssl/"
cp "$work/server.pem" "$work/ssl/server.pem"
cat "$work/server.pem" "$work/server.key" >"$work/ssl/both.pem"

# Starts a server that expects certificates in HEADER.
start_registrar() {
    local header=$1
    mkdir -p "$work/scripts"
    cat >"$work/scripts/seen.rhai" <<'SCRIPT'
// Returns what the server knows about the caller.
fn modifyPostResponse(response, context) {
    let certificate = context.certificate;
    response.seen_certificate = if certificate == () { "none" } else { certificate.subject };
    response.seen_trusted = certificate != () && certificate.trusted;
    response.seen_address = context.httpRequest.ipAddress;
    true
}
SCRIPT
    cat >"$work/registrar.toml" <<TOML
[server]
listen = "127.0.0.1:$server_port"
issuer = "https://register.example.org"
trustedProxies = ["127.0.0.1"]
certificateHeaders = ["$header"]
[admin]
listen = "127.0.0.1:$admin_port"
[store]
url = "memory:"
[scripts]
directory = "$work/scripts"
TOML
    "$binary" serve --config "$work/registrar.toml" >"$work/registrar.log" 2>&1 &
    server=$!
    pids+=("$server")
    wait_for "http://127.0.0.1:$admin_port/readyz"
}

wait_for() {
    curl -sk --retry 100 --retry-delay 1 --retry-max-time 90 --retry-all-errors --fail -o /dev/null "$@" ||
        fail "no answer from ${*: -1}"
}

# Copies an example with the paths and ports of this run.
example() {
    sed -e "s|/etc/ssl/registrar/|$work/ssl/|g" -e "s|/var/log/nginx/|$work/|g" \
        -e "s|127\.0\.0\.1:8080|127.0.0.1:$server_port|g" -e "s|port 8081|port $admin_port|g" \
        -e "s|listen 443 |listen 127.0.0.1:$port |" -e "s|bind :443|bind 127.0.0.1:$port|" \
        -e "s|register\.example\.org:443|register.example.org:$port|" "config/deploy/proxies/$1"
}

# Forms that the shipped files do not have: the parts around them that a package provides.
start_nginx() {
    example nginx.conf >"$work/site.conf"
    cat >"$work/nginx.conf" <<CONFIGURATION
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.log;
events {}
http {
    client_body_temp_path $work/bodies;
    proxy_temp_path $work/proxied;
    fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi;
    include $work/site.conf;
}
CONFIGURATION
    PATH=$PATH:/usr/sbin nginx -c "$work/nginx.conf" >>"$work/nginx.log" 2>&1 &
}

start_haproxy() {
    # HAProxy takes the certificate and the key from one file.
    example haproxy.cfg | sed "s|$work/ssl/server.pem|$work/ssl/both.pem|" >"$work/haproxy.cfg"
    PATH=$PATH:/usr/sbin haproxy -W -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
}

start_caddy() {
    example Caddyfile >"$work/Caddyfile"
    HOME=$work XDG_DATA_HOME=$work XDG_CONFIG_HOME=$work \
        caddy run --config "$work/Caddyfile" --adapter caddyfile >"$work/caddy.log" 2>&1 &
}

# Calls the proxy from the address 127.0.0.7, which is not the address of the proxy.
call() {
    local path=$1
    shift
    curl -s --max-time 20 --interface 127.0.0.7 --cacert "$work/server.pem" \
        --resolve "register.example.org:$port:127.0.0.1" "$@" "https://register.example.org:$port$path"
}

register() {
    call /register -H 'Content-Type: application/json' \
        -d '{"redirect_uris":["https://client.example.org/cb"]}' "$@"
}

# Compares what the server saw with EXPECTED: certificate, whether it is trusted, address.
expect_seen() {
    local what=$1 expected=$2 answer=$3 seen
    seen=$(python3 -c 'import json, sys
seen = json.loads(sys.argv[1])
print(seen["seen_certificate"], str(seen["seen_trusted"]).lower(), seen["seen_address"])' "$answer") ||
        fail "$name: $what: unexpected answer: $answer"
    [ "$seen" = "$expected" ] || fail "$name: $what: the server saw '$seen' instead of '$expected'"
}

# The headers of a client that pretends to be another one.
forged=$(openssl x509 -in "$work/other.pem" -outform der | base64 -w0)
forgery=(-H 'X-Forwarded-For: 203.0.113.9' -H 'Forwarded: for=203.0.113.9' -H 'X-Real-IP: 203.0.113.9'
    -H "X-ClientCert: $forged" -H "Client-Cert: :$forged:" -H "Client-Cert-Chain: :$forged:"
    -H "X-Forwarded-Client-Cert: Cert=\"$forged\"")
certified=(--cert "$work/client.pem" --key "$work/client.key")

check_proxy() {
    name=$1
    server_port=$(free_port) admin_port=$(free_port) port=$(free_port)
    start_registrar "$2"
    "start_$name"
    pids+=($!)
    wait_for --resolve "register.example.org:$port:127.0.0.1" \
        "https://register.example.org:$port/.well-known/openid-configuration"
    local subject='CN=good client,O=Example' answer
    expect_seen 'without a certificate' 'none false 127.0.0.7' "$(register)"
    expect_seen 'with forged headers' 'none false 127.0.0.7' "$(register "${forgery[@]}")"
    expect_seen 'with a certificate' "$subject true 127.0.0.7" "$(register "${certified[@]}")"
    answer=$(register "${certified[@]}" "${forgery[@]}")
    expect_seen 'with a certificate and forged headers' "$subject true 127.0.0.7" "$answer"
    # A certificate that no authority has signed never arrives as a trusted one.
    answer=$(register --cert "$work/other.pem" --key "$work/other.key" || true)
    case $answer in *'"seen_trusted":true'*) fail "$name forwards an untrusted certificate as a trusted one" ;; esac
    # The client reads its registration through the proxy by its own URI.
    local token status path
    answer=$(register)
    token=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["registration_access_token"])' "$answer")
    path=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["registration_client_uri"])' "$answer")
    case $path in https://register.example.org/register*) ;; *) fail "$name: registration_client_uri is $path" ;; esac
    path=${path#https://register.example.org}
    status=$(call "$path" -H "Authorization: Bearer $token" -o /dev/null -w '%{http_code}')
    [ "$status" = 200 ] || fail "$name: reading the client returns $status"
    for path in /admin/v1/clients /metrics /readyz /healthz; do
        status=$(call "$path" -o /dev/null -w '%{http_code}')
        [ "$status" = 404 ] || fail "$name: $path returns $status instead of 404"
    done
    # A caller that is not the proxy cannot use its headers.
    answer=$(curl -s --max-time 20 --interface 127.0.0.9 -H 'Content-Type: application/json' "${forgery[@]}" \
        -d '{"redirect_uris":["https://client.example.org/cb"]}' "http://127.0.0.1:$server_port/register")
    expect_seen 'a stranger without the proxy' 'none false 127.0.0.9' "$answer"
    kill "${pids[-1]}" "$server"
    wait "${pids[-1]}" "$server" 2>/dev/null || true
    pids=()
    printf '%s: addresses and client certificates arrive, forged headers do not\n' "$name"
}

check_proxy nginx X-ClientCert
check_proxy haproxy Client-Cert
check_proxy caddy X-ClientCert
