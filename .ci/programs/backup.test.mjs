// Backups of a running server, opened with the library `jose` and Node alone.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { exportJWK, generateKeyPair } from 'jose';

import { open } from './open.mjs';

const { REGISTRAR, REGISTRAR_URL, REGISTRAR_CREDENTIALS } = process.env;

function backup(name, recipient) {
  const target = join(process.cwd(), `${name}.backup`);
  const remote = ['--server', REGISTRAR_URL, '--credentials', REGISTRAR_CREDENTIALS];
  execFileSync(REGISTRAR, ['store', 'backup', target, ...recipient, ...remote], { stdio: ['ignore', 'inherit', 'ignore'] });
  return readFileSync(target);
}

const ids = [];
for (const client_name of ['one', 'two']) {
  const body = JSON.stringify({ client_name, redirect_uris: ['https://client.example.org/cb'] });
  const answer = await fetch(`${REGISTRAR_URL}/register`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  assert.equal(answer.status, 201);
  ids.push((await answer.json()).client_id);
}

function expectClients(entries) {
  const keys = new Set(entries.filter(({ value }) => value).map(({ key }) => key.toString('latin1')));
  for (const id of ids) {
    assert.ok([...keys].some((key) => key.startsWith('c/') && key.endsWith(id)), `the backup has no record of ${id}`);
  }
}

const plain = backup('plain', []);
const entries = await open(plain);
expectClients(entries);
assert.equal(entries[0].manifest.key, undefined, 'a backup that is not encrypted has no key');

const key = readFileSync(join(dirname(REGISTRAR_CREDENTIALS), 'registrar.key'), 'utf8');
for (const [name, alg, options] of [
  ['rsa', 'RSA-OAEP-256', { modulusLength: 2048 }],
  ['p256', 'ECDH-ES+A256KW', { crv: 'P-256' }],
  ['p521', 'ECDH-ES+A256KW', { crv: 'P-521' }],
  ['x25519', 'ECDH-ES+A256KW', { crv: 'X25519' }],
]) {
  const pair = await generateKeyPair(alg, { ...options, extractable: true });
  const [identity, other] = [await exportJWK(pair.privateKey), await generateKeyPair(alg, { ...options, extractable: true })];
  const file = join(process.cwd(), `${name}.jwk`);
  writeFileSync(file, JSON.stringify(await exportJWK(pair.publicKey)));
  const bytes = backup(name, ['--recipient', file]);
  const encrypted = await open(bytes, identity);
  expectClients(encrypted);
  assert.equal(encrypted[0].manifest.key.trim(), key.trim(), 'an encrypted backup has the key of the secrets');
  assert.ok(!bytes.includes(ids[0]), 'an encrypted backup shows nothing');
  await assert.rejects(open(bytes));
  await assert.rejects(open(bytes, await exportJWK(other.privateKey)));
  const changed = Buffer.from(bytes);
  changed[changed.length >> 1] ^= 1;
  await assert.rejects(open(changed, identity), /digest/);
  console.log(`jose has opened a backup for ${name}`);
}

// The pair of the example.
execFileSync('node', ['keys.mjs', 'private.jwk', 'public.jwk']);
expectClients(await open(backup('example', ['--recipient', 'public.jwk']), JSON.parse(readFileSync('private.jwk', 'utf8'))));
assert.throws(() => execFileSync('node', ['keys.mjs', 'private.jwk', 'public.jwk'], { stdio: 'ignore' }), 'no key is overwritten');
