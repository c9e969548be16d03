/**
 * How long a killed service is still picked: from SIGKILL to the first list of a resolver without it, on each registry.
 * The floor is what the same death costs somebody who holds a plain idle connection to the service: nobody can know
 * earlier. A second table kills the service where nothing is held and only the checks can tell.
 */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { connect as connectTo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ServiceHandle } from '../resolver/index.js';
import { sleep, systemClock } from '../runtime/clock.js';
import { CloseStack } from '../runtime/close-stack.js';
import { freePorts } from '../test/servers/ports.js';
import { startServer } from '../test/servers/start.js';
import { formatSpread, ratios, report, type Spread, spreadOf } from './harness.js';
import { progress } from './progress.js';
import { adminUrlOf, end, startNode, startSidecar } from './sidecar-process.js';

const SERVICE = 'mortal';
/** Longer than an interval: a connection that ends sooner, again and again, is taken for that of a server that closes idle ones. */
const SETTLED_MS = 2_500;
/** Listens, and nothing more; the port is the same in every life. */
const mortal = (port: number): string =>
  `require('node:net').createServer((s) => s.on('error', () => {})).listen(${port}, '127.0.0.1')`;

const REGISTRIES = {
  local: () => '?poll=50ms',
  zookeeper: (address: string) => `zookeeper://${address}/bench?sessionTimeout=10s`,
  etcd: (address: string) => `etcd://${address}/bench`,
  consul: (address: string) => `consul://${address}`,
} as const;
type RegistryName = keyof typeof REGISTRIES;

interface Death {
  /** Until a plain connection to it was closed. */
  readonly closedMs: number;
  readonly goneMs: number;
}

interface Row {
  readonly contender: string;
  readonly deaths: number;
  readonly milliseconds: Spread;
  readonly timesClosed: Spread;
}

export async function benchDeath({ quick }: { readonly quick: boolean }): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pilotfish-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const rows: Row[] = [];
  for (const hold of [true, false]) {
    for (const name of (quick ? ['local'] : Object.keys(REGISTRIES)) as RegistryName[]) {
      const deaths = await deathsOn(name, folder, hold, quick ? 2 : hold ? 11 : 3);
      rows.push(rowOf(`${name}, ${hold ? 'held connection' : 'checks only'}`, deaths));
    }
  }
  report<Row>(
    'death of a service, from SIGKILL to a list without it; median (min-max)',
    [
      { title: 'registry', text: ({ contender }) => contender },
      { title: 'deaths', text: ({ deaths }) => `${deaths}` },
      { title: 'ms', text: ({ milliseconds }) => formatSpread(milliseconds, 1) },
      { title: 'x a closed connection', text: ({ timesClosed }) => formatSpread(timesClosed, 1) },
    ],
    rows,
  );
}

function rowOf(contender: string, deaths: readonly Death[]): Row {
  const gone = deaths.map(({ goneMs }) => goneMs);
  const closed = deaths.map(({ closedMs }) => closedMs);
  return {
    contender,
    deaths: deaths.length,
    milliseconds: spreadOf(gone),
    timesClosed: spreadOf(ratios(gone, closed)),
  };
}

async function deathsOn(
  name: RegistryName,
  folder: string,
  hold: boolean,
  rounds: number,
): Promise<readonly Death[]> {
  progress(`killing a service ${rounds} times on ${name}, ${hold ? 'with' : 'without'} a held connection`);
  const closers = new CloseStack();
  try {
    const url = await urlOf(name, folder, closers);
    const [port] = await freePorts(0);
    const probed = { name: SERVICE, port, address: '127.0.0.1', probes: [{ type: 'tcp', hold }] };
    const handle = await watchedBy(url, folder, probed, closers);
    const deaths: Death[] = [];
    for (let round = 0; round < rounds; round++) deaths.push(await killOnce(handle, port));
    return deaths;
  } finally {
    await closers.close();
  }
}

async function urlOf(name: RegistryName, folder: string, closers: CloseStack): Promise<string> {
  if (name === 'local') return `local:${join(folder, 'registry')}${REGISTRIES.local()}`;
  const server = await startServer(name);
  closers.defer(() => server.stop());
  return REGISTRIES[name](server.address);
}

/** A sidecar with the defaults of a `tcp` probe, and a resolver in this process. */
async function watchedBy(
  registry: string,
  folder: string,
  service: object,
  closers: CloseStack,
): Promise<ServiceHandle> {
  const config = join(folder, 'sidecar.json');
  const settings = { registry, admin: '127.0.0.1:0', drainWait: '0s', flapHoldDown: false };
  await writeFile(config, JSON.stringify({ ...settings, services: [service] }));
  const sidecar = startSidecar(['--config', config]);
  closers.defer(() => end(sidecar));
  await adminUrlOf(sidecar);
  const discovery = await connect(registry);
  closers.defer(() => discovery.close());
  return discovery.service(SERVICE);
}

async function killOnce(handle: ServiceHandle, port: number): Promise<Death> {
  const service = startNode(mortal(port));
  await until(handle, (instances) => instances > 0);
  const witness = await connected(port);
  await sleep(systemClock, SETTLED_MS);
  const closed = new Promise<number>((resolve) => witness.once('close', () => resolve(systemClock.now())));
  const killedAt = systemClock.now();
  service.kill('SIGKILL');
  await until(handle, (instances) => instances === 0);
  const goneAt = systemClock.now();
  return { closedMs: (await closed) - killedAt, goneMs: goneAt - killedAt };
}

async function connected(port: number): Promise<Socket> {
  const socket = connectTo(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

function until(handle: ServiceHandle, holds: (instances: number) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (!holds(handle.snapshot?.instances.length ?? 0)) return;
      stop();
      resolve();
    };
    const stop = handle.onChange(check);
    check();
  });
}
