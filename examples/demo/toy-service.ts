/**
 * A service that never heard of service discovery: answers `GET /` with its own name and `GET /health` with ok.
 * `node toy-service.js NAME PORT`; port 0 is any free one. Tells its parent the port, and ends when the parent does.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const [name = 'toy', port = '0'] = process.argv.slice(2);

const server = createServer((request, response) => {
  const healthy = request.url === '/health';
  response.end(healthy ? 'ok\n' : `${name}\n`);
});

server.listen(Number(port), '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});

process.on('disconnect', () => process.exit());
