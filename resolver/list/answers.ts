/** Whether anybody listens at an endpoint: a TCP connection that is opened and closed, without a byte being sent. */
import { connect } from 'node:net';
import type { Endpoint } from '../../registry/contract.js';
import type { Clock } from '../../runtime/clock.js';

/** @param signal Ends the check early, which then says yes. */
export type Answers = (endpoint: Endpoint, signal: AbortSignal) => Promise<boolean>;

/** Total, name resolution included. */
export const CONNECT_TIMEOUT_MS = 500;

/** Errors that say something of us, or of nothing, and not of the endpoint. */
const OURS: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
]);

/** False when a connection is refused, or not made in time; true when it is made, or when we could not try. */
export function answersOnTcp(clock: Clock): Answers {
  return ({ host, port }, signal) =>
    new Promise((resolve) => {
      const socket = connect({ host, port });
      const end = (answers: boolean): void => {
        cancel();
        signal.removeEventListener('abort', onAbort);
        socket.destroy();
        resolve(answers);
      };
      const onAbort = (): void => end(true);
      const cancel = clock.after(CONNECT_TIMEOUT_MS, () => end(false));
      signal.addEventListener('abort', onAbort, { once: true });
      socket.once('connect', () => end(true));
      socket.on('error', ({ code }: NodeJS.ErrnoException) => end(OURS.has(code ?? '')));
    });
}
