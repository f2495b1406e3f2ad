// An MCP server that requires an access token (RFC 9728), and the page to which a browser would be sent.

import { createServer } from 'node:http';

export async function protectedServer(authorizationServer) {
  const server = createServer((request, response) => {
    const origin = `http://${request.headers.host}`;
    if (request.url.startsWith('/.well-known/oauth-protected-resource')) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({
        resource: `${origin}/mcp`,
        authorization_servers: [authorizationServer],
        scopes_supported: ['openid', 'mcp:tools'],
      }));
    } else if (request.url === '/mcp') {
      const metadata = `${origin}/.well-known/oauth-protected-resource/mcp`;
      response.writeHead(401, { 'www-authenticate': `Bearer resource_metadata="${metadata}"` }).end();
    } else if (request.url.startsWith('/authorize?')) {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Who are you?</p>');
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise((listening) => server.listen(process.env.RESOURCE_PORT, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${server.address().port}/mcp`,
    close: () => { server.closeAllConnections(); server.close(); },
  };
}
