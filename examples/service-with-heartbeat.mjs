// A service that tells its sidecar how it is, instead of being probed.
//
//   pilotfish sidecar --service hello --port 8080 --probe ttl:10s --admin 127.0.0.1:9190
//   PORT=8080 SIDECAR=http://127.0.0.1:9190 node examples/service-with-heartbeat.mjs
//
// A heartbeat goes out every 3 s; silence for longer than the TTL takes the service off the list. To see it
// unwell: curl http://127.0.0.1:8080/break, and /repair to make it well again. Environment, with defaults:
// PORT (8080), SIDECAR (http://127.0.0.1:9190), SERVICE (hello), BEAT_MS (3000), SECRET_FILE (none).
//
// Any process of the host could send these heartbeats. With a secret in a file of mode 600 only this service can; the
// sidecar is told of it by --heartbeat-secret-file, the service by SECRET_FILE.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const { PORT = '8080', SIDECAR = 'http://127.0.0.1:9190', SERVICE = 'hello', BEAT_MS = '3000' } = process.env;
const { SECRET_FILE } = process.env;
const secret = SECRET_FILE === undefined ? undefined : readFileSync(SECRET_FILE, 'utf8').trim();
let trouble = '';
let inFlight = 0;

async function beat() {
  // With the number of requests in work, a drain of this service ends as soon as there are none.
  const health = trouble === '' ? { status: 'pass', inFlight } : { status: 'fail', note: trouble, inFlight };
  try {
    const reply = await fetch(`${SIDECAR}/v1/heartbeat/${SERVICE}`, {
      method: 'PUT',
      headers: {
        'content-type': 'application/json',
        ...(secret !== undefined && { authorization: `Bearer ${secret}` }),
      },
      body: JSON.stringify(health),
      signal: AbortSignal.timeout(1000),
    });
    if (!reply.ok) console.error(`heartbeat refused: ${reply.status} ${await reply.text()}`);
  } catch (error) {
    // The sidecar may start later or be restarting; the service works without it.
    console.error('no heartbeat sent:', error);
  }
}

const server = createServer((request, response) => {
  inFlight += 1;
  response.once('close', () => {
    inFlight -= 1;
  });
  if (request.url === '/break') trouble = 'somebody asked for /break';
  if (request.url === '/repair') trouble = '';
  response.end(trouble === '' ? 'hello\n' : `unwell: ${trouble}\n`);
});

server.listen(Number(PORT), '127.0.0.1', () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  console.log(`listening on ${port}`);
  beat();
  setInterval(beat, Number(BEAT_MS)).unref();
});
process.once('SIGTERM', () => server.close());
