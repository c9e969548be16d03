// A service that tells its sidecar how it is, instead of being probed.
//
//   pilotfish sidecar --service hello --port 8080 --probe ttl:10s --admin 127.0.0.1:9190
//   PORT=8080 SIDECAR=http://127.0.0.1:9190 node examples/service-with-heartbeat.mjs
//
// It sends a heartbeat every 3 s; silence for longer than the TTL takes it off the list. It is unwell while too many
// requests wait, and says so at once. Environment: PORT (default 8080), SIDECAR (default http://127.0.0.1:9190),
// SERVICE (default hello), BEAT_MS (default 3000).
import { createServer } from 'node:http';

const { PORT = '8080', SIDECAR = 'http://127.0.0.1:9190', SERVICE = 'hello', BEAT_MS = '3000' } = process.env;
const TOO_MANY = 100;
let waiting = 0;

const server = createServer((_request, response) => {
  waiting += 1;
  response.on('close', () => {
    waiting -= 1;
  });
  setTimeout(() => response.end('hello\n'), 5);
});

function health() {
  if (waiting > TOO_MANY) return { status: 'fail', note: `${waiting} requests are waiting` };
  return { status: 'pass', note: `${waiting} requests in flight` };
}

async function beat() {
  try {
    const reply = await fetch(`${SIDECAR}/v1/heartbeat/${SERVICE}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(health()),
      signal: AbortSignal.timeout(1000),
    });
    if (!reply.ok) console.error(`heartbeat refused: ${reply.status} ${await reply.text()}`);
  } catch (error) {
    // The sidecar may start later or be restarting; the service works without it.
    console.error(`no heartbeat sent: ${error.cause?.message ?? error.message}`);
  }
}

server.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`listening on ${server.address().port}`);
  beat();
  setInterval(beat, Number(BEAT_MS)).unref();
});
process.once('SIGTERM', () => server.close());
