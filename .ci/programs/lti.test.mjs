// ltijs: a tool that an administrator adds to a platform by its registration URL.

import assert from 'node:assert/strict';

import { Provider } from 'ltijs';

import { expectStored, registrar } from './stored.mjs';

// An in-memory database for ltijs.
const rows = [];
const matches = (row, query) => Object.entries(query ?? {}).every(([name, value]) => row[name] === value);
const plugin = {
  setup: async () => true,
  Close: async () => true,
  Get: async (_secret, collection, query) => {
    const found = rows.filter((row) => row.collection === collection && matches(row.item, query)).map((row) => row.item);
    return found.length ? found : false;
  },
  Insert: async (_secret, collection, item, index) => rows.push({ collection, item: { ...item, ...index } }) > 0,
  Replace: async (_secret, collection, query, item, index) => plugin.Insert(null, collection, { ...item, ...query }, index),
  Modify: async () => true,
  Delete: async () => true,
};

const tool = 'https://tool.example.org';
Provider.setup('a-key-for-tests', { plugin }, {
  appRoute: '/lti',
  loginRoute: '/lti/login',
  keysetRoute: '/lti/keys',
  dynReg: { url: tool, name: 'Simulation games', description: 'A tool', autoActivate: true },
});
await Provider.deploy({ serverless: true, silent: true });

// Options as in an application for Canvas: a scope over several lines.
const services = 'https://purl.imsglobal.org/spec';
const scope = `${services}/lti-ags/scope/score
  ${services}/lti-nrps/scope/contextmembership.readonly`;
const page = await Provider.DynamicRegistration.register(`${registrar}/.well-known/openid-configuration`, undefined, { scope });
assert.match(page, /org\.imsglobal\.lti\.close/);

const platform = rows.find((row) => row.collection === 'platform').item;
assert.equal(platform.platformUrl, registrar);
await expectStored('ltijs', platform.clientId, {
  client_name: 'Simulation games',
  redirect_uris: [`${tool}/lti`],
  initiate_login_uri: `${tool}/lti/login`,
  jwks_uri: `${tool}/lti/keys`,
  response_types: ['id_token'],
  token_endpoint_auth_method: 'private_key_jwt',
  scope: scope.split(/\s+/).join(' '),
});
process.exit();
