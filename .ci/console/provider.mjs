// The provider at which people sign in to the console: oidc-provider with its own pages, which accept any password.
// PORT is its port, REDIRECT_URI that of the console, and CLIENT_SECRET the secret of the registrar.

import { Provider } from 'oidc-provider';

const people = {
  ada: { name: 'Ada Lovelace', groups: ['staff', 'operators'] },
  grace: { name: 'Grace Hopper', groups: ['readers'] },
  eve: { name: 'Eve', groups: ['staff'] },
};

const port = Number(process.env.PORT);
const provider = new Provider(`http://localhost:${port}`, {
  clients: [{
    client_id: 'registrar',
    client_secret: process.env.CLIENT_SECRET,
    redirect_uris: [process.env.REDIRECT_URI],
  }],
  // As this provider has it by default, these claims are at the UserInfo endpoint and not in the ID token.
  claims: { openid: ['sub'], profile: ['name'], groups: ['groups'] },
  scopes: ['openid', 'profile', 'groups'],
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  cookies: { keys: ['for this test only'] },
});
provider.listen(port, () => console.log('listening'));
