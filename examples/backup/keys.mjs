// Makes a pair of keys for encrypted backups: the private key opens them, the public one is for --recipient.
//
//     npm install jose@6
//     node keys.mjs [PRIVATE-JWK-FILE [PUBLIC-JWK-FILE]]

import { writeFileSync } from 'node:fs';

import { exportJWK, generateKeyPair } from 'jose';

const [privateFile = 'private.jwk', publicFile = 'public.jwk'] = process.argv.slice(2);
const pair = await generateKeyPair('ECDH-ES+A256KW', { crv: 'X25519', extractable: true });
for (const [file, key, mode] of [[privateFile, pair.privateKey, 0o600], [publicFile, pair.publicKey, 0o644]]) {
  writeFileSync(file, `${JSON.stringify(await exportJWK(key))}\n`, { mode, flag: 'wx' });
}
