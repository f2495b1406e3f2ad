// The admin API of a registrar: reads clients, follows their changes, and reports their use.
//
// The access token comes from the registrar's own token endpoint and is cached until shortly before
// it expires. It has only the scopes that are needed.

export class Admin {
  #url;
  #credentials;
  #token;
  #goodUntil = 0;

  constructor(url, { client_id, client_secret }) {
    this.#url = url;
    this.#credentials = Buffer.from(`${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`);
  }

  // Returns the client with this identifier, or undefined if it does not exist or has expired.
  async client(id) {
    const answer = await this.#ask('GET', `/admin/v1/clients/${encodeURIComponent(id)}`);
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw new Error(`the registrar answered ${answer.status} for the client ${id}`);
    return answer.json();
  }

  // Returns the events after this position, with the position for the next call. Waits for the first one for
  // so many seconds. Without a position, returns only the position of the last event.
  async events(after, seconds = 0) {
    const query = after === undefined ? 'limit=1' : `after=${after}&limit=1000&wait=${seconds}`;
    const signal = AbortSignal.timeout((seconds + 10) * 1000);
    const answer = await this.#ask('GET', `/admin/v1/events?${query}`, undefined, signal);
    if (!answer.ok) throw new Error(`the registrar answered ${answer.status} for events`);
    const { events, next, last } = await answer.json();
    return after === undefined ? { events: [], next: last } : { events, next };
  }

  // Reports uses of clients: pairs of a client identifier and a time in seconds.
  async used(uses) {
    const list = uses.map(([client_id, at]) => ({ client_id, at }));
    const answer = await this.#ask('POST', '/admin/v1/clients/used', list);
    if (!answer.ok) throw new Error(`the registrar answered ${answer.status} for uses of clients`);
  }

  // Returns whether `secret` is the secret of a client. Secrets never leave the registrar, so its token
  // endpoint checks it: 401 for a wrong secret; a token for a correct one, or 400 if the client may not
  // get tokens there.
  async isSecret(id, secret, method) {
    const form = { grant_type: 'client_credentials' };
    const headers = {};
    if (method === 'client_secret_post') Object.assign(form, { client_id: id, client_secret: secret });
    else headers.authorization = basic(Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`));
    const answer = await fetch(`${this.#url}/token`, { method: 'POST', headers, body: new URLSearchParams(form) });
    if (answer.ok) return true;
    const { error } = await answer.json();
    if (answer.status === 401 && error === 'invalid_client') return false;
    if (answer.status === 400 && error === 'unauthorized_client') return true;
    throw new Error(`the registrar answered ${answer.status} (${error}) for a secret`);
  }

  async #ask(method, path, body, signal) {
    const headers = { authorization: `Bearer ${await this.#accessToken()}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    return fetch(`${this.#url}${path}`, { method, headers, body: body && JSON.stringify(body), signal });
  }

  async #accessToken() {
    if (Date.now() < this.#goodUntil) return this.#token;
    const answer = await fetch(`${this.#url}/token`, {
      method: 'POST',
      headers: { authorization: basic(this.#credentials) },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'clients.read clients.used' }),
    });
    if (!answer.ok) throw new Error(`the registrar answered ${answer.status} for an access token`);
    const { access_token, expires_in } = await answer.json();
    this.#goodUntil = Date.now() + (expires_in - 10) * 1000;
    this.#token = access_token;
    return access_token;
  }
}

function basic(credentials) {
  return `Basic ${credentials.toString('base64')}`;
}
