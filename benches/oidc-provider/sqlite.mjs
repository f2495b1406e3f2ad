// A durable SQLite adapter for oidc-provider: what is reported as stored has been written to disk.
//
// It implements what registration and its management use; there are no logins at this server. The provider
// stores the client and its access token separately, so a registration is two commits: the adapter interface
// has no transaction around both.

import assert from 'node:assert/strict';

import Database from 'better-sqlite3';

// The value of synchronous=FULL in SQLite: each commit waits until the log is on disk.
const FULL = 2;

export function sqlite(file) {
  const database = new Database(file);
  assert.equal(database.pragma('journal_mode = WAL', { simple: true }), 'wal');
  database.pragma('synchronous = FULL');
  assert.equal(database.pragma('synchronous', { simple: true }), FULL);
  database.exec(`CREATE TABLE records (
    model TEXT, id TEXT, payload TEXT NOT NULL, expires_at INTEGER, PRIMARY KEY (model, id)
  ) WITHOUT ROWID`);
  const statements = {
    upsert: database.prepare('INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)'),
    find: database.prepare('SELECT payload, expires_at FROM records WHERE model = ? AND id = ?'),
    destroy: database.prepare('DELETE FROM records WHERE model = ? AND id = ?'),
  };
  return (model) => new Records(model, statements);
}

class Records {
  #model;
  #statements;

  constructor(model, statements) {
    this.#model = model;
    this.#statements = statements;
  }

  async upsert(id, payload, expiresIn) {
    const end = expiresIn === undefined ? null : Date.now() + expiresIn * 1000;
    this.#statements.upsert.run(this.#model, id, JSON.stringify(payload), end);
  }

  async find(id) {
    const found = this.#statements.find.get(this.#model, id);
    if (!found || (found.expires_at !== null && found.expires_at <= Date.now())) return undefined;
    return JSON.parse(found.payload);
  }

  async destroy(id) {
    this.#statements.destroy.run(this.#model, id);
  }
}
