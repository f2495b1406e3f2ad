// Checks what the tested registrar has stored for a client.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { Admin } from './admin.mjs';

export const registrar = process.env.REGISTRAR_URL;
const admin = new Admin(registrar, JSON.parse(readFileSync(process.env.REGISTRAR_CREDENTIALS, 'utf8')));

// Fails unless the client `id` is stored with these members. `undefined` means that a member is absent.
export async function expectStored(program, id, members) {
  assert.ok(id, `${program} has no client_id`);
  const stored = await admin.client(id);
  assert.ok(stored, `${program}: the client ${id} does not exist`);
  for (const [name, value] of Object.entries(members)) {
    assert.deepEqual(stored.metadata?.[name] ?? stored[name], value, `${program}: ${name} in ${JSON.stringify(stored)}`);
  }
  console.log(`${program} is registered as ${id}`);
}
