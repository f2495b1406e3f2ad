// The SDK of MCP is a client whose document one registrar publishes, at an authorization server that asks another
// registrar for its clients. It runs in the folder of examples/oidc-provider.

import assert from 'node:assert/strict';

import { auth } from '@modelcontextprotocol/sdk/client/auth.js';

import { browse } from './client.mjs';

const answer = await fetch(`${process.env.HOST_URL}/register`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    client_name: 'Published elsewhere',
    redirect_uris: ['http://127.0.0.1/callback'],
    token_endpoint_auth_method: 'none',
    client_document: true,
  }),
});
const registered = await answer.json();
assert.equal(answer.status, 201, JSON.stringify(registered));
const url = registered.client_document_uri;

const kept = {};
const callback = 'http://127.0.0.1:49155/callback';
const program = {
  clientMetadataUrl: url,
  redirectUrl: callback,
  clientMetadata: { client_name: 'Published elsewhere', redirect_uris: [callback], scope: 'openid' },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  redirectToAuthorization: async (page) => { kept.back = await browse(page.href, callback); },
};
const serverUrl = process.env.REGISTRAR_URL;
assert.equal(await auth(program, { serverUrl }), 'REDIRECT');
assert.equal(kept.client.client_id, url);
const code = kept.back.get?.('code');
assert.ok(code, JSON.stringify(kept.back));
assert.equal(await auth(program, { serverUrl, authorizationCode: code }), 'AUTHORIZED');
assert.ok(kept.tokens.access_token);
console.log('the SDK of MCP: an access token for the published document', url);
