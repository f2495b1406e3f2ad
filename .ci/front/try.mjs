// Registers at a registrar that is the front of oidc-provider: registers, reads, updates and deletes a client, and gets a
// code and tokens for it. Then the provider is killed while 200 clients register, update and delete themselves. At the end,
// both sides have the same clients. Exits with 0 if everything succeeded.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { authorized, random, redeemed } from './client.mjs';

const { REGISTRAR_URL: registrar, REGISTRAR_CREDENTIALS, FOLDER: folder, FRONT_PORT: port } = process.env;
const clients = join(folder, 'Client');
const provider = `http://127.0.0.1:${port}`;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

async function started() {
  const child = spawn(process.execPath, ['provider.mjs'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

async function killed(child) {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

let child = await started();
process.on('exit', () => child.kill('SIGKILL'));

const callback = 'https://app.example.org/callback';
const request = { redirect_uris: [callback], client_name: 'Example', scope: 'openid profile' };

async function send(method, url, body, token) {
  const headers = { 'content-type': 'application/json' };
  if (token) headers.authorization = `Bearer ${token}`;
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, body: text && JSON.parse(text) };
}

const manage = (client, method, body) =>
  send(method, client.registration_client_uri, body, client.registration_access_token);

async function administrator() {
  const { client_id, client_secret } = JSON.parse(readFileSync(REGISTRAR_CREDENTIALS, 'utf8'));
  const answer = await fetch(`${registrar}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  });
  return { client_id, token: (await answer.json()).access_token };
}
const admin = await administrator();

async function pages(path, member) {
  const found = [];
  for (let next = ''; next !== undefined; ) {
    const page = await send('GET', `${registrar}${path}?limit=200${next && `&after=${encodeURIComponent(next)}`}`, null, admin.token);
    assert.equal(page.status, 200, JSON.stringify(page.body));
    found.push(...page.body[member]);
    next = page.body.next;
  }
  return found;
}

const stored = (file) => JSON.parse(readFileSync(join(clients, file), 'utf8'));

// Returns the clients of both sides: identifiers with names.
async function sides() {
  const here = await pages('/admin/v1/clients', 'clients');
  const ours = here.filter(({ client_id }) => client_id !== admin.client_id);
  const files = readdirSync(clients).filter((file) => file.endsWith('.json'));
  const theirs = files.map(stored);
  const pairs = (list) => list.map(({ client_id, client_name }) => `${client_id} ${client_name}`).sort();
  return [pairs(ours), pairs(theirs)];
}

// One client through its whole life.
const registered = await send('POST', `${registrar}/register`, request);
assert.equal(registered.status, 201, JSON.stringify(registered.body));
const client = registered.body;
assert.equal(stored(`${client.client_id}.json`).client_secret, client.client_secret);
assert.ok(client.registration_client_uri.startsWith(registrar));
for (const name of ['One', 'Two', 'Three']) {
  const update = await manage(client, 'PUT', { ...request, client_id: client.client_id, client_name: name });
  assert.equal(update.status, 200, JSON.stringify(update.body));
  assert.equal(stored(`${client.client_id}.json`).client_name, name);
  const read = await manage(client, 'GET');
  assert.deepEqual([read.status, read.body.client_name], [200, name]);
}
console.log('registered, and read and updated three times with tokens that rotate');

const metadata = await (await fetch(`${provider}/.well-known/openid-configuration`)).json();
const verifier = random();
const back = await authorized(metadata, { client_id: client.client_id, redirect_uri: callback }, verifier);
assert.ok(back.get?.('code'), JSON.stringify(back));
const basic = Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64');
const proof = { headers: { authorization: `Basic ${basic}` } };
const tokens = await redeemed(metadata, { code: back.get('code'), redirect_uri: callback }, verifier, proof);
assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
console.log('a code and tokens for the client');

const refused = await send('POST', `${registrar}/register`, { ...request, id_token_signed_response_alg: 'ES512' });
assert.equal(refused.status, 400, JSON.stringify(refused.body));
assert.match(refused.body.error_description, /authorization server rejected the client/);
console.log(`a rejection: ${refused.body.error_description}`);

assert.equal((await manage(client, 'DELETE')).status, 204);
assert.deepEqual(await sides(), [[], []]);
console.log('deleted on both sides');

// 200 registrations, most with an update, every third with a deletion; the provider is killed in the middle.
const COUNT = 200;
const statuses = {};
let begun = 0;
const count = ({ status }, what) => {
  const key = `${what} ${status}`;
  statuses[key] = (statuses[key] ?? 0) + 1;
  assert.ok([200, 201, 204, 409, 503].includes(status), key);
};
async function live(at) {
  let answer;
  // A client that is told to retry does so.
  for (let tries = 0; tries < 100 && answer?.status !== 201; tries += 1) {
    if (tries > 0) await wait(200);
    answer = await send('POST', `${registrar}/register`, { ...request, client_name: `Client ${at}` });
    count(answer, 'POST');
  }
  assert.equal(answer.status, 201);
  const { client_id } = answer.body;
  const update = { ...request, client_id, client_name: `Client ${at} again` };
  count(await manage(answer.body, 'PUT', update), 'PUT');
  if (at % 3 === 0) count(await manage(answer.body, 'DELETE'), 'DELETE');
}
async function worker() {
  while (begun < COUNT) {
    begun += 1;
    await live(begun);
  }
}
const workers = Array.from({ length: 8 }, worker);
while (begun < COUNT / 2) await wait(1);
await killed(child);
await wait(300);
child = await started();
await Promise.all(workers);
console.log(`the provider was killed: ${JSON.stringify(statuses)}`);

// What can be finished without a person is finished soon after the provider is back.
const unfinished = () => pages('/admin/v1/upstream-calls', 'calls');
let calls = await unfinished();
for (let at = 0; at < 300 && calls.some(({ aim }) => aim !== 'unknown'); at += 1) {
  await wait(200);
  calls = await unfinished();
}
assert.deepEqual(calls.filter(({ aim }) => aim !== 'unknown'), []);

// The rest is what an operator does: a client that nobody knows here, and that an unknown outcome explains, is deleted there.
const [ours, theirs] = await sides();
const strangers = theirs.filter((pair) => !ours.includes(pair));
const sent = new Set(calls.map(({ metadata: { client_name } }) => client_name));
for (const pair of strangers) {
  const [id, ...name] = pair.split(' ');
  assert.ok(sent.has(name.join(' ')), `nobody reported ${pair}`);
  rmSync(join(clients, `${id}.json`));
}
for (const { id } of calls) {
  const settled = await send('POST', `${registrar}/admin/v1/upstream-calls/${encodeURIComponent(id)}/settle`, null, admin.token);
  assert.equal(settled.status, 204);
}
assert.deepEqual(await unfinished(), []);
const [left, right] = await sides();
assert.deepEqual(left, right);
assert.ok(left.length > COUNT / 2);
console.log(`${calls.length} unknown outcomes, ${strangers.length} of them had a client; now both sides have the same ${left.length} clients`);
await killed(child);
