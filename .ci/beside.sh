# To be sourced by scripts that run third-party programs next to a registrar: a temporary folder `work`, `pids` of
# programs that are stopped at the end, `soon`, and Node from Debian's packages if it is missing.
work=$(mktemp -d)
pids=()
stop() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap stop EXIT

# Repeats a command until it succeeds, for a minute and a half, since the machine may be busy.
soon() {
    for _ in $(seq 900); do
        "$@" && return
        sleep 0.1
    done
    return 1
}

source .ci/free_port.sh

source .ci/install.sh
install_missing npm=nodejs npm=npm
