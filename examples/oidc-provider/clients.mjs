// The adapter through which oidc-provider reads clients from the registrar.

import { randomBytes } from 'node:crypto';

// The metadata contains the public keys and settings of a client but not its secret. The provider gets
// an unknown secret instead, and `askForSecrets` has the registrar check the real one.
const UNKNOWN_SECRET = randomBytes(32).toString('base64url');

// The number of clients that are kept.
const MOST = 10_000;
// How long one call waits for an event, in seconds.
const WAIT = 30;

// Clients that were read, each kept until an event says that it has changed.
export class ClientCache {
  #admin;
  #known = new Map();
  #isFollowing = false;

  constructor(admin) {
    this.#admin = admin;
  }

  // Returns the client with this identifier, or undefined if it does not exist.
  async client(id) {
    const known = this.#known.get(id);
    if (known) return known;
    console.log(`reading the client ${id}`);
    const reading = this.#admin.client(id);
    // The promise is kept before it is settled: if the client changes meanwhile, the event removes it.
    if (this.#isFollowing) this.#keep(id, reading);
    try {
      const found = await reading;
      if (!found) this.#forget(id, reading);
      return found;
    } catch (error) {
      this.#forget(id, reading);
      throw error;
    }
  }

  // Follows the events for ever. Nothing is kept while the registrar is unreachable, or when events are missing.
  async follow() {
    for (;;) {
      try {
        let { next } = await this.#admin.events();
        this.#isFollowing = true;
        for (;;) {
          const page = await this.#admin.events(next, WAIT);
          page.events.forEach(({ client_id }) => this.#known.delete(client_id));
          next = page.next;
        }
      } catch (error) {
        this.#isFollowing = false;
        this.#known.clear();
        console.error(error.message);
        await new Promise((done) => setTimeout(done, 1000));
      }
    }
  }

  #keep(id, reading) {
    if (this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value);
    this.#known.set(id, reading);
  }

  #forget(id, reading) {
    if (this.#known.get(id) === reading) this.#known.delete(id);
  }
}

// For `adapter` of the provider. `others` creates the adapters of all other models.
export function clientsOf(cache, others) {
  return (model) => (model === 'Client' ? new RegisteredClients(cache) : others(model));
}

class RegisteredClients {
  #cache;

  constructor(cache) {
    this.#cache = cache;
  }

  async find(id) {
    const found = await this.#cache.client(id);
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
