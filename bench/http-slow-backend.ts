/** A backend that takes its time. In a process of its own; says when it listens, and ends with its parent. */
import { createServer } from 'node:http';
import { systemClock } from '../runtime/clock.js';
import { endWithParent } from './harness.js';
import { ANSWER } from './http-configs.js';

const [port, delayMs] = process.argv.slice(2).map(Number) as [number, number];

const server = createServer((_request, response) => {
  systemClock.after(delayMs, () => response.setHeader('content-length', ANSWER.length).end(ANSWER));
});
server.keepAliveTimeout = 0;
server.listen(port, '127.0.0.1', () => process.send?.('listening'));
endWithParent();
