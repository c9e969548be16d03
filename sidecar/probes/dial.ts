/**
 * Opens a TCP connection for a check: to an IP literal by default, to both loopback addresses for `localhost`
 * (an application may listen on either), to whatever DNS says only when asked to. The signal ends it in every
 * phase.
 */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP, type Socket, connect as systemConnect } from 'node:net';
import { abortable } from '../../runtime/abort.js';
import { PilotfishError } from '../../runtime/errors.js';
import type { HostPort } from '../../runtime/host-port.js';
import type { ProbeTarget } from '../config/config.js';

/** Starts to connect, as `net.connect` does; failures arrive as the socket's `error` event. */
export type Connect = (address: HostPort) => Socket;

/** The addresses of a host name. */
export type Lookup = (host: string) => Promise<readonly string[]>;

export interface Network {
  readonly connect: Connect;
  readonly lookup: Lookup;
  /** A socket that is neither bound nor connected yet. */
  readonly datagrams: (family: 'udp4' | 'udp6') => DatagramSocket;
}

export const systemNetwork: Network = {
  connect: ({ host, port }) => systemConnect({ host, port }),
  datagrams: createSocket,
  lookup: async (host) => (await systemLookup(host, { all: true })).map(({ address }) => address),
};

/** Opens a connection that is destroyed when `signal` aborts, also after it was opened. */
export type Dial = (signal: AbortSignal) => Promise<Socket>;

/** How many addresses of one name are tried. */
const MAX_ADDRESSES = 4;

export function dialer(target: ProbeTarget, network: Network): Dial {
  const addresses = addressSource(target, network.lookup);
  return async (signal) =>
    openFirst(await abortable(addresses(), signal), target.port, signal, network.connect);
}

/**
 * A failed lookup answers with the last good addresses: a dead name server says nothing of a service. So does one that
 * an earlier check gave up waiting for, and no other is started beside it: each occupies one of few threads.
 */
export function addressSource(
  { host, resolve }: ProbeTarget,
  lookup: Lookup,
): () => Promise<readonly string[]> {
  const fixed = fixedAddresses(host);
  if (fixed !== undefined) return async () => fixed;
  if (!resolve) throw new PilotfishError('BAD_INPUT', `expected an IP address, got "${host}", at host`);
  let lastGood: readonly string[] = [];
  let pending: Promise<readonly string[]> | undefined;
  return async () => {
    if (pending !== undefined && lastGood.length > 0) return lastGood;
    pending ??= lookup(host).finally(() => {
      pending = undefined;
    });
    try {
      lastGood = (await pending).slice(0, MAX_ADDRESSES);
    } catch (error) {
      if (lastGood.length === 0) throw error;
    }
    return lastGood;
  };
}

function fixedAddresses(host: string): readonly string[] | undefined {
  if (isIP(host) !== 0) return [host];
  return host.toLowerCase() === 'localhost' ? ['127.0.0.1', '::1'] : undefined;
}

/** Tries all addresses at once and keeps the first that connects. */
async function openFirst(
  addresses: readonly string[],
  port: number,
  signal: AbortSignal,
  connect: Connect,
): Promise<Socket> {
  signal.throwIfAborted();
  const sockets = addresses.map((host) => connect({ host, port }));
  const destroyAll = (): void => sockets.forEach((socket) => void socket.destroy(signal.reason));
  signal.addEventListener('abort', destroyAll, { once: true });
  const winner = await Promise.any(sockets.map(opened)).catch(rethrowOnly);
  for (const socket of sockets) if (socket !== winner) socket.destroy();
  winner.once('close', () => signal.removeEventListener('abort', destroyAll));
  if (isSelfConnection(winner)) throw selfConnected(winner);
  return winner;
}

function opened(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // Stays for good: an error after the check has ended is nobody's.
    socket.on('error', reject);
    socket.once('connect', () => resolve(socket));
  });
}

/** Of several addresses tried, one error of each; of a single one its own. */
export function rethrowOnly(error: AggregateError): never {
  throw error.errors.length === 1 ? error.errors[0] : error;
}

/**
 * Connecting to a port of this host that nobody listens on can meet itself, when the kernel happens to choose
 * that very port as the source (a TCP simultaneous open). It looks like success.
 */
export function isSelfConnection(
  socket: Pick<Socket, 'localAddress' | 'localPort' | 'remoteAddress' | 'remotePort'>,
): boolean {
  return socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress;
}

function selfConnected(socket: Socket): PilotfishError {
  const { localPort } = socket;
  socket.resetAndDestroy();
  return new PilotfishError('UNAVAILABLE', `nothing listens on port ${localPort}: the connection met itself`);
}
