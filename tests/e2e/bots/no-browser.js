'use strict';
// A bot with no browser: an HTTP server on a port from the system. It has no signal handlers, so SIGTERM ends it.

const http = require('node:http');

const server = http.createServer((_request, response) => response.end('pong\n'));
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
