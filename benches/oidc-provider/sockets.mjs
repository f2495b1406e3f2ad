// Generates the load without wrk: node sockets.mjs CONNECTIONS SECONDS URL, POST of $BODY, or GET with $TOKEN.
//
// It sends the same bytes repeatedly and reads only the status and the end of a response, since the HTTP
// clients of Node are slower than the measured servers.

import { connect } from 'node:net';

const [connections, seconds, url] = [Number(process.argv[2]), Number(process.argv[3]), new URL(process.argv[4])];
const { BODY: body, TOKEN: token } = process.env;
const path = url.pathname + url.search;
const request = Buffer.from(body
  ? `POST ${path} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  : `GET ${path} HTTP/1.1\r\nHost: ${url.host}\r\nAuthorization: Bearer ${token}\r\n\r\n`);

const times = [];
let bad = 0;
const start = performance.now();
const end = start + seconds * 1000;

function run() {
  return new Promise((done) => {
    const socket = connect(Number(url.port), url.hostname, send).setNoDelay();
    let sent;
    let held = Buffer.alloc(0);
    function send() {
      sent = performance.now();
      socket.write(request);
    }
    socket.on('data', (bytes) => {
      held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      const head = held.indexOf('\r\n\r\n');
      if (head < 0) return;
      const text = held.latin1Slice(0, head);
      const length = /\r\ncontent-length: *(\d+)/i.exec(text);
      if (!length) return socket.destroy(new Error(`a response without content-length: ${text}`));
      if (held.length < head + 4 + Number(length[1])) return;
      held = Buffer.alloc(0);
      const now = performance.now();
      times.push(now - sent);
      if (text[9] !== '2') bad += 1;
      if (now < end) send();
      else socket.end();
    });
    socket.on('error', (error) => {
      console.error(error.message);
      bad += 1;
    });
    socket.on('close', () => {
      // The server closed the connection early, so its part of the load is missing.
      if (performance.now() < end) bad += 1;
      done();
    });
  });
}

await Promise.all(Array.from({ length: connections }, run));
const micros = Math.round((performance.now() - start) * 1000);
const sorted = Float64Array.from(times).sort();
const at = (share) => Math.round(1000 * sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]);
const { user, system } = process.cpuUsage();
console.log(JSON.stringify({ answers: times.length, bad, micros, p50: at(0.5), p99: at(0.99), processor: user + system }));
