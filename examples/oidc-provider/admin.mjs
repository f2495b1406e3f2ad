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

  // Returns the client whose identifier is the URL of a document, and for how many seconds the answer may be kept. If
  // the URL is not a client, the answer has the reason instead. `address` is the address of the user. `revision` names
  // the version of the client that is asked for.
  async resolve(id, { address, revision }) {
    // The keys come with the client, so that the provider fetches nothing that a stranger names.
    const query = new URLSearchParams({ client_id: id, jwks: 'inline' });
    if (address !== undefined) query.set('address', address);
    if (revision !== undefined) query.set('revision', revision);
    const answer = await this.#ask('GET', `/admin/v1/clients/resolve?${query}`);
    const body = await answer.json();
    const [, seconds] = answer.headers.get('cache-control')?.match(/max-age=(\d+)/) ?? [];
    if (answer.ok) return { client: body, seconds: Number(seconds ?? 0) };
    const reason = `${body.error}: ${body.error_description}`;
    if ([400, 403, 404, 422, 502].includes(answer.status)) return { reason, seconds: 0 };
    const isLater = [429, 503].includes(answer.status);
    throw Object.assign(new Error(`the registrar answered ${answer.status} for ${id}: ${reason}`), { isLater });
  }

  // Returns the events after this position, with the position for the next call. Waits for the first one for
  // so many seconds. Without a position, returns only the position of the last event.
  async events(after, seconds = 0) {
    const query = after === undefined ? 'limit=1' : `after=${after}&limit=1000&wait=${seconds}`;
    const signal = AbortSignal.timeout((seconds + 10) * 1000);
    const answer = await this.#ask('GET', `/admin/v1/events?${query}`, undefined, signal);
    if (!answer.ok) {
      const isGone = answer.status === 410;
      throw Object.assign(new Error(`the registrar answered ${answer.status} for events`), { isGone });
    }
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
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'clients.read clients.resolve clients.used' }),
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
