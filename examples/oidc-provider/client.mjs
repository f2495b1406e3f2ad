// What a client without a browser does: it finds both servers, and gets a code and tokens from the provider.

import assert from 'node:assert/strict';
import { createHash, randomBytes, sign } from 'node:crypto';

export const random = () => randomBytes(32).toString('base64url');
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

// Returns the metadata. Until the registrar has the metadata of the provider, its answer says when to retry.
export async function discovered(registrar) {
  for (;;) {
    const answer = await fetch(`${registrar}/.well-known/oauth-authorization-server`);
    if (answer.ok) return answer.json();
    assert.equal(answer.status, 503, await answer.text());
    await new Promise((done) => setTimeout(done, Number(answer.headers.get('retry-after')) * 1000));
  }
}

// A browser that follows redirects until one leads to `callback`, fills in the forms of the provider and keeps cookies.
// Returns the parameters of the response, and adds the pages on the way to `pages`.
export async function browse(url, callback, pages = []) {
  const cookies = new Map();
  let next = { url };
  for (let steps = 0; steps < 12; steps += 1) {
    const { url: here, body } = next;
    if (here.startsWith(callback)) return new URL(here).searchParams;
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(here, {
      method: body ? 'POST' : 'GET',
      headers: { cookie },
      body,
      redirect: 'manual',
    });
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(';')[0].split(/=(.*)/s);
      cookies.set(name, value);
    }
    const location = answer.headers.get('location');
    const page = await answer.text();
    if (location) {
      next = { url: new URL(location, here).href };
    } else {
      const [, prompt] = page.match(/name="prompt" value="(\w+)"/) ?? [];
      if (!prompt) return { status: answer.status, page };
      pages.push(page);
      const [, action] = page.match(/action="([^"]+)"/);
      next = { url: new URL(action, here).href, body: new URLSearchParams({ prompt, login: 'alice', password: 'x' }) };
    }
  }
  throw new Error('the authorization does not end');
}

// Gets a code for a client.
export async function authorized(metadata, { client_id, redirect_uri, scope = 'openid profile', prompt }, verifier, pages) {
  const url = new URL(metadata.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id,
    redirect_uri,
    response_type: 'code',
    scope,
    ...(prompt && { prompt }),
    state: 'a-state',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  return browse(url.href, redirect_uri, pages);
}

// Gets tokens for a code.
export async function redeemed(metadata, { code, redirect_uri }, verifier, { headers = {}, ...form }) {
  const answer = await fetch(metadata.token_endpoint, {
    method: 'POST',
    headers,
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri,
      code_verifier: verifier,
      ...form,
    }),
  });
  return { status: answer.status, body: await answer.json() };
}

// Returns the proof of a client with a key (`private_key_jwt`).
export function assertion(metadata, client_id, key) {
  const now = Math.floor(Date.now() / 1000);
  const aud = new URL(metadata.token_endpoint).origin;
  const claims = { iss: client_id, sub: client_id, aud, jti: random(), iat: now, exp: now + 60 };
  const signed = `${encoded({ alg: 'ES256', kid: 'one' })}.${encoded(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: `${signed}.${signature.toString('base64url')}`,
  };
}
