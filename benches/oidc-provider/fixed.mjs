// Answers every request with the same bytes, as many as a response to GET has. Shows the capacity of the load generator.

import { createServer } from 'node:net';

const body = JSON.stringify({ fixed: 'x'.repeat(1000) });
const answer = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);

// The load sends GET, which arrives in one piece, and the next request only after the response.
const server = createServer((socket) => {
  socket.setNoDelay();
  socket.on('data', () => socket.write(answer));
  socket.on('error', () => socket.destroy());
});
server.listen(0, '127.0.0.1', () => console.log(`fixed bytes: listens on http://127.0.0.1:${server.address().port}`));
