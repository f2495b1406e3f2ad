# To be sourced: install_missing PROGRAM=PACKAGE... installs Debian's packages of the programs that are missing. The
# packages do not start their services.
install_missing() {
    local pair packages=() become=()
    for pair in "$@"; do
        PATH=$PATH:/usr/sbin command -v "${pair%%=*}" >/dev/null || packages+=("${pair#*=}")
    done
    if [ ${#packages[@]} = 0 ]; then return; fi
    if [ "$(id -u)" != 0 ]; then become=(sudo); fi
    {
        "${become[@]}" apt-get update -q
        # In runlevel 1, invoke-rc.d starts nothing.
        "${become[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends "${packages[@]}"
    } >&2
}
