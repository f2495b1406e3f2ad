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

source .ci/install.sh
install_missing npm=nodejs npm=npm
