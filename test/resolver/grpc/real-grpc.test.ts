/** The real `@grpc/grpc-js` on both ends: servers, a channel to `pilotfish:///orders`, and calls while the list changes. */
import * as grpc from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { registerGrpcResolver } from '../../../resolver/grpc/index.js';
import { connect, type Discovery } from '../../../resolver/index.js';
import { eventually } from '../../end-to-end/world.js';
import { instance, MemoryRegistry } from '../memory-registry.js';

const PATH = '/shop.Orders/Who';
const asIs = (bytes: Buffer): Buffer => bytes;
const WHO = {
  who: {
    path: PATH,
    requestStream: false,
    responseStream: false,
    ...{
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  },
} as const;

let registry: MemoryRegistry;
let discovery: Discovery;
let servers: Map<string, { readonly server: grpc.Server; readonly port: number }>;
let client: grpc.Client;
let fleets = 0;

beforeEach(async () => {
  registry = new MemoryRegistry('memory://127.0.0.1:1');
  discovery = await connect(registry);
  servers = new Map();
  // One for each test, because gRPC keeps them for the whole process.
  const scheme = `fleet${++fleets}`;
  registerGrpcResolver(grpc, discovery, { scheme });
  client = new grpc.Client(`${scheme}:///orders`, grpc.credentials.createInsecure());
});

afterEach(async () => {
  client.close();
  await discovery.close();
  for (const { server } of servers.values()) server.forceShutdown();
});

/** A server that answers with its id. */
async function serve(id: string): Promise<void> {
  const server = new grpc.Server();
  server.addService(WHO, {
    who: (_call: unknown, answer: grpc.sendUnaryData<Buffer>) => answer(null, Buffer.from(id)),
  });
  const port = await new Promise<number>((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  servers.set(id, { server, port });
}

function list(...ids: readonly string[]): void {
  registry.list(ids.map((id) => instance({ id, host: '127.0.0.1', port: servers.get(id)?.port ?? 1 })));
}

function call(): Promise<string> {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + 10_000;
    client.makeUnaryRequest(PATH, asIs, asIs, Buffer.alloc(0), { deadline }, (error, answer) =>
      error ? reject(error) : resolve(`${answer}`),
    );
  });
}

async function callers(count: number): Promise<readonly string[]> {
  const all: string[] = [];
  for (let n = 0; n < count; n++) all.push(await call());
  return [...new Set(all)].sort();
}

it('calls are spread over the list, and follow it as endpoints join and leave, without one that fails', async () => {
  for (const id of ['a', 'b', 'c']) await serve(id);
  list('a', 'b');
  await eventually('both are called', async () => (await callers(6)).join() === 'a,b');
  list('a', 'b', 'c');
  await eventually('the new one is called', async () => (await callers(6)).join() === 'a,b,c');
  list('b', 'c');
  await eventually('the one that left is not', async () => (await callers(6)).join() === 'b,c');
  servers.get('a')?.server.forceShutdown();
  expect(await callers(20)).toEqual(['b', 'c']);
});

it('a call waits for the first list', async () => {
  await serve('a');
  const answer = call();
  list('a');
  expect(await answer).toBe('a');
});
