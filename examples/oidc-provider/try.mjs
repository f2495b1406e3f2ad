// Acts as a client without a browser: finds both servers in the registrar's metadata, registers at the
// registrar, and gets a code and tokens from the provider. Exits with 0 if everything succeeded.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { Admin } from './admin.mjs';
import { assertion, authorized, discovered, random, redeemed } from './client.mjs';

const registrar = process.env.REGISTRAR_URL ?? 'http://127.0.0.1:8080';
const credentials = process.env.REGISTRAR_CREDENTIALS ?? '../../data/admin-credentials.json';
const callback = 'https://client.example.org/callback';

const metadata = await discovered(registrar);
assert.equal(metadata.registration_endpoint, `${registrar}/register`);
assert.notEqual(new URL(metadata.token_endpoint).origin, registrar);
console.log('discovered', metadata.registration_endpoint, 'and', metadata.token_endpoint);

async function register(members) {
  const body = { redirect_uris: [callback], client_name: 'Example', scope: 'openid profile', ...members };
  const answer = await fetch(metadata.registration_endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const client = await answer.json();
  assert.equal(answer.status, 201, JSON.stringify(client));
  return client;
}

const authorize = (client, verifier) => authorized(metadata, { client_id: client.client_id, redirect_uri: callback }, verifier);
const redeem = (_, code, verifier, proof) => redeemed(metadata, { code, redirect_uri: callback }, verifier, proof);

const basic = (client, secret) => ({
  headers: { authorization: `Basic ${Buffer.from(`${client.client_id}:${secret}`).toString('base64')}` },
});

async function whole(name, client, proof) {
  const verifier = random();
  const back = await authorize(client, verifier);
  assert.equal(back.get?.('state'), 'a-state', JSON.stringify(back));
  const { status, body } = await redeem(client, back.get('code'), verifier, proof(client));
  assert.equal(status, 200, JSON.stringify(body));
  const claims = JSON.parse(Buffer.from(body.id_token.split('.')[1], 'base64url'));
  assert.deepEqual([claims.sub, claims.aud], ['alice', client.client_id]);
  assert.ok(body.access_token);
  console.log(`${name}: a code, an access token and an ID token for ${claims.sub}`);
}

const open = await register({ token_endpoint_auth_method: 'none' });
await whole('public client', open, (client) => ({ client_id: client.client_id }));

for (const method of ['client_secret_basic', 'client_secret_post']) {
  const client = await register({ token_endpoint_auth_method: method });
  const form = ({ client_id, client_secret }) => ({ client_id, client_secret });
  await whole(method, client, method.endsWith('post') ? form : (it) => basic(it, it.client_secret));
  if (method.endsWith('basic')) {
    const verifier = random();
    const back = await authorize(client, verifier);
    const wrong = await redeem(client, back.get('code'), verifier, basic(client, random()));
    assert.deepEqual([wrong.status, wrong.body.error], [401, 'invalid_client']);
    console.log('a wrong secret is rejected');
  }
}

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' };
const keyed = await register({ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [key] } });
await whole('private_key_jwt', keyed, ({ client_id }) => assertion(metadata, client_id, privateKey));

// The client sent no secret to the registrar, which knows of its use from the report of the provider.
const admin = new Admin(registrar, JSON.parse(readFileSync(credentials, 'utf8')));
const deadline = Date.now() + 90_000;
while ((await admin.client(keyed.client_id)).last_used_at === undefined) {
  assert.ok(Date.now() < deadline, 'the use was not reported to the registrar');
  await new Promise((done) => setTimeout(done, 200));
}
console.log('the registrar knows the last use of the client');

const gone = await fetch(open.registration_client_uri, {
  method: 'DELETE',
  headers: { authorization: `Bearer ${open.registration_access_token}` },
});
assert.equal(gone.status, 204);
// The provider keeps the client until the event of its deletion arrives, which takes milliseconds if the machine is idle.
const limit = Date.now() + 30_000;
let refused = await authorize(open, random());
while (refused.status !== 400 && Date.now() < limit) refused = await authorize(open, random());
assert.equal(refused.status, 400);
assert.match(refused.page, /invalid_client/);
console.log('a deleted client is rejected at once:', open.client_id);
