# To be sourced by scripts that run third-party programs next to a registrar: a temporary folder `work`, `pids` of
# programs that are stopped at the end, and Node from Debian's packages if it is missing.
work=$(mktemp -d)
pids=()
stop() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap stop EXIT

source .ci/free_port.sh

if ! command -v npm >/dev/null; then
    become=()
    if [ "$(id -u)" != 0 ]; then become=(sudo); fi
    "${become[@]}" apt-get update -q
    DEBIAN_FRONTEND=noninteractive "${become[@]}" apt-get install -q -y --no-install-recommends nodejs npm
fi
