// Discovery and registration with openid-client, then management of the client by RFC 7592.
// The library has no function for RFC 7592; its fetchProtectedResource sends the token.
//
//   npm install openid-client && node openid-client.mjs

import * as client from 'openid-client';

const server = new URL(process.env.REGISTRAR_URL ?? 'http://127.0.0.1:8080');

// Use `allowInsecureRequests` only for a server without TLS on the same machine.
const config = await client.dynamicClientRegistration(
  server,
  { client_name: 'Example', redirect_uris: ['https://client.example.org/callback'] },
  undefined,
  { execute: [client.allowInsecureRequests] },
);
const registered = config.clientMetadata();
console.log('registered', registered.client_id);

const url = new URL(registered.registration_client_uri);
const token = registered.registration_access_token;
const headers = new Headers({ 'content-type': 'application/json' });
const manage = (method, body) => client.fetchProtectedResource(config, token, url, method, body, headers);

const read = await manage('GET');
console.log('read', read.status, (await read.json()).client_name);

// An update replaces the client, so it sends everything that was registered, without the four members
// that only the server sets (RFC 7592 section 2.2).
const {
  registration_access_token, registration_client_uri, client_secret_expires_at, client_id_issued_at,
  ...metadata
} = registered;
const updated = await manage('PUT', JSON.stringify({ ...metadata, client_name: 'Other name' }));
console.log('updated', updated.status, (await updated.json()).client_name);

const deleted = await manage('DELETE');
console.log('deleted', deleted.status);
