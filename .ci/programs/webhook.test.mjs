// A receiver of webhooks that verifies every delivery with the library of the Standard Webhooks specification.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { Webhook } from 'standardwebhooks';

const registrar = process.env.REGISTRAR_URL;
const file = process.env.WEBHOOK_SECRETS;
const first = readFileSync(file, 'utf8').trim();

const deliveries = [];
let delivered = () => {};
const receiver = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  deliveries.push({ headers: request.headers, body: Buffer.concat(parts).toString() });
  response.writeHead(204).end();
  delivered();
});
await new Promise((listening) => receiver.listen(Number(process.env.WEBHOOK_PORT), '127.0.0.1', listening));

// Waits for the delivery number `count`, and returns its body after `secret` has verified it.
async function verified(count, secret) {
  while (deliveries.length < count) await new Promise((next) => { delivered = next; });
  const { headers, body } = deliveries[count - 1];
  const webhook = new Webhook(secret);
  assert.throws(() => webhook.verify(body.replace('client.', 'clients.'), headers), /signature/i);
  return webhook.verify(body, headers);
}

async function ask(method, url, token, body) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${url}: ${answer.status}`);
  return answer.status === 204 ? undefined : answer.json();
}

const metadata = { client_name: 'A client', redirect_uris: ['https://client.example.org/cb'] };
const client = await ask('POST', `${registrar}/register`, undefined, metadata);
const created = await verified(1, first);
assert.equal(created.type, 'client.created');
assert.ok(Math.abs(Date.parse(created.timestamp) - Date.now()) < 60_000);
assert.equal(created.data.client_id, client.client_id);
assert.equal(created.data.client.client_name, 'A client');
assert.ok(!deliveries[0].body.includes(client.client_secret), 'an event must not contain a secret');

// While a secret is replaced, a receiver can verify with either of them.
const second = `whsec_${randomBytes(32).toString('base64')}`;
writeFileSync(file, `${second}\n${first}\n`);
const { client_id } = client;
const token = client.registration_access_token;
await ask('PUT', client.registration_client_uri, token, { ...metadata, client_id, client_name: 'Another name' });
for (const secret of [first, second]) {
  const updated = await verified(2, secret);
  assert.equal(updated.type, 'client.updated');
  assert.deepEqual(updated.data.changed, ['client_name']);
}

writeFileSync(file, `${second}\n`);
await ask('DELETE', client.registration_client_uri, token);
assert.equal((await verified(3, second)).type, 'client.deleted');
await assert.rejects(verified(3, first), /signature/i);

console.log(`standardwebhooks has verified ${deliveries.length} deliveries`);
receiver.close();
