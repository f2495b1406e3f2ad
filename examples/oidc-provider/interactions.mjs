// The pages on which a user signs in and agrees. A real server checks a password here.

import { hasDocument } from './clients.mjs';

const MOST_BYTES = 10_000;

// Returns a middleware for `/interaction/ID`.
export function interactions(provider, documents) {
  return async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    ctx.set('cache-control', 'no-store');
    const interaction = await provider.interactionDetails(ctx.req, ctx.res);
    if (ctx.method === 'GET') {
      ctx.type = 'html';
      ctx.body = await page(interaction, provider, documents);
      return;
    }
    const sent = await form(ctx.req);
    const isLogin = interaction.prompt.name === 'login';
    const result = isLogin
      ? { login: { accountId: sent.get('login') } }
      : { consent: { grantId: await grant(provider, interaction) } };
    ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: !isLogin }));
  };
}

async function form(request) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > MOST_BYTES) throw new Error('the form is too long');
  }
  return new URLSearchParams(text);
}

async function grant(provider, { grantId, session, params, prompt }) {
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
  const granted = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (missingOIDCScope) granted.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) granted.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
    granted.addResourceScope(resource, scopes.join(' '));
  }
  return granted.save();
}

async function page({ uid, prompt, params }, provider, documents) {
  const client = await provider.Client.find(params.client_id);
  const lines = [`<h1>${safe(client.clientName ?? params.client_id)}</h1>`];
  for (const line of await warnings(params, documents)) lines.push(`<p>${safe(line)}</p>`);
  const field = prompt.name === 'login'
    ? '<input name="login" placeholder="name" required>'
    : `<p>asks for: ${safe(params.scope ?? '')}</p>`;
  lines.push(
    `<form method="post" action="/interaction/${uid}">`,
    `<input type="hidden" name="prompt" value="${prompt.name}">${field}`,
    '<button>Continue</button></form>',
  );
  return `<!doctype html><meta charset="utf-8"><title>Sign in</title>${lines.join('\n')}`;
}

// Anyone can publish a document with any name. Only its host is verified, so the user must see it.
async function warnings({ client_id: id, redirect_uri: target }, documents) {
  const host = URL.canParse(target) ? new URL(target).host || target : target;
  const lines = [`It sends you to ${host}.`];
  const found = hasDocument(id) ? await documents.client(id) : undefined;
  if (!found?.document) return lines;
  const { host: own, loopback_only: isLocal, cross_host_redirects: far } = found.document;
  lines.unshift(`This application is published by ${own}.`);
  if (isLocal) lines.push('Any program on your device can claim to be this application. Continue only if you started it.');
  if (far.includes(target)) lines.push(`${host} is not ${own}.`);
  return lines;
}

function safe(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
