// An authorization server that registers clients itself, with its own identifiers: oidc-provider as it comes, with clients
// in files, so that it can be killed. FOLDER has them, TOKEN is the initial access token that it requires.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Provider } from 'oidc-provider';
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';

const { FOLDER: folder, FRONT_PORT: port, FRONT_TOKEN: token } = process.env;

class Files {
  constructor(model) {
    this.folder = join(folder, model);
    mkdirSync(this.folder, { recursive: true });
  }

  file(id) {
    return join(this.folder, `${encodeURIComponent(id)}.json`);
  }

  async upsert(id, payload) {
    const file = this.file(id);
    writeFileSync(`${file}.new`, JSON.stringify(payload));
    renameSync(`${file}.new`, file);
  }

  async find(id) {
    try {
      return JSON.parse(readFileSync(this.file(id), 'utf8'));
    } catch {
      return undefined;
    }
  }

  async destroy(id) {
    rmSync(this.file(id), { force: true });
  }
}

const kept = ['Client', 'RegistrationAccessToken'];
const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: (model) => (kept.includes(model) ? new Files(model) : new MemoryAdapter(model)),
  claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
  scopes: ['openid', 'offline_access', 'profile', 'email', 'address', 'phone'],
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    registration: { enabled: true, initialAccessToken: token },
    registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
  },
  cookies: { keys: ['for this test only'] },
});
provider.on('server_error', (_, error) => console.error(error));
provider.listen(Number(port), '127.0.0.1', () => console.log(`listening on ${provider.issuer}`));
