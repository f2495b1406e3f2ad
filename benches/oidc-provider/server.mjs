// oidc-provider as a registration server: node server.mjs [FILE]
//
// Without FILE clients are in memory, in the adapter that comes with the package; with it they are in
// SQLite. It tells its address on standard output.

import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';

import { sqlite } from './sqlite.mjs';

const file = process.argv[2];

// The issuer stands in no answer of registration: its addresses come from the request.
const provider = new Provider('http://127.0.0.1', {
  adapter: file ? sqlite(file) : (model) => new MemoryAdapter(model),
  scopes: ['openid', 'offline_access', 'profile', 'email'],
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
  },
  cookies: { keys: ['nobody logs in here'] },
});
provider.on('server_error', (_, error) => console.error(error));

const server = createServer(provider.callback());
// A request of one connection must not find it closed between two loads.
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(`oidc-provider listens on http://127.0.0.1:${server.address().port}`));
