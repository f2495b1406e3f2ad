// Ends what was issued to a client before its document changed: grants, codes, access and refresh tokens.

import { hasDocument } from './clients.mjs';

export class Ended {
  #ends = new Map();
  #everyEnd = -1;

  // For the events of the registrar.
  changed({ client_id: id, type, reason }) {
    if (type !== 'client.updated' || reason !== 'document') return;
    console.log(`the document of ${id} has changed: its grants end`);
    this.#ends.set(id, now());
  }

  // Events are missing: the document of each client can have changed.
  missed() {
    console.log('events are missing: the grants of all clients with a document end');
    this.#everyEnd = now();
    this.#ends.clear();
  }

  // For `adapter` of the provider. `others` creates adapters, which do not find what has ended. The provider accepts
  // nothing whose grant is not found, so a token that is issued for an old grant meanwhile is useless.
  wrapped(others) {
    return (model) => {
      const adapter = others(model);
      for (const name of ['find', 'findByUserCode']) {
        const found = adapter[name].bind(adapter);
        adapter[name] = async (key) => {
          const payload = await found(key);
          return payload && this.#isOver(payload) ? undefined : payload;
        };
      }
      return adapter;
    };
  }

  #isOver({ clientId, iat }) {
    return clientId !== undefined && hasDocument(clientId) && iat <= (this.#ends.get(clientId) ?? this.#everyEnd);
  }
}

const now = () => Math.floor(Date.now() / 1000);
