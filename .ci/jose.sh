#!/usr/bin/env bash
# Has two other JOSE libraries verify new tokens of ours. pip and npm install them into a temporary folder.
# Not part of `.ci/run`: the result changes only when signing changes, and pip and npm need a network.
# Needs python3-venv and Node.
set -euo pipefail
cd "$(dirname "$0")/.."
fixtures=$PWD/tests/fixtures/jose
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

JOSE_TOKENS="$work/tokens.json" cargo test --locked --lib our_tokens_verify

python3 -m venv "$work/venv"
"$work/venv/bin/pip" --quiet install 'joserfc>=1.8,<2'
"$work/venv/bin/python" -W ignore "$fixtures/verify.py" "$work/tokens.json"

# Node searches for packages beside the script.
cp "$fixtures"/*.mjs "$work"
npm --silent --prefix "$work" install 'jose@6'
node "$work/verify.mjs" "$work/tokens.json"
