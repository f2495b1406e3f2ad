#!/usr/bin/env bash
# Counts the instructions of requests, in a table: see instructions.py.
set -euo pipefail
exec python3 "$(dirname "$0")/instructions.py" "$@"
