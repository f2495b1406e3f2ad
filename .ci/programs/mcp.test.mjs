// Hosts and libraries of MCP, up to the point where the browser would open. By then they have discovered
// the registrar through an MCP server, registered there, and parsed the answer.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';

import { auth as aiSdkAuth } from '@ai-sdk/mcp';
import { auth as sdkAuth } from '@modelcontextprotocol/sdk/client/auth.js';

import { protectedServer } from './resource.mjs';
import { expectStored, registrar } from './stored.mjs';

const resource = await protectedServer(registrar);
const run = promisify(execFile);

// A host with one of the two libraries that keeps everything in memory.
class Host {
  constructor(metadata) {
    this.clientMetadata = metadata;
    this.redirectUrl = metadata.redirect_uris[0];
  }
  state() { return 'a-state'; }
  clientInformation() { return this.client; }
  saveClientInformation(client) { this.client = client; }
  tokens() { return undefined; }
  saveTokens() {}
  redirectToAuthorization(url) { this.url = new URL(url); }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  codeVerifier() { return this.verifier; }
}

const editor = {
  client_name: 'Editor',
  redirect_uris: ['http://127.0.0.1:33418/callback', 'cursor://publisher.editor/callback', 'https://editor.example.org/cb'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
};

for (const [program, auth] of [['@modelcontextprotocol/sdk', sdkAuth], ['@ai-sdk/mcp', aiSdkAuth]]) {
  const host = new Host({ ...editor, client_name: `Editor with ${program}` });
  assert.equal(await auth(host, { serverUrl: resource.url }), 'REDIRECT');
  assert.equal(host.url.searchParams.get('client_id'), host.client.client_id);
  assert.equal(host.client.client_secret, undefined);
  await expectStored(program, host.client.client_id, { ...editor, client_name: `Editor with ${program}`, application_type: 'native' });
  const again = new Host(host.clientMetadata);
  await auth(again, { serverUrl: resource.url });
  assert.equal(again.client.client_id, host.client.client_id, 'a second installation must get the same client');
}

// Starts a program that would open a browser and waits for the URL of its authorization request.
async function authorizationUrl(command, args, environment = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  const url = new Promise((found, failed) => {
    const read = (part) => {
      said += part;
      const match = said.match(/^http:\S+\/authorize\?\S*client_id=\S+(?=\r?\n)/m);
      if (match) found(new URL(match[0]));
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('error', failed);
    child.on('exit', (code) => failed(new Error(`${command} ended with ${code}:\n${said}`)));
    setTimeout(() => failed(new Error(`${command} did not reach the authorization:\n${said}`)), 120_000).unref();
  });
  try {
    return await url;
  } finally {
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
  }
}

const remote = await authorizationUrl('mcp-remote', [resource.url], { HOME: process.cwd(), DISPLAY: '' });
await expectStored('mcp-remote', remote.searchParams.get('client_id'), {
  redirect_uris: [remote.searchParams.get('redirect_uri')],
  token_endpoint_auth_method: 'none',
  application_type: 'native',
});

const fastmcp = await authorizationUrl('python3', ['fastmcp_client.py', resource.url], { HOME: process.cwd() });
await expectStored('fastmcp', fastmcp.searchParams.get('client_id'), {
  redirect_uris: [fastmcp.searchParams.get('redirect_uri')],
  application_type: 'native',
});

// The programs in examples/clients, which fail if a request is rejected that must be accepted.
for (const [program, parts] of [
  ['openid-client', ['registered', 'read 200', 'updated 200 Other name', 'deleted 204']],
  ['oauth4webapi', ['registered', 'rejected 400 invalid_redirect_uri', 'updated 200 Other name', 'deleted 204']],
  ['mcp', ['discovered', 'registered', 'without a secret: true']],
]) {
  const { stdout } = await run('node', [`${program}.mjs`]);
  for (const part of parts) assert.ok(stdout.includes(part), `${program}: no '${part}' in\n${stdout}`);
  console.log(`${program}: ${parts.join(', ')}`);
}
resource.close();
