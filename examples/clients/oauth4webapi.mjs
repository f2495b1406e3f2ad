// Discovery and registration with oauth4webapi, and how it reports an error.
//
//   npm install oauth4webapi && node oauth4webapi.mjs

import * as oauth from 'oauth4webapi';

const issuer = new URL(process.env.REGISTRAR_URL ?? 'http://127.0.0.1:8080');

// Use `allowInsecureRequests` only for a server without TLS on the same machine.
const options = { [oauth.allowInsecureRequests]: true };
const server = await oauth
  .discoveryRequest(issuer, { algorithm: 'oauth2', ...options })
  .then((response) => oauth.processDiscoveryResponse(issuer, response));

const register = (metadata) =>
  oauth
    .dynamicClientRegistrationRequest(server, metadata, options)
    .then((response) => oauth.processDynamicClientRegistrationResponse(response));

const registered = await register({
  client_name: 'Example',
  redirect_uris: ['https://client.example.org/callback'],
  token_endpoint_auth_method: 'client_secret_post',
});
console.log('registered', registered.client_id);

try {
  await register({ redirect_uris: ['http://client.example.org/callback'] });
} catch (error) {
  console.log('rejected', error.status, error.error, '-', error.error_description);
}

const url = new URL(registered.registration_client_uri);
const manage = (method, body) =>
  oauth.protectedResourceRequest(
    registered.registration_access_token,
    method,
    url,
    new Headers({ 'content-type': 'application/json' }),
    body,
    options,
  );

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
