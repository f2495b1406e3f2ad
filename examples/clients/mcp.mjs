// Discovery and registration as in MCP clients, with the functions of the TypeScript SDK.
//
// The SDK needs `authorization_endpoint`, `token_endpoint` and `jwks_uri` in the metadata. They belong
// to the authorization server; set them in `[discovery]` of the registrar.
//
//   npm install @modelcontextprotocol/sdk && node mcp.mjs

import {
  discoverAuthorizationServerMetadata,
  registerClient,
} from '@modelcontextprotocol/sdk/client/auth.js';

const server = process.env.REGISTRAR_URL ?? 'http://127.0.0.1:8080';

const metadata = await discoverAuthorizationServerMetadata(server);
console.log('discovered', metadata.registration_endpoint);

const register = (clientMetadata) => registerClient(server, { metadata, clientMetadata });

// A desktop client is `native`; only native clients may have `http` redirect URIs on loopback.
const registered = await register({
  client_name: 'Example',
  application_type: 'native',
  redirect_uris: ['http://localhost:33418/callback'],
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
});
console.log('registered', registered.client_id, 'without a secret:', registered.client_secret === undefined);

try {
  await register({ redirect_uris: ['http://client.example.org/callback'] });
} catch (error) {
  console.log('rejected', error.name, '-', error.message);
}
