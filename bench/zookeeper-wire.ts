/**
 * Counts what a client costs a ZooKeeper server: a proxy that passes everything on and reads the operation of each
 * request. It knows the wire and not the client, so it counts any driver alike, bytes included.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { type HostPort, parseHostPort } from '../runtime/host-port.js';
import type { StartProxy } from './traffic.js';

/** The operation codes of the protocol, under the words of the report. */
const OPERATIONS: Readonly<Record<number, string>> = {
  3: 'exists',
  4: 'read',
  8: 'list',
  9: 'sync',
  12: 'list',
  14: 'multi',
  22: 'multi-read',
  106: 'add-watch',
};
const PING = 11;
const CLOSE = -11;

/** A frame is its length, then a request number and an operation code, four bytes each. */
const HEADER_BYTES = 12;

/** Pings are left out. */
export const startCountingProxy: StartProxy = async (target) => {
  let operations: Record<string, number> = {};
  let bytesIn = 0;
  const count = (code: number): void => {
    if (code === PING || code === CLOSE) return;
    const name = OPERATIONS[code] ?? `operation ${code}`;
    operations[name] = (operations[name] ?? 0) + 1;
  };
  const server = createServer((client) => {
    const upstream = connect(parseHostPort(target) as HostPort);
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    client.on('data', requestReader(count)).pipe(upstream).on('close', end).on('error', end);
    upstream.on('data', (chunk) => {
      bytesIn += chunk.byteLength;
    });
    upstream.pipe(client).on('close', end).on('error', end);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    take: () => {
      const taken = { operations, bytesIn };
      operations = {};
      bytesIn = 0;
      return taken;
    },
    close: () => void server.close(),
  };
};

/** Finds the frames in a stream of chunks. The first is the handshake, which has no operation code. */
function requestReader(onOperation: (code: number) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  let isHandshake = true;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= HEADER_BYTES) {
      const frameBytes = 4 + rest.readInt32BE(0);
      if (rest.length < frameBytes) return;
      if (!isHandshake) onOperation(rest.readInt32BE(8));
      isHandshake = false;
      rest = rest.subarray(frameBytes);
    }
  };
}
