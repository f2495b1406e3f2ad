// The adapter: oidc-provider asks it for clients, and it asks the registrar.

import { randomBytes } from 'node:crypto';

// Public keys and choices of a client are all in the metadata. Its secret is not, so the provider
// gets one that nobody knows, and `askForSecrets` has the real one judged where it is kept.
const UNKNOWN_SECRET = randomBytes(32).toString('base64url');

// For `adapter` of the provider. `others` makes the adapters of all other models.
export function clientsOf(admin, others) {
  return (model) => (model === 'Client' ? new RegisteredClients(admin) : others(model));
}

class RegisteredClients {
  #admin;

  constructor(admin) {
    this.#admin = admin;
  }

  async find(id) {
    const found = await this.#admin.client(id);
    const isOver = found?.expires_at !== undefined && found.expires_at * 1000 <= Date.now();
    if (!found || isOver || found.metadata.disabled) return undefined;
    const client = { ...found.metadata, client_id: id, client_id_issued_at: found.client_id_issued_at };
    return found.has_secret ? { ...client, client_secret: UNKNOWN_SECRET } : client;
  }

  // The registrar alone writes clients.
  async upsert() {
    throw new Error('clients are registered at the registrar');
  }

  async destroy() {
    throw new Error('clients are deleted at the registrar');
  }
}

// Has client secrets compared by the registrar.
export function askForSecrets(provider, admin) {
  provider.Client.prototype.compareClientSecret = function compare(secret) {
    return admin.isSecret(this.clientId, secret, this.clientAuthMethod);
  };
}
