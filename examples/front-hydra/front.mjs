// In front of the authorization endpoint of Ory Hydra: makes a client with a document known there, then sends the browser
// on. README.md describes the setting.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { isIP } from 'node:net';
import { fileURLToPath } from 'node:url';

const registrar = process.env.REGISTRAR_URL ?? 'http://127.0.0.1:8080';
const hydra = process.env.HYDRA_PUBLIC_URL ?? 'http://127.0.0.1:4444';
const hydraAdmin = process.env.HYDRA_ADMIN_URL ?? 'http://127.0.0.1:4445';
const ownCredentials = fileURLToPath(new URL('../../data/admin-credentials.json', import.meta.url));
const credentials = JSON.parse(readFileSync(process.env.REGISTRAR_CREDENTIALS ?? ownCredentials, 'utf8'));
const addressHeader = process.env.ADDRESS_HEADER?.toLowerCase();

// How long a browser waits until Hydra has the client, in milliseconds, and how many browsers wait at once.
const PATIENCE = 5000;
const MOST = 200;
// The longest query, in bytes.
const MOST_QUERY = 8000;
// How long one call of the other servers takes at most, in milliseconds. Registrar may have to fetch the document.
const TIMEOUT = 15_000;

// What the browser gets instead of a redirect.
class Problem extends Error {
  constructor(status, text, headers = {}) {
    super(text);
    Object.assign(this, { status, headers });
  }
}
const later = (text, seconds = 5) => new Problem(503, text, { 'retry-after': String(seconds) });

const ask = (url, options) => fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT), ...options });

let token = { goodUntil: 0 };
async function accessToken() {
  if (Date.now() < token.goodUntil) return token.text;
  const pair = [credentials.client_id, credentials.client_secret].map(encodeURIComponent).join(':');
  const answer = await ask(`${registrar}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'clients.resolve' }),
  });
  if (!answer.ok) throw new Error(`Registrar answered ${answer.status} for an access token`);
  const { access_token: text, expires_in: seconds } = await answer.json();
  token = { text, goodUntil: Date.now() + (seconds - 10) * 1000 };
  return text;
}

// Has Registrar create the client of this URL, or fetch its document again, and returns its redirect URIs.
async function resolved(id, address) {
  const query = new URLSearchParams({ client_id: id, ...(isIP(address ?? '') && { address }) });
  const headers = { authorization: `Bearer ${await accessToken()}` };
  const answer = await ask(`${registrar}/admin/v1/clients/resolve?${query}`, { headers });
  const body = await answer.json();
  if (answer.ok) {
    if (body.metadata.disabled) throw new Problem(400, 'invalid_client: this application is disabled');
    return body.metadata.redirect_uris ?? [];
  }
  const reason = `${body.error}: ${body.error_description}`;
  if ([400, 403, 404, 422, 502].includes(answer.status)) throw new Problem(400, `invalid_client: ${reason}`);
  if (![429, 503].includes(answer.status)) throw new Error(`Registrar answered ${answer.status}: ${reason}`);
  throw later(`temporarily_unavailable: ${reason}`, answer.headers.get('retry-after') ?? undefined);
}

// Waits until the script notify-hydra has copied this version of the client.
async function awaited(id, uris) {
  const wanted = JSON.stringify([...uris].sort());
  const headers = process.env.HYDRA_ADMIN_TOKEN && { authorization: `Bearer ${process.env.HYDRA_ADMIN_TOKEN}` };
  const end = Date.now() + PATIENCE;
  for (let pause = 50; Date.now() < end; pause = Math.min(2 * pause, 1000)) {
    const answer = await ask(`${hydraAdmin}/admin/clients/${encodeURIComponent(id)}`, { headers });
    const body = await answer.json();
    if (answer.ok && JSON.stringify([...(body.redirect_uris ?? [])].sort()) === wanted) return;
    if (!answer.ok && answer.status !== 404) throw new Error(`Hydra answered ${answer.status} for ${id}`);
    await new Promise((done) => setTimeout(done, pause));
  }
  throw later('temporarily_unavailable: the application is not known to the authorization server yet');
}

// Returns the URL at Hydra. Only its query is that of the request.
async function target(request) {
  const [path, query = ''] = request.url.split(/\?(.*)/s);
  if (path !== '/oauth2/auth') throw new Problem(404, 'not found');
  if (request.method !== 'GET') throw new Problem(405, 'only GET is possible here', { allow: 'GET' });
  if (query.length > MOST_QUERY) throw new Problem(414, 'the request is too long');
  const ids = new URLSearchParams(query).getAll('client_id');
  if (ids.length > 1) throw new Problem(400, 'invalid_request: client_id must not be repeated');
  if (ids[0]?.startsWith('https://')) {
    const address = addressHeader ? request.headers[addressHeader] : request.socket.remoteAddress;
    await awaited(ids[0], await resolved(ids[0], address));
  }
  return `${hydra}/oauth2/auth?${query}`;
}

let waiting = 0;
const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, async (request, response) => {
  const send = (status, headers, text) => response.writeHead(status, { 'cache-control': 'no-store', ...headers }).end(text);
  waiting += 1;
  try {
    if (waiting > MOST) throw later('temporarily_unavailable: too many users sign in now');
    send(302, { location: await target(request) });
  } catch (error) {
    if (!(error instanceof Problem)) console.error(error.message, error.cause?.message ?? '');
    const isKnown = error instanceof Problem;
    const { status, headers, message } = isKnown ? error : later('temporarily_unavailable: try again later');
    const type = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
    send(status, { ...type, ...headers }, `${message}\n`);
  } finally {
    waiting -= 1;
  }
});
server.maxConnections = 2 * MOST;
server.listen(Number(process.env.PORT ?? 4443), process.env.HOST ?? '127.0.0.1', () => console.log('listening'));
