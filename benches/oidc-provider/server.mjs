// oidc-provider as a registration server: node server.mjs [FILE]
//
// Without FILE, clients are in memory, in the adapter of the package. With FILE, they are in SQLite.
// Prints its address on standard output.

import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';

import { sqlite } from './sqlite.mjs';

const file = process.argv[2];

// The issuer is not in any registration response: its URLs are derived from the request.
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
// Connections must stay open between two loads.
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(`oidc-provider listens on http://127.0.0.1:${server.address().port}`));
