// A command-line app with Inrupt's library for Node, up to the point where the browser would open.

import assert from 'node:assert/strict';

import { Session } from '@inrupt/solid-client-authn-node';

import { expectStored, registrar } from './stored.mjs';

const redirectUrl = 'http://localhost:3001/redirect';
const url = await new Promise((handleRedirect, failed) => {
  new Session({ keepAlive: false })
    .login({ oidcIssuer: registrar, redirectUrl, clientName: 'Solid App', handleRedirect })
    .catch(failed);
});
const { searchParams } = new URL(url);
assert.equal(searchParams.get('redirect_uri'), redirectUrl);
assert.match(searchParams.get('scope'), /webid/);
await expectStored('@inrupt/solid-client-authn-node', searchParams.get('client_id'), {
  client_name: 'Solid App',
  redirect_uris: [redirectUrl],
  token_endpoint_auth_method: 'client_secret_basic',
  id_token_signed_response_alg: 'ES256',
  grant_types: ['authorization_code', 'refresh_token'],
});
process.exit();
