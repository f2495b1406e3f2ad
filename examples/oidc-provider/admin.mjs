// The admin API of a registrar: reads clients, and says that they were used.
//
// The access token comes from the registrar's own token endpoint and is kept until shortly before
// it ends. It is asked for with no more scopes than are needed.

export class Admin {
  #url;
  #credentials;
  #token;
  #goodUntil = 0;

  constructor(url, { client_id, client_secret }) {
    this.#url = url;
    this.#credentials = Buffer.from(`${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`);
  }

  // What is registered under this identifier; undefined: nothing, or it has ended.
  async client(id) {
    const answer = await this.#ask('GET', `/admin/v1/clients/${encodeURIComponent(id)}`);
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw new Error(`the registrar answers ${answer.status} for the client ${id}`);
    return answer.json();
  }

  // Tells that clients were used: pairs of an identifier and the second when it was.
  async used(uses) {
    const list = uses.map(([client_id, at]) => ({ client_id, at }));
    const answer = await this.#ask('POST', '/admin/v1/clients/used', list);
    if (!answer.ok) throw new Error(`the registrar answers ${answer.status} for uses of clients`);
  }

  // Whether `secret` is that of a client. No secret ever leaves the registrar, so it is asked at
  // its token endpoint: a wrong secret is 401, a right one is a token, or 400 for a client that
  // may not have one there.
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
    throw new Error(`the registrar answers ${answer.status} (${error}) for a secret`);
  }

  async #ask(method, path, body) {
    const headers = { authorization: `Bearer ${await this.#accessToken()}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    return fetch(`${this.#url}${path}`, { method, headers, body: body && JSON.stringify(body) });
  }

  async #accessToken() {
    if (Date.now() < this.#goodUntil) return this.#token;
    const answer = await fetch(`${this.#url}/token`, {
      method: 'POST',
      headers: { authorization: basic(this.#credentials) },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'clients.read clients.used' }),
    });
    if (!answer.ok) throw new Error(`the registrar answers ${answer.status} for an access token`);
    const { access_token, expires_in } = await answer.json();
    this.#goodUntil = Date.now() + (expires_in - 10) * 1000;
    this.#token = access_token;
    return access_token;
  }
}

function basic(credentials) {
  return `Basic ${credentials.toString('base64')}`;
}
