// Documents that a registrar publishes pass the checks of unchanged libraries that read such documents: the OAuth
// types of atproto, and the OAuth provider of Cloudflare Workers, which also fetches them.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { register } from 'node:module';

import { oauthClientIdDiscoverableSchema, oauthClientMetadataSchema } from '@atproto/oauth-types';

const registrar = process.env.HOST_URL;

// Outside of Workers their runtime module does not exist, and fetch is as strict as Node's.
const stub = 'data:text/javascript,export class WorkerEntrypoint {}';
const hook = `export const resolve = (name, context, next) =>
  name === 'cloudflare:workers' ? { url: ${JSON.stringify(stub)}, shortCircuit: true } : next(name, context);`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
globalThis.Cloudflare = { compatibilityFlags: { global_fetch_strictly_public: true } };
const { getOAuthApi } = await import('@cloudflare/workers-oauth-provider');

async function publish(members) {
  const answer = await fetch(`${registrar}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_document: true, ...members }),
  });
  const client = await answer.json();
  assert.equal(answer.status, 201, JSON.stringify(client));
  const document = await (await fetch(client.client_document_uri)).json();
  return { url: client.client_document_uri, document };
}

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' };
const published = [
  await publish({
    client_name: 'Public',
    redirect_uris: ['http://127.0.0.1/callback'],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    dpop_bound_access_tokens: true,
  }),
  await publish({
    client_name: 'With a key',
    redirect_uris: ['https://client.example.org/callback'],
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    dpop_bound_access_tokens: true,
    jwks: { keys: [key] },
  }),
];

for (const { url, document } of published) {
  const read = oauthClientMetadataSchema.parse(document);
  assert.deepEqual([read.client_id, read.redirect_uris], [url, document.redirect_uris]);
  console.log('atproto accepts the metadata of', document.client_name);
}
const shaped = oauthClientIdDiscoverableSchema.safeParse('https://clients.example.org/0b7c1c52-3c0e-4a5c-8d8b-2d2b2a6d9a11');
assert.ok(shaped.success);
console.log('atproto accepts the form of the URL');

const api = getOAuthApi(
  {
    apiRoute: '/api',
    apiHandler: { fetch: () => new Response() },
    defaultHandler: { fetch: () => new Response() },
    authorizeEndpoint: '/authorize',
    tokenEndpoint: '/token',
    resourceMetadata: { resource: 'https://api.example.org/' },
    clientIdMetadataDocumentEnabled: true,
  },
  { OAUTH_KV: { get: async () => null } },
);
for (const { url, document } of published) {
  const client = await api.lookupClient(url);
  assert.deepEqual([client?.clientId, client?.redirectUris], [url, document.redirect_uris]);
  assert.equal(client.tokenEndpointAuthMethod, document.token_endpoint_auth_method);
  console.log('workers-oauth-provider reads the document of', document.client_name);
}
