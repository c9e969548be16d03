// @ts-check
/**
 * A service as a process of its own that ends well: it says how many requests it works on, and at SIGTERM it takes no
 * more connections and finishes what it has. `/?ms=300` takes that long. What happens to it is a JSON line each.
 */
import { createServer } from 'node:http';

let inFlight = 0;
let isStopping = false;

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://service');
  if (pathname === '/health') return response.end('ok');
  if (pathname === '/in-flight') return response.end(JSON.stringify({ inFlight }));
  inFlight++;
  response.once('close', () => {
    inFlight--;
    if (isStopping) server.closeIdleConnections();
  });
  setTimeout(
    () => {
      if (isStopping) response.setHeader('connection', 'close');
      response.end('done');
    },
    Number(searchParams.get('ms')),
  );
});

// Longer than a caller keeps an idle connection, so that it is never the service that closes one first.
server.keepAliveTimeout = 60_000;
server.listen(Number(process.env.PORT), '127.0.0.1', () => say('listens'));

process.once('SIGTERM', () => {
  say('SIGTERM');
  isStopping = true;
  server.close(() => say('ended'));
});

/** @param {string} event */
function say(event) {
  console.log(JSON.stringify({ event, at: Date.now(), inFlight }));
}
