// A process that has a session and sockets of its own: `node fault-host.mjs REGISTRY ECHO_PORT`. The message `open` opens
// connections to the echo server and is answered with the state of the session; `probe` with how many of them no
// longer receive anything; `state` with the state alone.
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { openWritable } from '../../dist/registry/index.js';

const CONNECTIONS = 200;
/** They are spread over more than one attempt to connect to the registry. */
const PAUSE_MS = 15;
const PATIENCE_MS = 10_000;

const [url = '', port = '0'] = process.argv.slice(2);
/** @type {import('node:net').Socket[]} */
const sockets = [];

process.on('disconnect', () => process.exit());
const registry = await openWritable(url);
await registry.ping();
process.on('message', async (message) => {
  if (message === 'open') await open();
  process.send?.(message === 'probe' ? { deaf: await deaf() } : { state: registry.state });
});
process.send?.('ready');

async function open() {
  for (let i = 0; i < CONNECTIONS; i++) {
    const socket = connect({ host: '127.0.0.1', port: Number(port) });
    sockets.push(socket);
    await once(socket, 'connect');
    await delay(PAUSE_MS);
  }
}

/** How many do not get back what they send. */
async function deaf() {
  const heard = new Set();
  for (const socket of sockets) {
    socket.once('data', () => heard.add(socket));
    socket.write('?');
  }
  const limit = performance.now() + PATIENCE_MS;
  while (heard.size < sockets.length && performance.now() < limit) await delay(10);
  return sockets.length - heard.size;
}
