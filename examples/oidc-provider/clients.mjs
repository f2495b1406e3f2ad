// The adapter through which oidc-provider reads clients from the registrar.

import { randomBytes } from 'node:crypto';

import { Provider, errors } from 'oidc-provider';

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

  // Follows the events for ever, and passes each of them to `changed`. Nothing is kept while the registrar is
  // unreachable, or when events are missing; then `missed` is called.
  async follow({ changed = () => {}, missed = () => {} } = {}) {
    let next;
    for (;;) {
      try {
        const page = await this.#admin.events(next, this.#isFollowing ? WAIT : 0);
        this.#isFollowing = true;
        for (const event of page.events) {
          this.#known.delete(event.client_id);
          changed(event);
        }
        next = page.next;
      } catch (error) {
        this.#isFollowing = false;
        this.#known.clear();
        console.error(error.message);
        if (error.isGone) {
          next = undefined;
          missed();
        }
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

// Whether a client has a document instead of a registration (Client ID Metadata Document).
export const hasDocument = (id) => id.startsWith('https://');

// Clients with a document, each kept for as long as the registrar allows, which is a minute at most.
export class DocumentCache {
  #admin;
  #known = new Map();
  #revisions = new Map();

  constructor(admin) {
    this.#admin = admin;
  }

  // Returns the client with this URL, or undefined if there is none. A code is redeemed by the version of the client
  // that it was issued to, even if the document has changed since.
  async client(id) {
    const { ip: address, oidc } = Provider.ctx ?? {};
    const revision = this.#revisions.get(oidc?.body?.code);
    const kept = this.#known.get(id);
    if (kept && kept.until > Date.now() && (revision === undefined || kept.revision === revision)) return kept.client;
    // All requests that arrive meanwhile wait for the same answer.
    const reading = this.#read(id, { address, revision });
    if (revision !== undefined) return reading;
    const mark = { until: Infinity, client: reading };
    this.#keep(id, mark);
    try {
      return await reading;
    } catch (error) {
      if (this.#known.get(id) === mark) this.#known.delete(id);
      throw error;
    }
  }

  // Notes which version of its client a code was issued to.
  issued({ jti, clientId, exp }) {
    const revision = this.#known.get(clientId)?.revision;
    if (revision === undefined) return;
    this.#revisions.set(jti, revision);
    setTimeout(() => this.#revisions.delete(jti), exp * 1000 - Date.now()).unref();
  }

  async #read(id, question) {
    let answer;
    try {
      answer = await this.#admin.resolve(id, question);
    } catch (error) {
      console.error(error.message);
      throw error.isLater ? new errors.TemporarilyUnavailable('the document of the client is not available') : error;
    }
    const { client, reason, seconds } = answer;
    if (reason) console.error(`rejected the client ${id}: ${reason}`);
    if (question.revision === undefined) {
      this.#keep(id, { until: Date.now() + seconds * 1000, client, revision: client?.revision });
    }
    return client;
  }

  #keep(id, answer) {
    if (this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value);
    this.#known.set(id, answer);
  }
}

// For `adapter` of the provider. `others` creates the adapters of all other models.
export function clientsOf(cache, documents, others) {
  return (model) => (model === 'Client' ? new RegisteredClients(cache, documents) : others(model));
}

class RegisteredClients {
  #cache;
  #documents;

  constructor(cache, documents) {
    this.#cache = cache;
    this.#documents = documents;
  }

  async find(id) {
    const found = await (hasDocument(id) ? this.#documents : this.#cache).client(id);
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
