// An unchanged oidc-provider, with its own support for Client ID Metadata Documents, knows clients by the documents
// that a registrar publishes: a public client with a loopback redirect URI, and one with private_key_jwt. A withdrawn
// document ends its client. Node trusts the CA of the registrar (NODE_EXTRA_CA_CERTS).

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';

import { Provider } from 'oidc-provider';

import { asserted, authorize, random, whole } from './flow.mjs';

const registrar = process.env.HOST_URL;
const documents = process.env.DOCUMENTS_URL;
const port = Number(process.env.CONSUMER_PORT);
const issuer = `http://127.0.0.1:${port}`;

const fetched = [];
const provider = new Provider(issuer, {
  features: { clientIdMetadataDocument: { enabled: true, ack: 'draft-02', cacheDuration: { min: 0, max: 0 } } },
  // The dispatcher of the provider rejects addresses of this machine.
  fetch: (url, { dispatcher, ...options }) => {
    fetched.push(String(url));
    return fetch(url, options);
  },
  scopes: ['openid', 'offline_access', 'profile', 'email', 'address', 'phone'],
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  cookies: { keys: [random()] },
});
provider.on('server_error', (_, error) => console.error(error));
const server = provider.listen(port, '127.0.0.1');

async function register(members) {
  const body = { client_name: 'Example', client_document: true, ...members };
  const answer = await fetch(`${registrar}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const client = await answer.json();
  assert.equal(answer.status, 201, JSON.stringify(client));
  assert.equal(client.client_document_uri, `${documents}/${client.client_id}`);
  return client;
}

const open = await register({ redirect_uris: ['http://127.0.0.1/callback'], token_endpoint_auth_method: 'none' });
const url = open.client_document_uri;
const callback = 'http://127.0.0.1:53682/callback';
await whole(issuer, url, callback, { client_id: url });
assert.ok(fetched.includes(url), 'the provider read the document');
console.log('a public client with any loopback port: a code and tokens for', url);

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' };
const https = 'https://client.example.org/callback';
const keyed = await register({
  redirect_uris: [https],
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'ES256',
  jwks: { keys: [key] },
});
await whole(issuer, keyed.client_document_uri, https, asserted(issuer, keyed.client_document_uri, privateKey));
console.log('private_key_jwt: a code and tokens for', keyed.client_document_uri);

const gone = await fetch(open.registration_client_uri, {
  method: 'DELETE',
  headers: { authorization: `Bearer ${open.registration_access_token}` },
});
assert.equal(gone.status, 204);
const refused = await authorize(issuer, url, callback, random());
assert.equal(refused.status, 400);
assert.match(refused.page, /invalid_client/);
console.log('a deleted client has no document, and the provider rejects it');

server.closeAllConnections();
server.close();
