// The adapter through which oidc-provider reads clients from the registrar.

import { randomBytes } from 'node:crypto';

// The metadata contains the public keys and settings of a client but not its secret. The provider gets
// an unknown secret instead, and `askForSecrets` has the registrar check the real one.
const UNKNOWN_SECRET = randomBytes(32).toString('base64url');

// For `adapter` of the provider. `others` creates the adapters of all other models.
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

  // Only the registrar writes clients.
  async upsert() {
    throw new Error('clients must be registered at the registrar');
  }

  async destroy() {
    throw new Error('clients must be deleted at the registrar');
  }
}

// Has the registrar compare client secrets.
export function askForSecrets(provider, admin) {
  provider.Client.prototype.compareClientSecret = function compare(secret) {
    return admin.isSecret(this.clientId, secret, this.clientAuthMethod);
  };
}
