# To be sourced: free_port prints a loopback port without a listener. Its callers take several ports before anything
# listens on the first, so each port is noted in the folder `work`, if there is one, and not printed again.
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        if ! grep -qsx "$port" "${work:-/nonexistent}/ports" && ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            if [ -n "${work:-}" ]; then echo "$port" >>"$work/ports"; fi
            printf '%s' "$port"
            return
        fi
    done
    echo 'no free port found' >&2
    return 1
}
