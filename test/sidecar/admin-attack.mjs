// What a web page and a hostile local process can do to an admin server, from a process of its own, so that its work is
// not taken for the server's. Arguments: the port. Prints as JSON the statuses that each attack was answered with.
import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const port = Number(process.argv[2]);
const ROUNDS = 100;
const SLOW_SOCKETS = 100;
const SLOW_MS = 2_000;
const TYPE = { 'content-type': 'application/json' };
const BEAT = '{"status":"fail"}';

/** @param {Record<string, string | number>} headers @param {string} body */
function send(headers, body) {
  return new Promise((resolve) => {
    const options = {
      host: '127.0.0.1',
      port,
      method: 'PUT',
      path: '/v1/heartbeat/orders',
      headers,
      agent: false,
    };
    const sent = request(options, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on('error', () => resolve('dropped'));
    sent.end(body);
  });
}

/** @param {() => Promise<unknown>} attack */
async function repeated(attack) {
  const statuses = new Set();
  for (let i = 0; i < ROUNDS; i++) statuses.add(await attack());
  return [...statuses];
}

async function slowloris() {
  const sockets = Array.from({ length: SLOW_SOCKETS }, () =>
    connect(port, '127.0.0.1').on('error', () => {}),
  );
  for (const socket of sockets) socket.write('GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
  for (let ms = 0; ms < SLOW_MS; ms += 50) {
    for (const socket of sockets) if (socket.writable) socket.write('x');
    await delay(50);
  }
  for (const socket of sockets) socket.destroy();
}

const result = {
  rebinding: await repeated(() => send({ ...TYPE, host: 'evil.example' }, BEAT)),
  crossSite: await repeated(() => send({ ...TYPE, origin: 'http://evil.example' }, BEAT)),
  form: await repeated(() => send({ 'content-type': 'text/plain' }, BEAT)),
  gigabyte: await repeated(() => send({ ...TYPE, 'content-length': 2 ** 30 }, BEAT)),
};
await slowloris();
console.log(JSON.stringify(result));
