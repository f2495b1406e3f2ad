// An authorization server whose clients register at a registrar:
//
//   npm install && node server.mjs
//
// It accepts any login.

import { readFileSync } from 'node:fs';

import { Provider } from 'oidc-provider';
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';

import { Admin } from './admin.mjs';
import { ClientCache, DocumentCache, askForSecrets, clientsOf } from './clients.mjs';
import { Ended } from './ended.mjs';
import { interactions } from './interactions.mjs';

const registrar = process.env.REGISTRAR_URL ?? 'http://127.0.0.1:8080';
const credentials = process.env.REGISTRAR_CREDENTIALS ?? '../../data/admin-credentials.json';
const port = Number(process.env.PORT ?? 3000);

const admin = new Admin(registrar, JSON.parse(readFileSync(credentials, 'utf8')));

const ended = process.env.END_GRANTS === 'true' ? new Ended() : undefined;
const cache = new ClientCache(admin);
cache.follow(ended && { changed: (event) => ended.changed(event), missed: () => ended.missed() });
const documents = new DocumentCache(admin);
const stored = (model) => new MemoryAdapter(model);

const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: clientsOf(cache, documents, ended?.wrapped(stored) ?? stored),
  claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
  scopes: ['openid', 'offline_access', 'profile', 'email', 'address', 'phone'],
  pkce: { required: (_, client) => client.clientAuthMethod === 'none' },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: `User ${id}` }) }),
  // The feature clientIdMetadataDocument of the provider stays off. It would fetch a document itself when the registrar
  // does not know a URL, and let in what the registrar denies.
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, { uid }) => `/interaction/${uid}` },
  cookies: { keys: [process.env.COOKIE_KEY ?? 'for this example only'] },
});
askForSecrets(provider, admin);
provider.use(interactions(provider, documents));
provider.on('authorization_code.saved', (code) => documents.issued(code));

// The registrar sees no token of this server, so the server reports the last use of each client to it
// in batches.
const used = new Map();
provider.on('grant.success', ({ oidc }) => used.set(oidc.client.clientId, Math.floor(Date.now() / 1000)));
setInterval(async () => {
  const uses = [...used].slice(0, 1000);
  if (uses.length === 0) return;
  uses.forEach(([id]) => used.delete(id));
  try {
    await admin.used(uses);
  } catch (error) {
    console.error(error.message);
    uses.forEach(([id, at]) => used.has(id) || used.set(id, at));
  }
}, Number(process.env.TELL_EVERY_MS ?? 60_000)).unref();

provider.on('server_error', (_, error) => console.error(error));

provider.listen(port, '127.0.0.1', () => console.log(`listening on ${provider.issuer}`));
