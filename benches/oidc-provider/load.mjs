// Measures one server: node load.mjs NAME REGISTRATION_ENDPOINT, with $BODY, $CONNECTIONS, $SECONDS_EACH and
// $WRK (the path of wrk; if empty, sockets.mjs is used). Prints a line of JSON for POST and a line for GET.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const [name, endpoint] = process.argv.slice(2);
const { BODY: body, CONNECTIONS: connections, SECONDS_EACH: seconds, WRK: wrk } = process.env;
const beside = (file) => fileURLToPath(new URL(file, import.meta.url));

async function load(url, environment, duration) {
  const env = { PATH: process.env.PATH, ...environment };
  const [program, options] = wrk
    ? [wrk, ['-t', '1', '-c', connections, '-d', `${duration}s`, '-s', beside('wrk.lua'), url]]
    : [process.execPath, [beside('sockets.mjs'), connections, duration, url]];
  const { stdout } = await promisify(execFile)(program, options, { env });
  const outcome = JSON.parse(stdout.trim().split('\n').pop());
  assert.ok(outcome.answers > 0 && outcome.bad === 0, `${name}: some responses were errors: ${stdout}`);
  return outcome;
}

async function measure(method, url, environment) {
  // Warm-up of a second, in which Node compiles hot code.
  await load(url, environment, '1');
  const outcome = await load(url, environment, seconds);
  console.log(JSON.stringify({ name, method, ...outcome }));
}

async function register() {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(endpoint, { method: 'POST', headers, body });
  const client = await answer.json();
  assert.equal(answer.status, 201, JSON.stringify(client));
  return client;
}

// Both servers must do the measured work: store the metadata, and return it for the access token.
async function check({ registration_client_uri: uri, registration_access_token: token, client_id: id }) {
  const answer = await fetch(uri, { headers: { authorization: `Bearer ${token}` } });
  const client = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(client));
  assert.equal(client.client_id, id);
  assert.deepEqual(client.redirect_uris, JSON.parse(body).redirect_uris);
}

if (new URL(endpoint).pathname === '/') {
  // The server of fixed bytes has no registration.
  await measure('GET', endpoint, { TOKEN: 'any' });
} else {
  await check(await register());
  await measure('POST', endpoint, { BODY: body });
  // A new client, since the memory adapter of oidc-provider keeps only the newest clients.
  const client = await register();
  await measure('GET', client.registration_client_uri, { TOKEN: client.registration_access_token });
}
