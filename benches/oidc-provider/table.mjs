// The table of what load.mjs printed: node table.mjs FILE. The first server is what the others are compared with.

import { readFileSync } from 'node:fs';

const lines = readFileSync(process.argv[2], 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const rate = ({ answers, micros }) => answers / (micros / 1e6);
const share = ({ processor, micros }) => processor / micros;

// The load was the limit when it had no more of its core left, or got hardly more answers from a
// server that does nothing.
const fixed = lines.find(({ name }) => name === 'fixed bytes');
const isLimit = (line) => line !== fixed && (share(line) >= 0.9 || rate(line) >= 0.8 * rate(fixed));

const row = (name, ...cells) => console.log(name.padEnd(32) + cells.map((cell) => String(cell).padStart(10)).join(''));

row('', '1/s', 'p50 us', 'p99 us', 'ratio', 'load');
for (const method of ['POST', 'GET']) {
  const rows = lines.filter((line) => line.method === method);
  for (const line of rows) {
    const ratio = (rate(line) / rate(rows[0])).toFixed(2);
    const load = `${Math.round(share(line) * 100)} %${isLimit(line) ? '*' : ''}`;
    row(`${method} ${line.name}`, Math.round(rate(line)), line.p50, line.p99, ratio, load);
  }
}
console.log('\nratio: to oidc-provider in memory; load: what making the load took of one core');
console.log(lines.some(isLimit)
  ? '* the load was the limit: the server may do more than this line says'
  : 'the load was not the limit of any server');
