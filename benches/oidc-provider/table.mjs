// Prints the table of the output of load.mjs: node table.mjs FILE. The others are compared with the first server.

import { readFileSync } from 'node:fs';

const lines = readFileSync(process.argv[2], 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const rate = ({ answers, micros }) => answers / (micros / 1e6);
const share = ({ processor, micros }) => processor / micros;

// The load generator was the limit if it used its whole core, or if a server that does nothing gave hardly
// more responses.
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
console.log('\nratio: relative to oidc-provider in memory; load: share of a core used by the load generator');
console.log(lines.some(isLimit)
  ? '* the load generator was the limit: the server may be faster than this line shows'
  : 'the load generator was not the limit for any server');
