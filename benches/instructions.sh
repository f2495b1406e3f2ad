#!/usr/bin/env bash
# Counts the instructions of one registration, or of one read of a client by itself. Other programs on the machine do
# not affect the count.
#
# Usage: benches/instructions.sh [BINARY [FOLDER_OF_SCRIPTS [post|get]]]. Needs valgrind and Python. The server runs in
# callgrind. After the first hundred registrations, callgrind counts a thousand more requests on four connections, in
# all threads of the server, without the work of the kernel. If the processor has instructions for SHA-256, the real
# number is smaller: valgrind does not know them.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${1:-target/release/registrar}
scripts=${2:-}
what=${3:-post}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# All registrations come from one address.
export REGISTRAR_REGISTRATION__RATE_LIMIT_REGISTRATION_REQUEST_COUNT=0
if [ -z "$scripts" ]; then mkdir "$work/scripts"; scripts=$work/scripts; fi

valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file="$work/counted" \
    "$binary" --config config/registrar.toml --listen 127.0.0.1:0 --data "$work/data" --scripts "$scripts" \
    >"$work/greeting" 2>"$work/log" &
server=$!
for _ in $(seq 600); do
    url=$(sed -n 's/^Registrar listens on //p' "$work/greeting")
    if [ -n "$url" ]; then break; fi
    sleep 0.1
done

python3 - "$url" "$server" "$what" <<'P'
import http.client, json, re, subprocess, sys, threading, urllib.parse
url, server, what = urllib.parse.urlparse(sys.argv[1]), sys.argv[2], sys.argv[3]
body = re.search(r'const BODY: &str = r#"(.*)"#;', open("benches/load/main.rs").read()).group(1)
def register(count):
    connection = http.client.HTTPConnection(url.hostname, url.port)
    for _ in range(count):
        connection.request("POST", "/register", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body_of_answer = answer.read()
        assert answer.status == 201, body_of_answer
    return json.loads(body_of_answer)
def read(count):
    connection = http.client.HTTPConnection(url.hostname, url.port)
    path = client["registration_client_uri"].removeprefix(f"{url.scheme}://{url.netloc}")
    token = {"Authorization": "Bearer " + client["registration_access_token"]}
    for _ in range(count):
        connection.request("GET", path, headers=token)
        answer = connection.getresponse()
        body_of_answer = answer.read()
        assert answer.status == 200, body_of_answer
def counting(word):
    subprocess.run(["callgrind_control", "-i", word, server], check=True, stdout=subprocess.DEVNULL)
client = register(100)
if what == "get": read(100)
counting("on")
threads = [threading.Thread(target={"post": register, "get": read}[what], args=(250,)) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
counting("off")
P
kill "$server"
wait "$server" || true
total=$(sed -n 's/^totals: //p' "$work/counted" | head -1)
echo "$((total / 1000)) instructions per $what"
