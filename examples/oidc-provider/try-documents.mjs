// Acts as clients with a document instead of a registration: publishes the documents, and gets codes and tokens from the
// provider. The last one is a client of the MCP SDK. Exits with 0 if everything succeeded.
//
// DOCUMENTS is the https URL at which this program publishes them, DOCUMENTS_KEY and DOCUMENTS_CERTIFICATE are files.
// ENDING is a second provider, which runs with END_GRANTS=true.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

import { assertion, authorized, browse, discovered, random, redeemed } from './client.mjs';

const registrar = process.env.REGISTRAR_URL ?? 'http://127.0.0.1:8080';
const credentials = process.env.REGISTRAR_CREDENTIALS ?? '../../data/admin-credentials.json';
const base = process.env.DOCUMENTS ?? 'https://localhost:8443';

const published = new Map();
const fetched = new Map();
const host = createServer(
  { key: readFileSync(process.env.DOCUMENTS_KEY), cert: readFileSync(process.env.DOCUMENTS_CERTIFICATE) },
  (request, response) => {
    fetched.set(request.url, (fetched.get(request.url) ?? 0) + 1);
    const document = published.get(request.url);
    response.writeHead(document ? 200 : 404, { 'content-type': 'application/json', 'cache-control': 'max-age=600' });
    response.end(JSON.stringify(document ?? {}));
  },
);
await new Promise((done) => host.listen(Number(new URL(base).port), done));

// Publishes a document and returns its client.
function publish(path, members) {
  const client = { client_id: `${base}${path}`, client_name: 'Example', ...members };
  published.set(path, client);
  return client;
}

const metadata = await discovered(registrar);
assert.equal(metadata.client_id_metadata_document_supported, true);

async function whole(name, client, redirect_uri, proof, expected) {
  const [verifier, pages] = [random(), []];
  const back = await authorized(metadata, { ...client, redirect_uri }, verifier, pages);
  assert.equal(back.get?.('state'), 'a-state', JSON.stringify(back));
  for (const text of expected) assert.ok(pages.at(-1).includes(text), `"${text}" is not in ${pages.at(-1)}`);
  const { status, body } = await redeemed(metadata, { code: back.get('code'), redirect_uri }, verifier, proof);
  assert.equal(status, 200, JSON.stringify(body));
  const claims = JSON.parse(Buffer.from(body.id_token.split('.')[1], 'base64url'));
  assert.deepEqual([claims.sub, claims.aud], ['alice', client.client_id]);
  console.log(`${name}: a code, an access token and an ID token for ${claims.sub}`);
}

async function rejected(name, client, error) {
  const back = await authorized(metadata, { ...client, redirect_uri: 'https://app.example.org/callback' }, random());
  assert.match(back.page ?? '', new RegExp(error), JSON.stringify(back));
  console.log(`${name} is rejected: ${error}`);
}

// Has the registrar fetch the document now, as an administrator.
async function refreshDocument(client_id) {
  const { client_id: id, client_secret: secret } = JSON.parse(readFileSync(credentials, 'utf8'));
  const pair = `${encodeURIComponent(id)}:${encodeURIComponent(secret)}`;
  const granted = await fetch(`${registrar}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'documents.write' }),
  });
  const { access_token: token, ...rest } = await granted.json();
  assert.equal(granted.status, 200, JSON.stringify(rest));
  const answer = await fetch(`${registrar}/admin/v1/client-documents/refresh`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ client_id }),
  });
  assert.ok(answer.ok, `${answer.status} ${await answer.text()}`);
}

const { host: ownHost } = new URL(base);
const loopback = ['http://localhost/callback', 'http://127.0.0.1/callback'];
const local = publish('/local.json', { redirect_uris: loopback, token_endpoint_auth_method: 'none' });
const localProof = { client_id: local.client_id };
// The document has no port, and the client listens on any.
await whole('a document with loopback redirect URIs', local, 'http://127.0.0.1:49152/callback', localProof, [
  'published by localhost', 'sends you to 127.0.0.1:49152', 'Any program on your device',
]);
await whole('the same document again', local, 'http://localhost:49153/callback', localProof, []);
assert.equal(fetched.get('/local.json'), 1);
console.log('the document was fetched once');

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' };
published.set('/jwks.json', { keys: [key] });
const away = 'https://app.example.org/callback';
const keyed = publish('/keyed.json', {
  redirect_uris: [away, `${base}/callback`],
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
  token_endpoint_auth_signing_alg: 'ES256',
  jwks_uri: `${base}/jwks.json`,
  code_challenge_methods_used: ['S256'],
});
await whole('a document with keys', keyed, away, assertion(metadata, keyed.client_id, privateKey), [
  'app.example.org is not localhost',
]);
{
  const verifier = random();
  const back = await authorized(metadata, { ...keyed, redirect_uri: away }, verifier);
  const code = { code: back.get('code'), redirect_uri: away };
  const { status, body } = await redeemed(metadata, code, verifier, { client_id: keyed.client_id });
  assert.deepEqual([status, body.error], [401, 'invalid_client']);
  console.log('a client with keys does not get tokens without them');
}

await rejected('a URL without a document', { client_id: `${base}/missing.json` }, 'invalid_client');
await rejected('a URL with a query', { client_id: `${base}/local.json?x=1` }, 'invalid_client');
await rejected('a denied URL', publish('/denied/client.json', { redirect_uris: [away] }), 'invalid_client');
await rejected('a document with a secret', publish('/secret.json', {
  redirect_uris: [away], token_endpoint_auth_method: 'client_secret_basic',
}), 'invalid_client');
const other = publish('/other.json', { redirect_uris: [away] });
published.set('/copied.json', other);
await rejected('the document of another URL', { client_id: `${base}/copied.json` }, 'invalid_client');
assert.equal(fetched.get('/denied/client.json'), undefined);
assert.equal(fetched.get('/local.json'), 1);

// The SDK of MCP: it uses its document instead of a registration, because the metadata says that it may.
const { auth } = await import('@modelcontextprotocol/sdk/client/auth.js');
const kept = {};
const callback = 'http://127.0.0.1:49154/callback';
const program = {
  clientMetadataUrl: local.client_id,
  redirectUrl: callback,
  clientMetadata: { client_name: 'Example', redirect_uris: [callback], token_endpoint_auth_method: 'none', scope: 'openid profile' },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  redirectToAuthorization: async (url) => { kept.code = (await browse(url.href, callback)).get('code'); },
};
assert.equal(await auth(program, { serverUrl: registrar }), 'REDIRECT');
assert.equal(kept.client.client_id, local.client_id);
assert.equal(await auth(program, { serverUrl: registrar, authorizationCode: kept.code }), 'AUTHORIZED');
assert.ok(kept.tokens.access_token);
console.log(`the SDK of MCP: an access token for the document at ${ownHost}`);

// A document changes. The first provider goes on; the second one ends what it issued before.
const changing = publish('/changing.json', {
  redirect_uris: [away], token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'],
});
const providers = [new URL(metadata.token_endpoint).origin, process.env.ENDING].map((origin) => ({
  authorization_endpoint: `${origin}/auth`, token_endpoint: `${origin}/token`, userinfo_endpoint: `${origin}/me`,
}));
const scope = 'openid offline_access';
const changingProof = { client_id: changing.client_id };

// Returns a code with its verifier.
async function coded(provider) {
  const verifier = random();
  const asked = { ...changing, redirect_uri: away, scope, prompt: 'consent' };
  const back = await authorized(provider, asked, verifier);
  assert.ok(back.get?.('code'), JSON.stringify(back));
  return [{ code: back.get('code'), redirect_uri: away }, verifier];
}
const redeem = (provider, [code, verifier]) => redeemed(provider, code, verifier, changingProof);
async function statusOf(provider, { access_token }) {
  const headers = { authorization: `Bearer ${access_token}` };
  return (await fetch(provider.userinfo_endpoint, { headers })).status;
}
async function refreshed(provider, { refresh_token }) {
  const form = { grant_type: 'refresh_token', refresh_token, ...changingProof };
  const answer = await fetch(provider.token_endpoint, { method: 'POST', body: new URLSearchParams(form) });
  return [answer.status, (await answer.json()).error];
}

const before = [];
for (const provider of providers) {
  const { status, body } = await redeem(provider, await coded(provider));
  assert.equal(status, 200, JSON.stringify(body));
  assert.ok(body.refresh_token);
  assert.equal(await statusOf(provider, body), 200);
  before.push({ tokens: body, code: await coded(provider) });
}
published.set('/changing.json', { ...changing, redirect_uris: [away, `${base}/more`] });
await refreshDocument(changing.client_id);
const [going, ending] = providers;
// The event takes milliseconds.
const limit = Date.now() + 20_000;
while ((await statusOf(ending, before[1].tokens)) !== 401) {
  assert.ok(Date.now() < limit, 'the access token of a client whose document has changed still works');
  await new Promise((done) => setTimeout(done, 50));
}
const { status, body } = await redeem(ending, before[1].code);
assert.deepEqual([status, body.error], [400, 'invalid_grant']);
assert.deepEqual(await refreshed(ending, before[1].tokens), [400, 'invalid_grant']);
console.log('a changed document ends codes, access tokens and refresh tokens');
assert.equal(await statusOf(going, before[0].tokens), 200);
assert.equal((await redeem(going, before[0].code)).status, 200);
assert.deepEqual(await refreshed(going, before[0].tokens), [200, undefined]);
console.log('without END_GRANTS, they go on');
// What is issued in a later second than that of the change works.
await new Promise((done) => setTimeout(done, 1000));
const again = await redeem(ending, await coded(ending));
assert.equal(again.status, 200, JSON.stringify(again.body));
assert.equal(await statusOf(ending, again.body), 200);
console.log('the user agrees again, and the client gets tokens');

host.close();
host.closeAllConnections();
await rejected('a document whose host is down', { client_id: `${base}/late.json` }, 'temporarily_unavailable');
