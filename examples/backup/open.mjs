// Opens a backup of Registrar without Registrar, as docs/backup-and-recovery.md describes the format: checks the digest,
// decrypts the key with the library `jose` and the segments with Node, and prints the manifest and each record as a line of
// JSON.
//
//     npm install jose@6
//     node open.mjs BACKUP [PRIVATE-JWK-FILE] > records.jsonl
//
// The output has the metadata of every client, and of an encrypted backup also the key of the secrets: guard it like the
// backup. The whole file is in memory.

import { createDecipheriv, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

import { compactDecrypt, importJWK } from 'jose';

const LAST = 2 ** 31;
const TAG = 16;

const sha256 = (bytes) => createHash('sha256').update(bytes).digest();

function check(condition, reason) {
  if (!condition) throw new Error(reason);
}

// Returns the key of the segments.
async function segmentKey({ encryptedKey }, identity) {
  if (encryptedKey === undefined) return undefined;
  check(identity, 'the backup is encrypted; name the file of the private key');
  const { plaintext } = await compactDecrypt(encryptedKey, await importJWK(identity, identity.alg ?? algorithm(identity)));
  check(plaintext.length === 32, 'the key has not 32 bytes');
  return plaintext;
}

const algorithm = ({ kty }) => (kty === 'RSA' ? 'RSA-OAEP-256' : 'ECDH-ES+A256KW');

// Returns the text of a segment.
function opened(key, number, isLast, context, segment) {
  if (!key) return segment;
  const nonce = Buffer.alloc(12, isLast ? 1 : 0);
  nonce.writeBigUInt64BE(BigInt(number));
  const cipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(context).setAuthTag(segment.subarray(-TAG));
  return Buffer.concat([cipher.update(segment.subarray(0, -TAG)), cipher.final()]);
}

// Returns the text of all segments in `body`.
function text(key, context, body) {
  const parts = [];
  let at = 0;
  for (let number = 0, isLast = false; !isLast; number += 1) {
    const word = body.readUInt32BE(at);
    isLast = word >= LAST;
    const end = at + 4 + (word % LAST);
    check(end <= body.length, 'a segment is truncated');
    parts.push(opened(key, number, isLast, context, body.subarray(at + 4, end)));
    at = end;
  }
  check(at === body.length, 'something follows the last segment');
  return Buffer.concat(parts);
}

// Yields `{ manifest }`, then `{ key, value }` for each record and `{ key, removed: true }` for one that was removed.
function* entries(bytes) {
  let at = 0;
  const part = () => {
    const start = at + 4;
    const end = start + bytes.readUInt32BE(at);
    check(end <= bytes.length, 'an entry is truncated');
    at = end;
    return bytes.subarray(start, end);
  };
  const kind = () => String.fromCharCode(bytes[at++]);
  check(kind() === 'M', 'there is no manifest');
  yield { manifest: JSON.parse(part().toString()) };
  const counted = { stored: 0, removed: 0 };
  for (;;) {
    const next = kind();
    if (next === '+') {
      counted.stored += 1;
      yield { key: part(), value: part() };
    } else if (next === '-') {
      counted.removed += 1;
      yield { key: part(), removed: true };
    } else {
      check(next === 'E', `${JSON.stringify(next)} is not the beginning of an entry`);
      const stated = JSON.parse(part().toString());
      check(stated.stored === counted.stored && stated.removed === counted.removed, 'entries are missing');
      check(at === bytes.length, 'something follows the last entry');
      return;
    }
  }
}

// Opens the backup in `bytes` with the private key `identity`, a JWK. Throws an error if it is not what was written.
export async function open(bytes, identity) {
  const rest = bytes.subarray(0, -32);
  check(sha256(rest).equals(bytes.subarray(-32)), 'the digest is another one: the backup was altered or truncated');
  const end = rest.indexOf('\n') + 1;
  const line = rest.subarray(0, end);
  const head = JSON.parse(line.toString());
  check(head.registrarBackup === 1, `the version ${head.registrarBackup} is not known`);
  const key = await segmentKey(head, identity);
  return [...entries(text(key, sha256(line), rest.subarray(end)))];
}

// Returns the bytes of a record as JSON: most values are a byte with their version, and JSON.
function shown(bytes) {
  const start = bytes[0] === 1 ? 1 : 0;
  try {
    return JSON.parse(bytes.subarray(start).toString());
  } catch {
    return { base64: bytes.toString('base64') };
  }
}

// A key is text, in which other bytes are escaped.
const name = (key) => key.toString('latin1').replace(/[^ -~]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [file, identity] = process.argv.slice(2);
  const all = await open(readFileSync(file), identity && JSON.parse(readFileSync(identity, 'utf8')));
  for (const { manifest, key, value, removed } of all) {
    console.log(JSON.stringify(manifest ? { manifest } : { key: name(key), ...(removed ? { removed } : { value: shown(value) }) }));
  }
}
