// The authorization code flow of a client without a browser, against the development pages of oidc-provider.

import assert from 'node:assert/strict';
import { createHash, randomBytes, sign } from 'node:crypto';

export const random = () => randomBytes(32).toString('base64url');
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

// Follows redirects, fills in the forms of oidc-provider and keeps cookies until a redirect to `callback`.
async function browse(url, callback) {
  const cookies = new Map();
  let next = { url };
  for (let steps = 0; steps < 12; steps += 1) {
    const { url: here, body } = next;
    if (here.startsWith(callback)) return new URL(here).searchParams;
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(here, { method: body ? 'POST' : 'GET', headers: { cookie }, body, redirect: 'manual' });
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
      const [, action] = page.match(/action="([^"]+)"/);
      next = { url: new URL(action, here).href, body: new URLSearchParams({ prompt, login: 'alice', password: 'x' }) };
    }
  }
  throw new Error('the authorization does not end');
}

// Asks `issuer` for a code. Returns the parameters of the redirect, or the page of an error.
export async function authorize(issuer, client_id, redirect_uri, verifier) {
  const url = new URL('/auth', issuer);
  url.search = new URLSearchParams({
    client_id,
    redirect_uri,
    response_type: 'code',
    scope: 'openid',
    state: 'a-state',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  return browse(url.href, redirect_uri);
}

export async function redeem(issuer, code, redirect_uri, code_verifier, proof) {
  const form = { grant_type: 'authorization_code', code, redirect_uri, code_verifier, ...proof };
  const answer = await fetch(new URL('/token', issuer), { method: 'POST', body: new URLSearchParams(form) });
  return { status: answer.status, body: await answer.json() };
}

// The proof of a client that authenticates with `key`, as private_key_jwt.
export function asserted(issuer, client_id, key) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: client_id, sub: client_id, aud: issuer, jti: random(), iat: now, exp: now + 60 };
  const signed = `${encoded({ alg: 'ES256', kid: 'one' })}.${encoded(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return {
    client_id,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: `${signed}.${signature.toString('base64url')}`,
  };
}

// The whole flow: a code, and an ID token for this client.
export async function whole(issuer, client_id, redirect_uri, proof) {
  const verifier = random();
  const back = await authorize(issuer, client_id, redirect_uri, verifier);
  assert.equal(back.get?.('state'), 'a-state', JSON.stringify(back));
  const { status, body } = await redeem(issuer, back.get('code'), redirect_uri, verifier, proof);
  assert.equal(status, 200, JSON.stringify(body));
  const claims = JSON.parse(Buffer.from(body.id_token.split('.')[1], 'base64url'));
  assert.deepEqual([claims.sub, claims.aud], ['alice', client_id]);
  assert.ok(body.access_token);
}
